"""Streamable HTTP with sessions: how requests are answered, what streams carry, when sessions end."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from sidecar.downstream import reply
from tests.support.fake_server import FakeServer, Gate, until, within
from tests.support.inprocess import World, space, world
from tests.support.peers import LEGACY, MODERN, events

pytestmark = pytest.mark.outside

HELLO = {"protocolVersion": LEGACY, "capabilities": {"roots": {}}, "clientInfo": {"name": "c", "version": "1"}}
BOTH_KINDS = "application/json, text/event-stream"


@pytest.fixture
def gate() -> Gate:
    """The tool `a_gate`."""
    return Gate()


@pytest.fixture
def server(gate: Gate) -> FakeServer:
    """A server with it, and one that asks the client for its roots."""

    async def ask(channel: Any) -> Any:
        return {"content": [{"type": "text", "text": json.dumps(await channel.ask("roots/list"))}]}

    return FakeServer(tools={"gate": gate, "ask": ask, "echo": lambda: {"content": []}})


@contextlib.asynccontextmanager
async def serving(root: Path, server: FakeServer, session: Any = "shared", **settings: Any) -> AsyncIterator[World]:
    """Workspaces `w` and `v` of it."""
    async with world(root, server, serve=True, **settings) as made:
        made.put(server.spec("a", session=session), space("a"), space("a", name="v"))
        if session == "shared":
            await made.settled()
        yield made


@pytest.fixture
async def hub(tmp_path: Path, server: FakeServer) -> AsyncIterator[World]:
    """A hub whose sessions last."""
    async with serving(tmp_path, server) as made:
        yield made


class Client:
    """One session, message by message."""

    def __init__(self, http: httpx2.AsyncClient, url: str) -> None:
        self.http = http
        self.url = url
        self.headers = {"accept": BOTH_KINDS}

    async def greet(self) -> httpx2.Response:
        """The handshake."""
        response = await self.post("initialize", HELLO)
        self.headers |= {"mcp-session-id": response.headers["mcp-session-id"], "mcp-protocol-version": LEGACY}
        assert (await self.send({"method": "notifications/initialized"})).status_code == 202
        return response

    async def send(self, frame: dict[str, Any], **headers: str) -> httpx2.Response:
        """POST a message."""
        return await self.http.post(self.url, json={"jsonrpc": "2.0", **frame}, headers=self.headers | headers)

    async def post(self, method: str, params: dict[str, Any] | None = None, number: int | str = 1) -> httpx2.Response:
        """POST a request."""
        return await self.send({"id": number, "method": method, "params": params or {}})

    def call(self, tool: str, number: int = 1) -> asyncio.Task[httpx2.Response]:
        """Begin a call."""
        return asyncio.create_task(self.post("tools/call", {"name": tool}, number))

    @contextlib.asynccontextmanager
    async def stream(self, **headers: str) -> AsyncIterator[httpx2.Response]:
        """The GET stream."""
        async with self.http.stream("GET", self.url, headers=self.headers | headers) as response:
            yield response


@contextlib.asynccontextmanager
async def client_of(hub: World, greet: bool = True, name: str = "w") -> AsyncIterator[Client]:
    """A client, greeted."""
    async with httpx2.AsyncClient(timeout=100) as http:
        client = Client(http, f"{hub.base}/mcp/{name}")
        if greet:
            await client.greet()
        yield client


async def frames_of(response: httpx2.Response) -> list[Any]:
    """The messages of an event stream that was read whole."""
    return [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: ")]


# --- answers -----------------------------------------------------------------------------------------------------


async def test_an_answer_is_json_where_nothing_comes_before_it(hub: World) -> None:
    """The handshake names the session; answers are one JSON object, of calls, of lists, of FastMCP, and errors too."""
    async with client_of(hub, greet=False) as client:
        response = await client.greet()
        assert response.json()["result"]["serverInfo"]["name"] == "w"
        for method, params in (("tools/call", {"name": "a_echo"}), ("tools/list", {}), ("ping", {})):
            response = await client.post(method, params, "x")
            assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
            assert response.headers["mcp-session-id"] == client.headers["mcp-session-id"]
            assert (response.json()["id"], "result" in response.json()) == ("x", True)
        for method, code in (("nonsense", -32601), ("tools/call", -32602)):
            response = await client.post(method)
            assert (response.status_code, response.json()["error"]["code"]) == (200, code)


async def test_a_long_call_becomes_a_stream_that_is_pinged(
    tmp_path: Path, server: FakeServer, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No answer within the ping interval: a stream begins, is kept open by pings, and carries the answer."""
    monkeypatch.setattr(reply, "WATCH_DELAY", 0.001)
    async with serving(tmp_path, server, ping_interval=0.01) as hub, client_of(hub) as client:
        body = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "a_gate"}}
        async with client.http.stream("POST", client.url, json=body, headers=client.headers) as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            assert response.headers["mcp-session-id"] == client.headers["mcp-session-id"]
            seen = ""
            async for chunk in response.aiter_text():
                seen += chunk
                if seen.count(": ping\r\n\r\n") > 1:
                    gate.open()
            assert json.loads(seen.split("data: ")[1])["id"] == 7
    assert not hub.http._sessions


