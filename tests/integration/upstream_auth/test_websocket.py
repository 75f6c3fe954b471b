"""A WebSocket server at which the hub signs in: the request that opens the connection has the access token."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from bridge.models import RemoteLaunch, ServerSettings, ServerSpec
from tests.integration.upstream_auth.test_sign_in import Site, refused
from tests.support.fake_server import until
from tests.support.inprocess import space, world
from tests.support.oauth_server import OAuthServer, result_of

METADATA = "/.well-known/oauth-protected-resource/websocket"


class WebSocketServer:
    """An MCP server over WebSocket that wants access tokens of `tokens`, its authorization server."""

    def __init__(self, tokens: OAuthServer) -> None:
        self.tokens = tokens
        self.url = ""
        self.connections: list[ServerConnection] = []
        self.scope = ""
        """What a token needs."""

    def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse a connection without a valid token."""
        header = request.headers.get("Authorization", "")
        self.tokens.seen += [header] if header else []
        token, _ = self.tokens.access.get(header.removeprefix("Bearer "), (None, ""))
        if token is not None and (not self.scope or self.scope in token.scopes):
            return None
        error = f'error="insufficient_scope", scope="{self.scope}", ' if token else ""
        status = HTTPStatus.FORBIDDEN if token else HTTPStatus.UNAUTHORIZED
        answer = connection.respond(status, "")
        answer.headers["WWW-Authenticate"] = f'Bearer {error}resource_metadata="{self.tokens.url}{METADATA}"'
        return answer

    async def serve(self, connection: ServerConnection) -> None:
        """Answer messages."""
        assert connection.request is not None
        _, person = self.tokens.access[connection.request.headers["Authorization"].removeprefix("Bearer ")]
        self.connections.append(connection)
        async for message in connection:
            frame = json.loads(message)
            if "id" in frame:
                answer = {"jsonrpc": "2.0", "id": frame["id"], "result": result_of(frame, person)}
                await connection.send(json.dumps(answer))

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[WebSocketServer]:
        """Serve on a free port of this machine."""
        options = {"process_request": self.admit, "subprotocols": ["mcp"]}
        async with serve(self.serve, "127.0.0.1", 0, **options) as server:  # type: ignore[arg-type]
            port = server.sockets[0].getsockname()[1]
            self.url = f"ws://127.0.0.1:{port}/mcp"
            self.tokens.answers[METADATA] = {
                "resource": f"http://127.0.0.1:{port}/mcp",
                "authorization_servers": [self.tokens.url],
                "scopes_supported": ["read"],
            }
            yield self


@pytest.fixture
async def remote() -> AsyncIterator[WebSocketServer]:
    """The servers."""
    async with OAuthServer().serving() as tokens, WebSocketServer(tokens).serving() as server:
        yield server


@contextlib.asynccontextmanager
async def site(root: Path, remote: WebSocketServer) -> AsyncIterator[Site]:
    """A hub with this server."""
    async with world(root) as hub:
        launch = RemoteLaunch(url=remote.url, headers={"authorization": "Basic replaced"})
        spec = ServerSpec(key="notes", namespace="notes", launch=launch, settings=ServerSettings(sign_in="user"))
        hub.put(spec, space("notes"))
        await hub.settled()
        yield Site(hub, remote.tokens)


async def test_signing_in(tmp_path: Path, remote: WebSocketServer) -> None:
    """Nothing is sent before the sign-in; then calls reach the server, each user's with that user's token."""
    async with site(tmp_path, remote) as here:
        [upstream] = here.upstreams()
        assert upstream.state == "sign_in_required"
        assert upstream.reason is not None and upstream.reason.data["url"].endswith("/connect/notes")
        assert remote.tokens.seen == []
        await here.sign_in(person="grace")
        assert (upstream.transport, await here.call()) == ("websocket", "grace")
        await here.sign_in("k0000001", "ada")
        calls = [here.call(user=user) for _ in range(5) for user in ("k0000001", "")]
        assert await asyncio.gather(*calls) == ["ada", "grace"] * 5


async def test_an_ended_token_is_refreshed_when_it_is_refused(tmp_path: Path, remote: WebSocketServer) -> None:
    """The next connection has a newer token; if there is none any more, somebody has to sign in again."""
    async with site(tmp_path, remote) as here:
        await here.sign_in(person="grace")
        [upstream] = here.upstreams()
        remote.tokens.end_access()
        await remote.connections[-1].close()
        await until(lambda: len(remote.connections) == 2 and upstream.state == "ready")
        assert (remote.tokens.refreshed, await here.call()) == (1, "grace")
        remote.tokens.end_everything()
        await remote.connections[-1].close()
        await until(lambda: upstream.state == "sign_in_required")
        assert (await refused(here.call()))["code"] == "SIGN_IN_REQUIRED"


async def test_further_scopes(tmp_path: Path, remote: WebSocketServer) -> None:
    """A connection that is refused for want of a scope needs a sign-in, which asks for it."""
    async with site(tmp_path, remote) as here:
        await here.sign_in()
        [upstream] = here.upstreams()
        remote.scope = "write"
        await remote.connections[-1].close()
        await until(lambda: upstream.state == "sign_in_required")
        assert "scope=read+write" in await here.begin()
