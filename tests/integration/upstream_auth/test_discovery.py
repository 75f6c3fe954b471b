"""sidecar.upstream_auth.discovery: what is refused of a server's metadata."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bridge.models import RemoteLaunch
from sidecar.channels.connections import Connections
from sidecar.sign_in_errors import SignInFailed, SignInUnavailable
from sidecar.upstream_auth.discovery import Challenge, Discovered, discover
from sidecar.upstream_auth.fetching import Fetcher
from tests.support.oauth_server import OAuthServer

SERVER, RESOURCE = "/.well-known/oauth-authorization-server", "/.well-known/oauth-protected-resource/mcp"


@pytest.fixture
async def remote() -> AsyncIterator[OAuthServer]:
    """The servers."""
    async with OAuthServer().serving() as server:
        yield server


async def found(remote: OAuthServer) -> Discovered:
    """What is discovered."""
    async with Connections() as connections:
        url = f"{remote.url}/mcp"
        return await discover(Fetcher(connections, url), RemoteLaunch(url=url))


def metadata(remote: OAuthServer, **changed: Any) -> dict[str, Any]:
    """The authorization server's metadata, with changes; None removes a member."""
    whole = {
        "issuer": remote.url,
        "authorization_endpoint": f"{remote.url}/authorize",
        "token_endpoint": f"{remote.url}/token",
        "code_challenge_methods_supported": ["S256"],
        **changed,
    }
    return {name: value for name, value in whole.items() if value is not None}


async def test_found(remote: OAuthServer) -> None:
    """The challenge leads to the metadata of the resource, and that to the authorization server."""
    there = await found(remote)
    assert (there.resource, there.scopes) == (f"{remote.url}/mcp", "read")
    assert str(there.metadata.token_endpoint) == f"{remote.url}/token"


@pytest.mark.parametrize(
    ("path", "answer", "why"),
    [
        (SERVER, {"code_challenge_methods_supported": None}, "does not declare PKCE"),
        (SERVER, {"code_challenge_methods_supported": ["plain"]}, "does not declare PKCE"),
        (SERVER, {"issuer": "https://evil.example"}, "says that it is"),
        (SERVER, {"token_endpoint": "http://169.254.169.254/token"}, "not https"),
        (SERVER, {"authorization_endpoint": "javascript:alert(1)"}, "publishes no metadata"),
    ],
)
async def test_refused(remote: OAuthServer, path: str, answer: dict[str, Any], why: str) -> None:
    """Without PKCE, with another issuer, or with an endpoint elsewhere, there is no sign-in."""
    remote.answers[path] = metadata(remote, **answer)
    with pytest.raises(SignInFailed, match=why):
        await found(remote)


async def test_another_resource(remote: OAuthServer) -> None:
    """Metadata about another resource is refused: its tokens would be for that."""
    remote.answers[RESOURCE] = {"resource": "https://victim.example/mcp", "authorization_servers": [remote.url]}
    with pytest.raises(SignInFailed, match="another resource"):
        await found(remote)


async def test_a_server_that_fails(remote: OAuthServer) -> None:
    """A server error says nothing about the metadata, so that nothing is concluded from it."""
    for path in (RESOURCE, "/.well-known/oauth-protected-resource"):
        remote.answers[path] = 503
    with pytest.raises(SignInUnavailable):
        await found(remote)


def test_challenges() -> None:
    """Parameters are read quoted or not; a header without them, and a very long one, say nothing."""
    assert Challenge.of('Bearer error="insufficient_scope", scope="a b"') == Challenge(
        "insufficient_scope", "a b", None
    )
    assert Challenge.of("Bearer") == Challenge()
    assert Challenge.of("x" * 100_000) == Challenge()
