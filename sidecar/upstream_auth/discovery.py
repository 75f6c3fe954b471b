"""Finds the authorization server of a remote server, and what it offers (MCP 2026-07-28, Authorization).

The server's 401 or its well-known URLs lead to its protected resource metadata (RFC 9728), which names the
authorization server; that publishes its own metadata (RFC 8414, or OpenID Connect Discovery 1.0). Servers of revision
2025-03-26 are their own authorization servers.
"""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx2
from mcp.client.auth.utils import (
    build_oauth_authorization_server_metadata_discovery_urls,
    build_protected_resource_metadata_discovery_urls,
    extract_field_from_www_auth,
    get_client_metadata_scopes,
    issuers_match,
)
from mcp.shared.auth import OAuthMetadata, ProtectedResourceMetadata
from mcp.shared.auth_utils import check_resource_allowed, resource_url_from_server_url
from pydantic import AnyHttpUrl, ValidationError

from bridge.models import RemoteLaunch
from sidecar.channels.remote import is_websocket
from sidecar.channels.web import place
from sidecar.channels.websocket import SUBPROTOCOL
from sidecar.protocol import eras
from sidecar.sign_in_errors import SignInFailed, SignInUnavailable
from sidecar.upstream_auth.fetching import Answer, Fetcher
from sidecar.version import VERSION

INITIALIZE: dict[str, Any] = {
    "protocolVersion": eras.LEGACY_VERSION,
    "capabilities": {},
    "clientInfo": {"name": "yamcp-hub", "version": VERSION},
}
ENVELOPE: dict[str, Any] = {
    eras.VERSION_KEY: eras.MODERN_VERSION,
    eras.CLIENT_INFO_KEY: INITIALIZE["clientInfo"],
    eras.CAPABILITIES_KEY: {},
}
GRANTS = ["authorization_code", "refresh_token"]
M = TypeVar("M", ProtectedResourceMetadata, OAuthMetadata)
_VERSION_HEADER = {"mcp-protocol-version": eras.LEGACY_VERSION}


@dataclass(frozen=True, slots=True)
class Challenge:
    """The parameters of a Bearer challenge (RFC 6750, section 3; RFC 9728, section 5.1); empty where it has none."""

    error: str = ""
    scope: str | None = None
    metadata: str | None = None

    @classmethod
    def of(cls, header: str) -> Challenge:
        """The challenge in the header WWW-Authenticate."""
        response = httpx2.Response(401, headers={"WWW-Authenticate": header[:4096]})
        found = {name: extract_field_from_www_auth(response, name) for name in ("error", "scope", "resource_metadata")}
        return cls(found["error"] or "", found["scope"], found["resource_metadata"])


@dataclass(frozen=True, slots=True)
class Discovered:
    """What is known of a server's authorization."""

    issuer: str
    metadata: OAuthMetadata
    resource: str | None
    """The server's identifier for requests (RFC 8707); None for a server of revision 2025-03-26."""
    scopes: str | None
    """The scopes to request; None for the authorization server's default."""


async def discover(fetcher: Fetcher, launch: RemoteLaunch) -> Discovered:
    """Discover the authorization of a server. `launch`: with its variables expanded.

    Raises:
        SignInFailed: the server names none, or one that the hub cannot use.
        SignInUnavailable: the server, or its authorization server, does not answer.
    """
    challenge = await _challenge(fetcher, launch)
    resource = await _resource_metadata(fetcher, fetcher.server, challenge.metadata)
    found = await _server_metadata(fetcher, fetcher.server, resource)
    _check_pkce(found)
    for endpoint in (found.authorization_endpoint, found.token_endpoint):
        await fetcher.check(str(endpoint))
    known = challenge.scope is not None or (resource is not None and resource.scopes_supported is not None)
    scopes = get_client_metadata_scopes(challenge.scope, resource, found, GRANTS) if known else None
    return Discovered(str(found.issuer), found, str(resource.resource) if resource else None, scopes)