async def test_cancel(hub: World, server: FakeServer, gate: Gate) -> None:
    """A call that its client cancels ends at the server, and its POST is answered; what was never asked is nothing."""
    async with client_of(hub) as client:
        call = client.call("a_gate", 5)
        await gate.reached()
        for wrong in (6, True, None, [5]):
            cancel = {"method": "notifications/cancelled", "params": {"requestId": wrong}}
            assert (await client.send(cancel)).status_code == 202
        assert not call.done()
        await client.send({"method": "notifications/cancelled", "params": {"requestId": 5}})
        response = await call
        assert response.json() == {
            "jsonrpc": "2.0",
            "id": 5,
            "error": {"code": -32800, "message": "Request cancelled"},
        }
        await server.channel.sent("notifications/cancelled")
        assert "result" in (await client.post("ping", number=5)).json()


async def test_id_in_use(hub: World, gate: Gate) -> None:
    """A second request with an id that is under way is refused, and the first is answered."""
    async with client_of(hub) as client:
        call = client.call("a_gate")
        await gate.reached()
        response = await client.post("tools/list")
        assert (response.status_code, response.json()["error"]["data"]["code"]) == (400, "MESSAGE_INVALID")
        gate.open()
        assert "result" in (await call).json()


async def test_a_client_that_leaves_cancels_nothing(
    hub: World, server: FakeServer, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A legacy client whose connection breaks did not cancel (MCP 2025-11-25, Transports); its session goes on."""
    monkeypatch.setattr(reply, "WATCH_DELAY", 0.001)
    async with client_of(hub) as client:
        call = client.call("a_gate")
        await gate.reached()
        call.cancel()
        await asyncio.wait([call])
        assert (await client.post("ping", number=2)).status_code == 200
        [session] = hub.http._sessions.values()
        gate.open()
        await until(lambda: not session.running)
        assert (gate.cancelled, server.channel.got("notifications/cancelled")) == (0, [])


# --- questions of servers ----------------------------------------------------------------------------------------


async def test_a_question_goes_on_the_stream_of_the_newest_call(tmp_path: Path, server: FakeServer) -> None:
    """The call becomes a stream, the client answers with a POST, and the answer comes on that stream."""
    async with serving(tmp_path, server, "per_client") as hub, client_of(hub) as client:
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "a_ask"}}
        async with client.http.stream("POST", client.url, json=body, headers=client.headers) as response:
            messages = events(response)
            question = json.loads((await anext(messages))[1])
            assert question["method"] == "roots/list"
            answer = {"id": question["id"], "result": {"roots": [{"uri": "file:///mine"}]}}
            assert (await client.send(answer)).status_code == 202
            assert "file:///mine" in (await anext(messages))[1]
        assert (await client.send({"id": "hub-x", "result": {}})).status_code == 202


async def test_a_question_without_a_call_goes_on_the_get_stream(tmp_path: Path, server: FakeServer) -> None:
    """Else it is answered with an error at once; and also when the session ends before the client has answered."""
    async with serving(tmp_path, server, "per_client") as hub, client_of(hub) as client:
        await client.post("tools/list")
        assert (await server.channel.ask("roots/list"))["error"]["code"] == -32603
        async with client.stream() as response:
            messages = events(response)
            asked = asyncio.create_task(server.channel.ask("roots/list"))
            question = json.loads((await anext(messages))[1])
            await client.send({"id": question["id"], "error": {"code": 1, "message": "no"}})
            assert (await asked)["error"]["message"] == "no"
            asked = asyncio.create_task(server.channel.ask("roots/list"))
            await anext(messages)
            [session] = hub.http._sessions.values()
            session.end()
            assert (await asked)["error"]["message"] == "the client has left"


# --- the GET stream ----------------------------------------------------------------------------------------------


async def test_the_stream(tmp_path: Path, server: FakeServer) -> None:
    """Pinged, with notices; when it is closed, another may be opened, and notices meanwhile are lost."""
    async with serving(tmp_path, server, ping_interval=0.01) as hub, client_of(hub) as client:
        for name in ("one", "two"):
            async with client.stream() as response:
                assert response.headers["content-type"].startswith("text/event-stream")
                assert response.headers["mcp-session-id"] == client.headers["mcp-session-id"]
                server.tools[name] = dict
                server.channel.notify("notifications/tools/list_changed")
                seen = ""
                async for chunk in response.aiter_text():
                    seen += chunk
                    if "tools/list_changed" in seen and ": ping" in seen:
                        break
            [session] = hub.http._sessions.values()
            await until(lambda session=session: session.stream is None)  # type: ignore[misc]
            server.tools[f"{name}-meanwhile"] = dict
            server.channel.notify("notifications/tools/list_changed")
            await until(lambda name=name: f"a_{name}-meanwhile" in hub.workspace().view.tool_routes)  # type: ignore[misc]


async def test_the_newest_stream_is_the_clients(hub: World, server: FakeServer) -> None:
    """A client whose first stream is half-open opens another: it is served, and the old one ends; so does the last."""
    async with client_of(hub) as client, contextlib.AsyncExitStack() as stack:
        responses = [await stack.enter_async_context(client.stream()) for _ in range(3)]
        assert [response.status_code for response in responses] == [200] * 3
        for old in responses[:2]:
            assert b"list_changed" not in await within(old.aread())
        server.tools["new"] = dict
        server.channel.notify("notifications/tools/list_changed")
        messages = events(responses[2])
        assert json.loads((await anext(messages))[1])["method"] == "notifications/tools/list_changed"
        assert (await client.http.delete(client.url, headers=client.headers)).status_code == 200
        assert await within(anext(messages, None)) is None


# --- batches, and requests that contradict themselves ------------------------------------------------------------


@contextlib.asynccontextmanager
async def client_of_2025_03(hub: World) -> AsyncIterator[Client]:
    """A client of the revision that has batches."""
    async with client_of(hub, greet=False) as client:
        response = await client.post("initialize", {**HELLO, "protocolVersion": "2025-03-26"})
        client.headers |= {"mcp-session-id": response.headers["mcp-session-id"]}
        yield client


async def batch(client: Client, *messages: Any) -> httpx2.Response:
    """POST a batch; messages that are objects get their `jsonrpc`."""
    whole = [{"jsonrpc": "2.0", **message} if isinstance(message, dict) else message for message in messages]
    return await client.http.post(client.url, json=whole, headers=client.headers)


async def test_a_batch(hub: World, gate: Gate) -> None:
    """Its requests are answered together, in their order; the others are taken; what is no message is told apart."""
    async with client_of_2025_03(hub) as client:
        assert (await batch(client, {"method": "notifications/initialized"})).status_code == 202
        [session] = hub.http._sessions.values()
        assert session.initialized
        call = {"id": "c", "method": "tools/call", "params": {"name": "a_echo", "arguments": {}}}
        wrong: list[Any] = [5, {"id": 9, "method": "initialize", "params": HELLO}, {"id": "c", "method": "ping"}]
        response = await batch(client, {"id": 1, "method": "ping"}, {"method": "notifications/x"}, call, *wrong)
        assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
        answers = response.json()
        assert [each["id"] for each in answers] == [1, "c", None, None, None]
        assert [set(each) & {"result", "error"} for each in answers] == [{"result"}] * 2 + [{"error"}] * 3
        assert "may not be part of a batch" in answers[3]["error"]["message"]
        assert not session.running
        waiting = asyncio.create_task(batch(client, {"id": 2, "method": "tools/call", "params": {"name": "a_gate"}}))
        await gate.reached()
        await client.http.delete(client.url, headers=client.headers)
        assert [each["id"] for each in (await within(waiting)).json()] == [2]


@pytest.mark.parametrize("count", [0, 101])
async def test_batches_of_no_or_too_many_messages(hub: World, count: int) -> None:
    """Are refused whole."""
    async with client_of_2025_03(hub) as client:
        response = await batch(client, *({"id": number, "method": "ping"} for number in range(count)))
        assert (response.status_code, response.json()["error"]["code"]) == (400, -32600)
        assert "1 to 100 messages" in response.json()["error"]["message"]


async def test_batches_of_other_revisions(hub: World) -> None:
    """They have none: the error says which has."""
    async with client_of(hub) as client:
        for headers in ({}, {"mcp-session-id": ""}, {"mcp-protocol-version": MODERN}):
            client.headers |= headers
            response = await batch(client, {"id": 1, "method": "ping"})
            assert (response.status_code, response.json()["error"]["data"]["code"]) == (400, "MESSAGE_INVALID")
            assert "only revision 2025-03-26" in response.json()["error"]["message"]


@pytest.mark.parametrize("version", [None, "2025-03-26", LEGACY])
async def test_a_modern_request_under_another_version(hub: World, version: str | None) -> None:
    """Its header is legacy or missing, its body modern: a mismatch, with or without a session."""
    meta = {"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {}}
    async with client_of(hub) as client:
        del client.headers["mcp-protocol-version"]
        client.headers |= {"mcp-protocol-version": version} if version else {}
        for _ in range(2):
            response = await client.post("tools/list", {"_meta": meta}, 7)
            assert (response.status_code, response.json()["id"], response.json()["error"]["code"]) == (400, 7, -32020)
            client.headers.pop("mcp-session-id", None)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"protocolVersion": LEGACY}, "`params.capabilities`, `params.clientInfo` are missing"),
        ({"capabilities": {}, "clientInfo": HELLO["clientInfo"]}, "`params.protocolVersion` is missing"),
        ({"protocolVersion": LEGACY, "capabilities": {}}, "`params.clientInfo` is missing"),
        ({**HELLO, "clientInfo": {"name": "x"}}, "`params.clientInfo.version` is missing"),
        ({**HELLO, "capabilities": 5}, "`params.capabilities` is of the wrong type or form"),
    ],
)
async def test_a_handshake_that_lacks_something(hub: World, params: dict[str, Any], said: str) -> None:
    """The error names the field, in no words of the SDK's models."""
    async with client_of(hub, greet=False) as client:
        error = (await client.post("initialize", params)).json()["error"]
        assert (error["code"], error["data"]["code"]) == (-32602, "PARAMS_INVALID")
        assert error["message"].startswith(f"initialize: {said}.")


# --- who is let in -----------------------------------------------------------------------------------------------


async def test_sessions_that_are_not_there(hub: World) -> None:
    """No session, an unknown one, another workspace's: refused, whatever the method; the session itself goes on."""
    async with client_of(hub) as client, client_of(hub, name="v") as other:
        for method in ("POST", "GET", "DELETE"):
            body = {"jsonrpc": "2.0", "id": 1, "method": "ping"} if method == "POST" else None
            for session, status, code in (
                ("", 400, "MESSAGE_INVALID"),
                ("1234", 404, "SESSION_UNKNOWN"),
                (other.headers["mcp-session-id"], 404, "SESSION_UNKNOWN"),
            ):
                headers = client.headers | {"mcp-session-id": session}
                response = await client.http.request(method, client.url, json=body, headers=headers)
                assert (response.status_code, response.json()["error"]["data"]["code"]) == (status, code)
        again = await client.send({"id": 1, "method": "initialize", "params": HELLO}, **{"mcp-session-id": "1234"})
        assert again.status_code == 404
        assert "result" in (await client.post("initialize", HELLO)).json()
        assert "result" in (await client.post("tools/list")).json()
        assert len(hub.workspace().sessions) == 2


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("POST", {"accept": "application/json"}, 406),
        ("POST", {"accept": "text/event-stream"}, 406),
        ("POST", {"accept": ""}, 406),
        ("POST", {"accept": "*/*"}, 200),
        ("POST", {"accept": "Application/JSON;q=0.5 , text/*"}, 200),
        ("GET", {"accept": "application/json"}, 406),
        ("POST", {"mcp-protocol-version": "1999-01-01"}, 400),
        ("GET", {"mcp-protocol-version": "1999-01-01"}, 400),
        ("DELETE", {"mcp-protocol-version": "1999-01-01"}, 400),
        ("GET", {"mcp-protocol-version": MODERN}, 405),
        ("DELETE", {"mcp-protocol-version": MODERN}, 405),
        ("PUT", {}, 405),
    ],
)
async def test_headers(hub: World, method: str, headers: dict[str, str], status: int) -> None:
    """What the client must accept, and which versions and methods there are."""
    async with client_of(hub) as client:
        body = {"jsonrpc": "2.0", "id": 1, "method": "ping"} if method == "POST" else None
        response = await client.http.request(method, client.url, json=body, headers=client.headers | headers)
        assert response.status_code == status, response.text


