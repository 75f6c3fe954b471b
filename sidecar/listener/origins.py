"""Checks Host and Origin of requests (against DNS rebinding), and makes CORS headers for allowed origins. Pure.

For the sidecar's own port of an unprotected hub; `front/server/http/origin.mjs` and `cors.mjs` are the front's version.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from bridge.settings import Settings, listed
from sidecar.http_errors import HostRefused
from sidecar.listener.hosts import DEFAULT_PORTS, host_and_port, origin_and_port

Headers = tuple[tuple[bytes, bytes], ...]

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_ALLOWED_HEADER = re.compile(
    r"authorization|content-type|accept|last-event-id|traceparent|tracestate|baggage|mcp-[a-z0-9-]{1,128}"
)
EXPOSED = b"Mcp-Session-Id, WWW-Authenticate"
METHODS = b"GET, POST, DELETE"
PREFLIGHT_SECONDS = b"600"


class Origins:
    """The hosts and origins that one hub allows."""

    def __init__(self, settings: Settings) -> None:
        allowed = {name.lower() for name in listed(settings.allowed_hosts)}
        self._allowed = set(allowed)
        """Hosts (on any port) and origins whose pages may use the endpoints."""
        self._hosts = LOOPBACK | {settings.host.strip("[]").lower()} | allowed
        if settings.public_url:
            parts = urlsplit(settings.public_url)
            self._allowed.add(f"{parts.scheme}://{parts.netloc}".lower())
            self._hosts |= {(parts.hostname or "").lower()}

    def names(self, origin: str) -> bool:
        """Whether the settings allow the origin or its host."""
        return bool(origin) and (origin.lower() in self._allowed or origin_and_port(origin)[0] in self._allowed)

    def refusal(self, host: str, origin: str, site: str) -> HostRefused | None:
        """The error for a request that is refused, else None. `site` is its Sec-Fetch-Site, which only browsers send.

        This keeps pages of other sites, and of other programs on this machine, from the hub (MCP, Transports, Security
        Warning: DNS rebinding).
        """
        name, port = host_and_port(host)
        if name not in self._hosts:
            return HostRefused("The Host of the request is not one of the hub's.")
        if origin:
            return self._check_origin(name, port, origin, site)
        return self._check_site(site)

    def _check_origin(self, name: str, port: int | None, origin: str, site: str) -> HostRefused | None:
        """The error for a request to one of the hub's hosts with an Origin that is not allowed, else None."""
        if self.names(origin):
            return None
        page, page_port = origin_and_port(origin)
        own = page_port == (port or DEFAULT_PORTS.get(origin.partition(":")[0].lower())) and (
            page == name or {page, name} <= LOOPBACK
        )
        if not own:
            return HostRefused("The Origin of the request is not one of the hub's.")
        return self._check_site(site)

    @staticmethod
    def _check_site(site: str) -> HostRefused | None:
        if site not in ("", "same-origin", "none"):
            return HostRefused("A page of another origin sends the request, and it does not say which.")
        return None


def cors(origin: str) -> Headers:
    """The headers with which a browser lets a page of this origin read a response."""
    return (
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-expose-headers", EXPOSED),
        (b"vary", b"Origin"),
    )


def preflight(requested: str) -> Headers:
    """The headers of a preflight response; `requested` is the value of Access-Control-Request-Headers."""
    names = [name for each in requested.lower().split(",") if _ALLOWED_HEADER.fullmatch(name := each.strip())]
    return (
        (b"access-control-allow-methods", METHODS),
        (b"access-control-allow-headers", ", ".join(names).encode("latin-1")),
        (b"access-control-max-age", PREFLIGHT_SECONDS),
    )
