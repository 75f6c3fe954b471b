"""Which Host and Origin a request may carry, and what a page of a named origin may read (CORS). Pure.

As `front/server/http/origin.mjs` and `cors.mjs` have it, for the sidecar's own port of an unprotected hub.
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
    """The names of one hub."""

    def __init__(self, settings: Settings) -> None:
        allowed = {name.lower() for name in listed(settings.allowed_hosts)}
        self._named = set(allowed)
        """Hosts, on any port, and whole origins, whose pages may use the endpoints."""
        self._hosts = LOOPBACK | {settings.host.strip("[]").lower()} | allowed
        if settings.public_url:
            parts = urlsplit(settings.public_url)
            self._named.add(f"{parts.scheme}://{parts.netloc}".lower())
            self._hosts |= {(parts.hostname or "").lower()}

    def names(self, origin: str) -> bool:
        """Whether a setting names the origin, or its host."""
        return bool(origin) and (origin.lower() in self._named or origin_and_port(origin)[0] in self._named)

    def refusal(self, host: str, origin: str, site: str) -> HostRefused | None:
        """Why a request is refused; None where it is not. `site` is its Sec-Fetch-Site, which browsers alone send.

        A page of another site, or of another program on this machine, must not reach the hub, by DNS rebinding or
        otherwise (MCP, Transports, Security).
        """
        name, port = host_and_port(host)
        if name not in self._hosts:
            return HostRefused("The Host of the request is not one of the hub's.")
        if origin:
            return self._foreign(name, port, origin, site)
        return self._of_a_page(site)

    def _foreign(self, name: str, port: int | None, origin: str, site: str) -> HostRefused | None:
        """The same of a request to a host of the hub's that names its origin."""
        if self.names(origin):
            return None
        page, page_port = origin_and_port(origin)
        own = page_port == (port or DEFAULT_PORTS.get(origin.partition(":")[0].lower())) and (
            page == name or {page, name} <= LOOPBACK
        )
        if not own:
            return HostRefused("The Origin of the request is not one of the hub's.")
        return self._of_a_page(site)

    @staticmethod
    def _of_a_page(site: str) -> HostRefused | None:
        if site not in ("", "same-origin", "none"):
            return HostRefused("A page of another origin sends the request, and it does not say which.")
        return None


def cors(origin: str) -> Headers:
    """What tells a browser that a page of this origin may read an answer."""
    return (
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-expose-headers", EXPOSED),
        (b"vary", b"Origin"),
    )


def preflight(requested: str) -> Headers:
    """What tells a browser which requests a page may send; `requested` is Access-Control-Request-Headers."""
    names = [name for each in requested.lower().split(",") if _ALLOWED_HEADER.fullmatch(name := each.strip())]
    return (
        (b"access-control-allow-methods", METHODS),
        (b"access-control-allow-headers", ", ".join(names).encode("latin-1")),
        (b"access-control-max-age", PREFLIGHT_SECONDS),
    )