async def test_a_handshake_that_fails_leaves_no_session(hub: World) -> None:
    """Its answer says why, and names no session."""
    async with client_of(hub, greet=False) as client:
        for params in ({}, {**HELLO, "clientInfo": 5}):
            response = await client.post("initialize", params)
            assert (response.status_code, response.json()["error"]["code"]) == (200, -32602)
            assert "mcp-session-id" not in response.headers
        assert (hub.http._sessions, len(hub.workspace().clients())) == ({}, 0)


async def test_session_cap(tmp_path: Path, server: FakeServer) -> None:
    """One session more than allowed is answered 503 where all are in use; when one ends, there is room."""
    async with (
        serving(tmp_path, server, max_sessions=2) as hub,
        client_of(hub) as client,
        client_of(hub, name="v") as other,
        client_of(hub, greet=False) as third,
        client.stream(),
        other.stream(),
    ):
        response = await third.post("initialize", HELLO)
        assert (response.status_code, response.json()["error"]["data"]["code"]) == (503, "SESSIONS_LIMIT")
        assert (await client.http.delete(client.url, headers=client.headers)).status_code == 200
        await third.greet()


async def test_an_idle_session_makes_room(tmp_path: Path, server: FakeServer, gate: Gate) -> None:
    """Clients that go without a DELETE keep nobody out: the session idle for longest, without a stream, ends."""
    async with (
        serving(tmp_path, server, max_sessions=3) as hub,
        client_of(hub) as calling,
        client_of(hub) as gone,
        client_of(hub) as idle,
    ):
        call = calling.call("a_gate")
        await gate.reached()
        assert (await gone.post("ping")).status_code == 200
        assert (await idle.post("ping")).status_code == 200
        async with client_of(hub) as fourth:
            assert (await gone.post("ping")).status_code == 404
            assert [(await each.post("ping", number=2)).status_code for each in (calling, idle, fourth)] == [200] * 3
            gate.open()
            assert "result" in (await call).json()


