"""Streamable HTTP sessions that go on in another process of the hub: two hubs in turn, on the same data."""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.fake_server import FakeServer, Gate, until
from tests.support.inprocess import World, space, world
from tests.support.keys import HUB_TOKEN, KeyFile
from tests.support.peers import LEGACY

pytestmark = pytest.mark.outside

HELLO = {
    "protocolVersion": LEGACY,
    "capabilities": {"roots": {"listChanged": True}},
    "clientInfo": {"name": "c", "version": "1"},
}
ACCEPT = {"accept": "application/json, text/event-stream"}
LISTS = ["notifications/tools/list_changed", "notifications/resources/list_changed"]
LISTS += ["notifications/prompts/list_changed"]


class Client:
    """A client, message by message, that keeps its headers when the hub is another process."""

    def __init__(self, token: str = "") -> None:
        self.headers = dict(ACCEPT)
        if token:
            self.headers["authorization"] = f"Bearer {token}"

    async def post(self, hub: World, method: str, params: Any = None, number: Any = 1, name: str = "w") -> Any:
        """POST a request."""
        body = {"jsonrpc": "2.0", "id": number, "method": method, "params": params or {}}
        return await self.send(hub, body, name=name)

    async def send(self, hub: World, body: Any, name: str = "w") -> httpx2.Response:
        """POST a message."""
        async with http_of(hub) as http:
            return await http.post(f"/mcp/{name}", json=body, headers=self.headers)

    async def greet(self, hub: World, **hello: Any) -> str:
        """The handshake; the session's id."""
        response = await self.post(hub, "initialize", {**HELLO, **hello})
        session_id: str = response.headers["mcp-session-id"]
        self.headers |= {"mcp-session-id": session_id, "mcp-protocol-version": LEGACY}
        await self.send(hub, {"jsonrpc": "2.0", "method": "notifications/initialized"})
        return session_id

    async def code(self, hub: World, session_id: str | None = None, name: str = "w") -> tuple[int, str]:
        """Status and code that a list of tools gets, with another session's id perhaps."""
        before = self.headers["mcp-session-id"]
        self.headers["mcp-session-id"] = before if session_id is None else session_id
        response = await self.post(hub, "tools/list", name=name)
        self.headers["mcp-session-id"] = before
        return response.status_code, response.json().get("error", {}).get("data", {}).get("code", "")


def http_of(hub: World) -> httpx2.AsyncClient:
    """HTTP to a hub, protected or not."""
    where = str(hub.settings.sidecar_socket) if hub.settings.protected else None
    transport = httpx2.AsyncHTTPTransport(uds=where, verify=False)  # no TLS: to load certificates takes long
    return httpx2.AsyncClient(base_url="http://hub" if where else hub.base, timeout=100, transport=transport)


UNKNOWN = (404, "SESSION_UNKNOWN")
SERVED = (200, "")


@pytest.fixture
def short() -> Iterator[Path]:
    """A directory whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="hub", dir="/tmp") as root:
        Path(root).chmod(0o700)
        yield Path(root)


@contextlib.asynccontextmanager
async def serving(
    root: Path, server: FakeServer | None = None, session: Any = "shared", enabled: bool = True, **settings: Any
) -> AsyncIterator[World]:
    """One process of the hub, with workspaces `w` and `v` of the server."""
    server = server or FakeServer()
    async with world(root, server, serve=True, **settings) as made:
        made.put(server.spec("a", session=session), space("a", enabled=enabled), space("a", name="v"))
        yield made


async def test_a_session_goes_on(tmp_path: Path) -> None:
    """Requests, lists, notifications and the stream of an earlier process's session, with the same id; no handshake."""
    client = Client()
    async with serving(tmp_path) as hub:
        session_id = await client.greet(hub)
    assert (tmp_path / "sessions.key").stat().st_mode & 0o777 == 0o600
    async with serving(tmp_path) as hub:
        for method, params in (("tools/list", {}), ("tools/call", {"name": "a_echo"}), ("ping", {})):
            response = await client.post(hub, method, params)
            assert "result" in response.json(), response.text
            assert response.headers["mcp-session-id"] == session_id
            if method == "tools/list":  # its servers are starting, and it waits for them as after a handshake
                assert [tool["name"] for tool in response.json()["result"]["tools"]] == ["a_echo"]
        [session] = hub.http._sessions.values()
        assert (session.id, session.version, session.capabilities) == (session_id, LEGACY, HELLO["capabilities"])
        assert hub.workspace().clients() == {session}
        async with http_of(hub) as http:
            assert (await http.delete("/mcp/w", headers=client.headers)).status_code == 200
        assert await client.code(hub) == UNKNOWN
        assert hub.workspace().clients() == set()


