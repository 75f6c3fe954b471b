"""The list of clients' sessions, and the end of one, as the bridge has them."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bridge import codec
from bridge.models import ListSessions, SessionStatus
from sidecar.audit.rows import shown_id
from sidecar.errors import SessionUnknown, WorkspaceUnknown
from sidecar.hub.session_list import end, listed
from tests.support.fake_server import FakeServer, Gate, until
from tests.support.inprocess import Recorder, World, space, world
from tests.support.keys import HUB_TOKEN, KeyFile
from tests.support.peers import CLIENT, LEGACY, MODERN, connected

pytestmark = pytest.mark.outside

HELLO = {"protocolVersion": LEGACY, "capabilities": {"roots": {}}, "clientInfo": {"name": "c", "version": "1"}}
ACCEPT = {"accept": "application/json, text/event-stream"}


@pytest.fixture
def short() -> Iterator[Path]:
    """A directory whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="hub", dir="/tmp") as root:
        Path(root).chmod(0o700)
        yield Path(root)


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[World]:
    """Workspaces `w` and `v` of a server whose tool `gate` waits."""
    server = FakeServer(tools={"gate": Gate(), "echo": lambda: {"content": []}})
    async with world(tmp_path, server, serve=True) as made:
        made.put(server.spec("a"), space("a"), space("a", name="v"))
        await made.settled()
        yield made


class Client:
    """A legacy session over Streamable HTTP, message by message."""

    def __init__(self, http: httpx2.AsyncClient, url: str) -> None:
        self.http, self.url, self.headers = http, url, dict(ACCEPT)

    async def greet(self) -> str:
        """The handshake; the session's id."""
        response = await self.post("initialize", HELLO)
        session_id: str = response.headers["mcp-session-id"]
        self.headers |= {"mcp-session-id": session_id, "mcp-protocol-version": LEGACY}
        return session_id

    async def post(self, method: str, params: dict[str, Any] | None = None) -> httpx2.Response:
        """POST a request."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}
        return await self.http.post(self.url, json=body, headers=self.headers)


async def test_what_is_told_of_sessions(hub: World) -> None:
    """Each transport and era, newest first; who it is, what it can do, and how much it asked."""
    url, began = f"{hub.base}/mcp/w", time.time()
    async with connected(url, "sse", "modern", {"elicitation": {}}) as modern, connected(url, "http", "legacy") as old:
        await old.request("tools/call", {"name": "a_echo"})
        await modern.request("tools/list")
        told = listed(hub.hub, ListSessions(workspace="w"))
        assert (told.total, told.sessionless) == (2, ())
        http, sse = told.sessions
        said = {"client_name": CLIENT["name"], "client_version": CLIENT["version"], "workspace": "w", "principal": ""}
        assert said.items() <= http.model_dump().items()
        assert said.items() <= sse.model_dump().items()
        assert (http.transport, http.era, http.protocol_version, http.requests) == ("http", "legacy", LEGACY, 2)
        assert (sse.transport, sse.era, sse.protocol_version, sse.requests) == ("sse", "modern", MODERN, 2)
        assert sse.capabilities == ("elicitation",)
        for each in (http, sse):
            assert each.last_request
            assert began - 1 < each.since <= each.last_request < time.time() + 1
        [whole] = hub.http._sessions
        assert whole.startswith(http.id)
        assert len(http.id) == 12 < len(whole)
        assert listed(hub.hub, ListSessions(workspace="v")).total == 0
    with pytest.raises(WorkspaceUnknown, match="no workspace 'x'"):
        listed(hub.hub, ListSessions(workspace="x"))


async def test_requests_without_a_session(hub: World) -> None:
    """Modern clients over Streamable HTTP are no sessions: a workspace's requests and listeners are counted."""
    async with connected(f"{hub.base}/mcp/w", "http", "modern") as peer:
        for _ in range(3):  # the later ones take the direct way
            await peer.request("tools/call", {"name": "a_echo", "arguments": {}})
        async with peer.listening({"toolsListChanged": True}):
            told = listed(hub.hub, ListSessions())
    assert (told.total, told.sessions) == (0, ())
    [use] = told.sessionless
    assert (use.workspace, use.requests, use.listening, use.principal) == ("w", 5, 1, "")
    assert use.last_request
    assert abs(use.last_request - time.time()) < 60