async def test_a_failed_handshake_leaves_nothing(hub: World) -> None:
    """What is no handshake makes no session."""
    async with client_of(hub, greet=False) as client:
        assert "error" in (await client.post("initialize", {})).json()
        assert hub.session_count() == 0
        assert len(hub.workspace().sessions) == 1, "the one of all requests without a session"


# --- the end -----------------------------------------------------------------------------------------------------


async def _by_delete(hub: World, client: Client) -> None:
    assert (await client.http.delete(client.url, headers=client.headers)).status_code == 200


async def _by_the_hub(hub: World, client: Client) -> None:
    next(iter(hub.http._sessions.values())).close()


@pytest.mark.parametrize("ended", [_by_delete, _by_the_hub])
async def test_end(hub: World, server: FakeServer, gate: Gate, ended: Callable[[World, Client], Any]) -> None:
    """A session that ends takes its stream and its calls with it, and its id is unknown from then on."""
    async with client_of(hub) as client, client.stream() as response:
        call = client.call("a_gate")
        await gate.reached()
        assert len(hub.workspace().clients()) == 1
        await ended(hub, client)
        assert await response.aread() == b""
        assert (await call).json()["error"]["message"] == "The session has ended."
        await server.channel.sent("notifications/cancelled")
        assert (await client.post("ping")).status_code == 404
        assert (hub.http._sessions, hub.workspace().clients()) == ({}, set())