async def _challenge(fetcher: Fetcher, launch: RemoteLaunch) -> Challenge:
    """The challenge with which the server answers a request without credentials: the handshake, or else a list."""
    own = {name.lower(): value for name, value in launch.headers.items() if name.lower() != "authorization"}
    if is_websocket(launch.url):
        return _challenge_in(await fetcher.ask("GET", fetcher.server, own | _upgrade()))
    headers = {**own, "content-type": "application/json", "accept": "application/json, text/event-stream"}
    answer = await fetcher.ask("POST", launch.url, headers, _request("initialize", INITIALIZE))
    if answer.status == 401:
        return _challenge_in(answer)
    if not answer.good:  # a server of the modern era
        modern = headers | {"mcp-protocol-version": eras.MODERN_VERSION, "mcp-method": "tools/list"}
        return _challenge_in(await fetcher.ask("POST", launch.url, modern, _request("tools/list", {"_meta": ENVELOPE})))
    session = answer.headers.get("mcp-session-id")
    headers |= _VERSION_HEADER | ({"mcp-session-id": session} if session else {})
    answer = await fetcher.ask("POST", launch.url, headers, _request("tools/list"))
    if session:
        await fetcher.ask("DELETE", launch.url, headers)
    return _challenge_in(answer)


def _upgrade() -> dict[str, str]:
    """The headers of a request that opens a WebSocket (RFC 6455, 4.1)."""
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    headers = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
    return headers | {"sec-websocket-key": key, "sec-websocket-protocol": SUBPROTOCOL}


def _challenge_in(answer: Answer) -> Challenge:
    return Challenge.of(answer.headers.get("www-authenticate", "")) if answer.status == 401 else Challenge()


def _request(method: str, params: dict[str, Any] | None = None) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 0, "method": method} | ({"params": params} if params else {})).encode()


async def _resource_metadata(fetcher: Fetcher, url: str, named: str | None) -> ProtectedResourceMetadata | None:
    """The server's protected resource metadata: where the challenge says, else at the well-known URLs (RFC 9728)."""
    failed: Answer | None = None
    for place_of in build_protected_resource_metadata_discovery_urls(named, url):
        answer = await fetcher.get(place_of, _VERSION_HEADER)
        if answer.status == 429 or answer.status >= 500:
            failed = answer
        found = _parsed(ProtectedResourceMetadata, answer)
        if found is None:
            continue
        if not check_resource_allowed(resource_url_from_server_url(url), str(found.resource)):
            raise SignInFailed(f"The metadata of {place(url)} is about another resource, {place(str(found.resource))}.")
        return found
    if failed is not None:
        raise SignInUnavailable(f"{place(url)} answers the request for its metadata with HTTP {failed.status}.")
    return None


async def _server_metadata(fetcher: Fetcher, url: str, resource: ProtectedResourceMetadata | None) -> OAuthMetadata:
    """The metadata of the authorization server; its issuer must be the one that was asked for (RFC 8414, 3.3)."""
    issuer = str(resource.authorization_servers[0]) if resource else None
    expected = issuer or _origin(url)
    for place_of in build_oauth_authorization_server_metadata_discovery_urls(issuer, url):
        answer = await fetcher.get(place_of, _VERSION_HEADER)
        if answer.status >= 500:
            raise SignInUnavailable(f"{place(place_of)} answers with HTTP {answer.status}.")
        found = _parsed(OAuthMetadata, answer)
        if found is None:
            continue
        if not issuers_match(str(found.issuer), expected):
            raise SignInFailed(
                f"The authorization server at {place(expected)} says that it is {place(str(found.issuer))}."
            )
        return found
    if resource is not None:
        raise SignInFailed(f"The authorization server {place(expected)} publishes no metadata.")
    return _default_endpoints(expected)


def _default_endpoints(origin: str) -> OAuthMetadata:
    """The endpoints of a server without metadata (MCP 2025-03-26, Authorization, 2.3.3), which has to support PKCE."""
    paths = {"authorization_endpoint": "/authorize", "token_endpoint": "/token", "registration_endpoint": "/register"}
    endpoints = {name: AnyHttpUrl(origin + path) for name, path in paths.items()}
    return OAuthMetadata(issuer=AnyHttpUrl(origin), code_challenge_methods_supported=["S256"], **endpoints)


def _check_pkce(metadata: OAuthMetadata) -> None:
    """Refuse a server without PKCE, which could not tell whether a code was stolen (MCP, Authorization, PKCE)."""
    if "S256" not in (metadata.code_challenge_methods_supported or ()):
        raise SignInFailed(
            f"The authorization server {place(str(metadata.issuer))} does not declare PKCE with S256; MCP forbids to "
            "sign in without it."
        )


def _parsed(model: type[M], answer: Answer) -> M | None:
    if answer.status != 200:
        return None
    try:
        return model.model_validate_json(answer.body)
    except ValidationError:
        return None


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