async def test_its_first_stream_tells_it_to_list_anew(tmp_path: Path) -> None:
    """What was told while nobody served is lost, so all lists may have changed; it is said once."""
    client = Client()
    async with serving(tmp_path) as hub:
        await client.greet(hub)
    async with serving(tmp_path) as hub, http_of(hub) as http:
        async with http.stream("GET", "/mcp/w", headers=client.headers) as stream:
            assert stream.status_code == 200
            told: list[str] = []
            async for line in stream.aiter_lines():
                if line.startswith("data: "):
                    told.append(json.loads(line[6:])["method"])
                if len(told) == len(LISTS):
                    break
            assert sorted(told) == sorted(LISTS)
        [session] = hub.http._sessions.values()
        await until(lambda: session.stream is None)
        async with http.stream("GET", "/mcp/w", headers=client.headers) as stream:
            session.notify("notifications/x")
            line = await anext(line async for line in stream.aiter_lines() if line.startswith("data: "))
            assert json.loads(line[6:])["method"] == "notifications/x"


async def test_two_requests_at_once_make_one_session(tmp_path: Path) -> None:
    """Whichever comes first, of several to a lost session, makes it."""
    client = Client()
    async with serving(tmp_path) as hub:
        await client.greet(hub)
    async with serving(tmp_path) as hub:
        calls = [client.post(hub, "tools/list", number=number) for number in range(5)]
        assert {response.status_code for response in await asyncio.gather(*calls)} == {200}
        assert len(hub.workspace().clients()) == 1


async def test_a_question_of_an_earlier_process_is_not_taken_for_one_of_this(tmp_path: Path) -> None:
    """The client may answer late what it was asked before: the ids of a resumed session's questions are others."""

    async def ask(channel: Any) -> Any:
        return {"content": [{"type": "text", "text": json.dumps(await channel.ask("roots/list"))}]}

    client, ids, mark = Client(), [], []
    body = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "a_ask"}}
    for first in (True, False):
        async with serving(tmp_path, FakeServer(tools={"ask": ask}), session="per_client") as hub, http_of(hub) as http:
            if first:
                await client.greet(hub)
            async with http.stream("POST", "/mcp/w", json=body, headers=client.headers) as call:
                lines = (line async for line in call.aiter_lines() if line.startswith("data: "))
                question = json.loads((await anext(lines))[6:])
                assert question["method"] == "roots/list"
                ids.append(question["id"])
                answer = {"jsonrpc": "2.0", "id": question["id"], "result": {"roots": []}}
                assert (await client.send(hub, answer)).status_code == 202
                mark.append(json.loads((await anext(lines))[6:])["result"])
    assert ids[0] != ids[1]
    assert ids[0].rpartition("-")[0] != ids[1].rpartition("-")[0]
    assert mark[0] == mark[1]


# --- who is not let in ---------------------------------------------------------------------------------------------


async def test_sessions_that_have_ended_here_stay_unknown(tmp_path: Path) -> None:
    """By DELETE, by idleness, or of this process: what is asked of them is answered as today."""
    one, other = Client(), Client()
    async with serving(tmp_path) as hub:
        for client in (one, other):
            await client.greet(hub)
        own = Client()
        await own.greet(hub)
        async with http_of(hub) as http:
            assert (await http.delete("/mcp/w", headers=own.headers)).status_code == 200
        assert await own.code(hub) == UNKNOWN
    async with serving(tmp_path) as hub, http_of(hub) as http:
        assert (await http.delete("/mcp/w", headers=one.headers)).status_code == 200  # before anything else came
        assert await one.code(hub) == UNKNOWN
        assert await other.code(hub) == SERVED
        [session] = hub.http._sessions.values()
        session.close()
        assert await other.code(hub) == UNKNOWN