async def test_an_http_session_is_ended(hub: World) -> None:
    """What is under way is answered with an error, the stream ends, and the next request gets 404."""
    async with httpx2.AsyncClient(timeout=100) as http:
        client = Client(http, f"{hub.base}/mcp/w")
        await client.greet()
        call = asyncio.create_task(client.post("tools/call", {"name": "a_gate"}))
        await hub.servers["fake"].channel.sent("tools/call")
        async with http.stream("GET", client.url, headers=client.headers) as stream:
            assert stream.status_code == 200
            [session] = listed(hub.hub, ListSessions()).sessions
            end(hub.hub, session.id)
            assert await stream.aread() == b""
        assert "The session has ended." in (await call).text
        response = await client.post("tools/list")
        assert (response.status_code, response.json()["error"]["data"]["code"]) == (404, "SESSION_UNKNOWN")
        with pytest.raises(SessionUnknown, match="may have ended"):
            end(hub.hub, session.id)
        del client.headers["mcp-session-id"]  # as the specification has it, the client begins a new one
        await client.greet()
        assert listed(hub.hub, ListSessions()).total == 1


async def test_an_sse_session_is_ended(hub: World) -> None:
    """Its stream ends; the other one's does not."""
    async with httpx2.AsyncClient(timeout=100) as http, connected(f"{hub.base}/mcp/w", "sse", "legacy") as other:
        async with http.stream("GET", f"{hub.base}/mcp/w/sse", headers=ACCEPT) as stream:
            await until(lambda: hub.session_count() == 2)
            newest, _ = listed(hub.hub, ListSessions()).sessions
            assert (newest.era, newest.requests, newest.last_request) == ("", 0, None)
            end(hub.hub, newest.id)
            await stream.aread()
        await until(lambda: hub.session_count() == 1)
        await other.request("tools/list")


async def test_a_resumed_session(tmp_path: Path) -> None:
    """Another process of the hub knows what the handshake agreed on, not the client's name; once ended, it is gone."""
    server, sessions = FakeServer(), []
    headers: dict[str, str] = {}
    for _ in range(2):
        async with world(tmp_path, server, serve=True) as hub, httpx2.AsyncClient(timeout=100) as http:
            hub.put(server.spec("a"), space("a"))
            client = Client(http, f"{hub.base}/mcp/w")
            client.headers |= headers
            if not headers:
                await client.greet()
            headers = client.headers
            await client.post("ping")
            sessions += listed(hub.hub, ListSessions()).sessions
            if len(sessions) == 2:
                end(hub.hub, sessions[1].id)
                assert (await client.post("ping")).status_code == 404
    before, after = sessions
    assert (before.resumed, before.client_name, before.capabilities) == (False, "c", ("roots",))
    assert (after.resumed, after.client_name, after.capabilities) == (True, "", ("roots",))
    assert (after.id, after.protocol_version) == (before.id, before.protocol_version)


async def test_whose_they_are(short: Path) -> None:
    """In a protected hub the key's name; nothing of its token is told."""
    keys, server = KeyFile(short), FakeServer()
    token = keys.add("laptop")
    async with world(short, server, serve=True, token=HUB_TOKEN, runtime_dir=short / "run") as hub:
        hub.put(server.spec("a"), space("a"))
        await hub.settled()
        url, uds = "http://hub/mcp/w", hub.settings.sidecar_socket
        async with (
            connected(url, "http", "legacy", token=token, uds=uds),
            connected(url, "http", "legacy", token=HUB_TOKEN, uds=uds),
            connected(url, "http", "modern", token=token, uds=uds) as modern,
        ):
            await modern.request("tools/list")
            told = listed(hub.hub, ListSessions())
        assert {session.principal for session in told.sessions} == {"laptop", "admin"}
        assert [use.principal for use in told.sessionless] == ["laptop"]
        text = told.model_dump_json()
        assert token not in text
        assert token[11:] not in text
        assert HUB_TOKEN not in text


async def test_ten_thousand(tmp_path: Path) -> None:
    """The newest ones with the total, within the bounds of a message."""
    async with world(tmp_path) as hub:
        hub.put(space())
        workspace = hub.workspace()
        for number in range(10_000):
            session = Recorder(f"{number:05}-of-many")
            session.since = float(number)
            session.client_info = session.client_info._replace(name="n" * 100, capabilities=("c" * 100,) * 20)
            workspace.join(session)
        told = listed(hub.hub, ListSessions(limit=1000))
        assert (told.total, len(told.sessions)) == (10_000, 1000)
        assert [session.id[:5] for session in told.sessions[:2]] == ["09999", "09998"]
        assert len(told.model_dump_json()) < codec.MAX_BYTES / 4
        assert all(isinstance(session, SessionStatus) for session in told.sessions)


def test_the_shown_id_is_without_the_name_of_the_replica() -> None:
    """Which may be as long as what is shown, as those of a StatefulSet are."""
    own = "0123456789abcdef0123456789abcdef"
    assert {shown_id(own), shown_id(f"r0.{own}"), shown_id(f"yamcp-hub-0.{own}")} == {"0123456789ab"}