async def test_idle_sessions_end(tmp_path: Path, server: FakeServer, gate: Gate) -> None:
    """A session of which nothing is heard ends; one with a stream or a call does not."""
    async with (
        serving(tmp_path, server, "per_client") as hub,
        client_of(hub) as idle,
        client_of(hub) as streaming,
        client_of(hub) as calling,
    ):
        async with streaming.stream():
            call = calling.call("a_gate")
            await idle.post("tools/list")
            await gate.reached()
            for session in list(hub.http._sessions.values()):  # only now: setting up may take longer
                session._idle = 0.2
                session._check_idle()
            await until(lambda: len(hub.http._sessions) == 2)
            assert (await idle.post("ping")).status_code == 404
            assert (await streaming.post("ping")).status_code == 200
            gate.open()
            assert "result" in (await call).json()
        await until(lambda: not hub.http._sessions)
        await until(lambda: server.open == 0)


async def test_the_hub_stops(tmp_path: Path, server: FakeServer, gate: Gate) -> None:
    """Streams end, calls of both eras are answered that it stops, and nobody new is let in."""
    async with serving(tmp_path, server) as hub, client_of(hub) as client:
        meta = {"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {}}
        modern = {"mcp-protocol-version": MODERN, "mcp-method": "tools/call", "mcp-name": "a_gate"}
        params = {"name": "a_gate", "_meta": meta}
        async with client.stream() as response:
            calls = [
                client.call("a_gate"),
                asyncio.create_task(client.send({"id": 2, "method": "tools/call", "params": params}, **modern)),
            ]
            await gate.reached(2)
            hub.stop.set()
            assert await response.aread() == b""
            assert ["error" in (await call).json() for call in calls] == [True, True]
        await until(lambda: gate.cancelled == 2)