async def test_what_is_not_the_sessions(tmp_path: Path) -> None:
    """Another workspace, a changed or shortened id, another hub's key: 404, and nothing is made."""
    client = Client()
    async with serving(tmp_path / "one") as hub:
        session_id = await client.greet(hub)
    async with serving(tmp_path / "other") as hub:
        assert await client.code(hub) == UNKNOWN
    async with serving(tmp_path / "one") as hub:
        changed = "A" if session_id[40] != "A" else "B"
        wrong = [session_id[:-1], session_id[1:], session_id[:40] + changed + session_id[41:], session_id + "A"]
        for each in [*wrong, session_id * 40, "x" * 9000]:
            assert await client.code(hub, each) == UNKNOWN
        assert await client.code(hub, name="v") == UNKNOWN
        assert not hub.http._sessions
        assert await client.code(hub) == SERVED


async def test_a_workspace_that_is_off(tmp_path: Path) -> None:
    """There is no session to go on with: a client that connects anew is told why."""
    client = Client()
    async with serving(tmp_path) as hub:
        await client.greet(hub)
    async with serving(tmp_path, enabled=False) as hub:
        assert await client.code(hub) == UNKNOWN


async def test_it_takes_a_place(tmp_path: Path) -> None:
    """A resumed session counts as any other: without a place it is 503, and it can be resumed when there is one."""
    first, second = Client(), Client()
    async with serving(tmp_path) as hub:
        await first.greet(hub)
        await second.greet(hub)
    gate = Gate()
    async with serving(tmp_path, FakeServer(tools={"gate": gate}), max_sessions=1) as hub:
        await hub.settled()
        call = asyncio.create_task(first.post(hub, "tools/call", {"name": "a_gate"}))
        await until(lambda: gate.entered)
        assert await second.code(hub) == (503, "SESSIONS_LIMIT")
        async with http_of(hub) as http:
            assert (await http.get("/mcp/w", headers=second.headers)).status_code == 503
        gate.open()
        assert "result" in (await call).json()
        assert await second.code(hub) == SERVED  # the first is idle now, and makes room
        assert await first.code(hub) == UNKNOWN


async def test_capabilities_that_are_too_large(tmp_path: Path) -> None:
    """The id is a plain one then, so that no header grows beyond what clients and proxies take."""
    client = Client()
    async with serving(tmp_path) as hub:
        session_id = await client.greet(hub, capabilities={"experimental": {"x": {"y": "z" * 2000}}})
        assert len(session_id) == 32
        assert await client.code(hub) == SERVED
    async with serving(tmp_path) as hub:
        assert await client.code(hub) == UNKNOWN


async def test_a_data_directory_that_cannot_be_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Sessions begin all the same; one line of the log says that they end with the process."""
    (tmp_path / "sessions.key").mkdir()
    client = Client()
    async with serving(tmp_path) as hub:
        for _ in range(2):
            client.headers.pop("mcp-session-id", None)
            await client.greet(hub)
        assert await client.code(hub) == SERVED
    assert [record.message for record in caplog.records].count("sessions will end with this process") == 1
    async with serving(tmp_path) as hub:
        assert await client.code(hub) == UNKNOWN


async def test_keys(tmp_path: Path, short: Path) -> None:
    """A key's session is that key's after a restart, too, and nobody else's; a key of the same id is another key."""
    keys = KeyFile(tmp_path)
    clients = {name: Client(keys.add(name)) for name in ("ada", "bob")} | {"hub": Client(HUB_TOKEN)}
    settings = {"token": HUB_TOKEN, "runtime_dir": short}
    async with serving(tmp_path, **settings) as hub:
        ids = {name: await client.greet(hub) for name, client in clients.items()}
    async with serving(tmp_path, **settings) as hub:
        for name, client in clients.items():
            for other, session_id in ids.items():
                assert await client.code(hub, session_id) == (SERVED if name == other else UNKNOWN)
        assert len(hub.http._sessions) == 3
    keys.revoke("ada")
    keys.revoke("bob")
    anew = Client(keys.add("ada"))
    anew.headers |= {"mcp-session-id": ids["ada"], "mcp-protocol-version": LEGACY}
    async with serving(tmp_path, **settings) as hub:
        assert (await clients["ada"].code(hub))[0] == 401
        assert await anew.code(hub) == UNKNOWN


async def test_the_short_way(tmp_path: Path) -> None:
    """Calls of a resumed session that come over one connection are taken as any others are."""
    client, server = Client(), FakeServer()
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "a_echo"}}
    async with serving(tmp_path) as hub:
        await client.greet(hub)
    async with serving(tmp_path, server) as hub, http_of(hub) as http:
        await hub.settled()
        for number in range(3):
            response = await http.post("/mcp/w", json={**body, "id": number}, headers=client.headers)
            assert (response.json()["id"], "result" in response.json()) == (number, True)
            assert response.headers["mcp-session-id"] == client.headers["mcp-session-id"]
        [session] = hub.http._sessions.values()
        assert session.calls == 3
        assert hub.server is not None
        [connection] = hub.server.server_state.connections
        assert getattr(connection, "known_heads", None)


