"""The endpoints as OAuth resources (RFC 8707), and the challenges with which requests to them are refused (RFC 6750,
RFC 9728)."""

from __future__ import annotations

import re

from starlette.types import Scope

from bridge.settings import Settings, listed
from sidecar.access.credential import SCOPE
from sidecar.listener.asgi import header

Headers = tuple[tuple[bytes, bytes], ...]

BASE_HEADER = b"x-hub-base"
"""The header in which the front says how the client addresses the hub: scheme and host, or HUB_PUBLIC_URL."""
REALM = 'Bearer realm="yamcp-hub"'
WELL_KNOWN = "/.well-known/oauth-protected-resource"
_BASE = re.compile(r"https?://[A-Za-z0-9._~:\[\]/%-]{1,512}")
_ENDPOINT = re.compile(r"(/mcp/[A-Za-z0-9._~%-]{1,512})(/sse|/messages)?/?")


class Challenges:
    """Makes challenges, which name the scope that a client is to ask for."""

    def __init__(self, settings: Settings) -> None:
        self._public_base = settings.base_url if settings.public_url else ""
        self._discovery = settings.oauth or settings.jwt_issuer is not None
        """Whether clients can sign in, so that there is metadata (RFC 9728)."""
        self._scope = " ".join(listed(settings.jwt_scopes)) if settings.jwt_issuer else SCOPE

    def resources(self, scope: Scope) -> frozenset[str]:
        """The URLs of the endpoint that a request is for: both transports are one resource. Empty if the hub does not
        know its own address, or there can be no endpoint at the path."""
        base, endpoint = self._base(scope), _endpoint(scope)
        return frozenset({base + endpoint[0], f"{base}{endpoint[0]}/sse"}) if base and endpoint else frozenset()

    def without_token(self, scope: Scope) -> Headers:
        """For a request without a token."""
        return self._headers(scope, "")

    def invalid_token(self, scope: Scope) -> Headers:
        """For a request with a token that is not valid, or not for this resource."""
        return self._headers(scope, 'error="invalid_token"')

    def insufficient_scope(self, scope: Scope) -> Headers:
        """For a request with a token that lacks the scope."""
        return self._headers(scope, 'error="insufficient_scope"')

    def _headers(self, scope: Scope, error: str) -> Headers:
        base, endpoint, parts = self._base(scope), _endpoint(scope), [error] if error else []
        if base and endpoint and self._discovery:
            parts.append(f'resource_metadata="{base}{WELL_KNOWN}{"".join(endpoint)}"')
        if endpoint and self._scope and self._discovery:
            parts.append(f'scope="{self._scope}"')
        return ((b"www-authenticate", ", ".join([REALM, *parts]).encode("latin-1")),)

    def _base(self, scope: Scope) -> str:
        """The base of the hub's URLs as the client sees it. The front has checked the Host that it takes it from."""
        said = header(scope, BASE_HEADER).decode("latin-1")
        return said.rstrip("/") if _BASE.fullmatch(said) else self._public_base


def _endpoint(scope: Scope) -> tuple[str, str] | None:
    """The path of the workspace's endpoint that a request is for, and `/sse` if it is that transport."""
    path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1").partition("?")[0]
    found = _ENDPOINT.fullmatch(path)
    return (found[1], "/sse" if found[2] else "") if found else None