# --- what a session has asked for ------------------------------------------------------------------------------------


def notes() -> FakeServer:
    """A server with two resources."""
    server = FakeServer()
    server.resources = [{"uri": f"note://{number}", "name": str(number)} for number in (1, 2)]
    return server


async def told(hub: World, client: Client, count: int, act: Callable[[], object] = lambda: None) -> list[Any]:
    """The first `count` notifications on a new stream of the client; `act` runs when it is open."""
    found: list[Any] = []
    async with http_of(hub) as http, http.stream("GET", "/mcp/w", headers=client.headers) as stream:
        assert stream.status_code == 200
        act()
        async for line in stream.aiter_lines():
            if line.startswith("data: "):
                message = json.loads(line[6:])
                found.append((message["method"].removeprefix("notifications/"), message.get("params")))
            if len(found) == count:
                break
    return found


async def test_subscriptions_and_log_level_go_on(tmp_path: Path) -> None:
    """The next process subscribes again, says that the resource may have changed, and keeps the log level."""
    client, server = Client(), notes()
    async with serving(tmp_path, server) as hub:
        await client.greet(hub)
        for uri in ("note://a/1", "note://a/2"):
            assert "result" in (await client.post(hub, "resources/subscribe", {"uri": uri})).json()
        assert "result" in (await client.post(hub, "resources/unsubscribe", {"uri": "note://a/2"})).json()
        assert "result" in (await client.post(hub, "logging/setLevel", {"level": "error"})).json()
    assert (tmp_path / "sessions.json").stat().st_mode & 0o777 == 0o600
    assert client.headers["mcp-session-id"] not in (tmp_path / "sessions.json").read_text()

    server = notes()
    async with serving(tmp_path, server) as hub:
        first = await told(hub, client, len(LISTS) + 1)
        assert first[-1] == ("resources/updated", {"uri": "note://a/1"})
        assert server.channel.got("resources/subscribe")[0]["params"]["uri"] == "note://1"
        assert [frame["params"] for frame in server.channel.got("logging/setLevel")][-1:] == [{"level": "error"}]

        def act() -> None:
            server.channel.notify("notifications/message", {"level": "info", "data": "too low"})
            server.channel.notify("notifications/message", {"level": "error", "data": "high"})
            server.channel.notify("notifications/resources/updated", {"uri": "note://1"})

        [session] = hub.http._sessions.values()
        await until(lambda: session.stream is None)
        later = await told(hub, client, 2, act)
        assert [method for method, _ in later] == ["message", "resources/updated"]
        assert later[0][1]["data"] == "high"
        async with http_of(hub) as http:
            assert (await http.delete("/mcp/w", headers=client.headers)).status_code == 200
        await until(lambda: "sessions" in (text := (tmp_path / "sessions.json").read_text()) and "note" not in text)


async def test_a_new_log_level_counts(tmp_path: Path) -> None:
    """The first thing that a client asks the next process for is another log level: the earlier one is not restored."""
    client = Client()
    async with serving(tmp_path, notes()) as hub:
        await client.greet(hub)
        await client.post(hub, "logging/setLevel", {"level": "error"})
    async with serving(tmp_path, notes()) as hub:
        assert "result" in (await client.post(hub, "logging/setLevel", {"level": "debug"})).json()
        assert await client.code(hub) == SERVED
        [session] = hub.http._sessions.values()
        assert session.log_level == "debug"


async def test_a_state_file_that_cannot_be_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The session goes on without what it had asked for; the log says so."""
    client = Client()
    async with serving(tmp_path, notes()) as hub:
        await client.greet(hub)
        await client.post(hub, "logging/setLevel", {"level": "error"})
    for broken in ("{", '{"sessions": []}', '{"sessions": {"x": [1, 2]}}'):
        (tmp_path / "sessions.json").write_text(broken)
        async with serving(tmp_path, notes()) as hub:
            assert await client.code(hub) == SERVED
    said = "the file of sessions' log levels and subscriptions cannot be read"
    assert [record.message for record in caplog.records].count(said) == 3
