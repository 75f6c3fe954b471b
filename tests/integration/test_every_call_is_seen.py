"""Each request of a client meets the gates, and each observer is told of it once, whichever way it takes (ADR 29)."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import json
import logging
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bridge.client import BridgeClient
from bridge.errors import RemoteError
from bridge.logs import JsonFormatter
from bridge.memory import MemoryBridge
from bridge.models import Call
from bridge.server import BridgeServer
from bridge.sockets import ZMQ
from sidecar.observe.log_buffer import LogBuffer
from sidecar.workspaces import starting
from tests.support.admission import SHUT, Door, Seen, Watcher
from tests.support.fake_server import FakeServer, Gate, text, until, within
from tests.support.front import front_of
from tests.support.hub import free_port
from tests.support.inprocess import World, space, world
from tests.support.keys import HUB_TOKEN, KeyFile
from tests.support.peers import CLIENT, KEYS, LEGACY, MODERN, HttpPeer, client, connected
from tests.support.ways import Ways, serving

CALLS = 20
META = {f"{KEYS}protocolVersion": MODERN, f"{KEYS}clientInfo": CLIENT, f"{KEYS}clientCapabilities": {}}
CALL = {"name": "a_echo", "arguments": {"x": 1}}
Answers = Callable[[], Awaitable[list[Any]]]
"""Makes requests, and returns their answers: messages of JSON-RPC, or errors of the bridge and the API."""


class Place:
    """A hub, and who looks at it."""

    def __init__(self, ways: Ways) -> None:
        self.ways = ways
        self.watcher, self.door, self.server_door = Watcher(), Door(), Door()
        ways.hub.hub.server_gates.add_gate(self.server_door)
        ways.hub.hub.admission.add_observer(self.watcher)
        ways.hub.hub.admission.add_gate(self.door)

    def asked(self) -> int:
        """How many requests about tools its server got."""
        found = [frame for channel in self.ways.server.channels for frame in channel.received]
        return sum(1 for frame in found if str(frame.get("method")).startswith(("tools/call", "tasks/")))

    def begin(self) -> None:
        """Forget what was until now."""
        assert self.door.inside == self.server_door.inside == []
        self.watcher.take()
        self.server_door.let_in = self.server_door.turned_away = 0
        self.server_door.at.clear()
        self.ways.usual.clear()
        self.door.let_in = self.door.turned_away = 0
        self.door.left.clear()
        for channel in self.ways.server.channels:
            channel.received.clear()


@contextlib.asynccontextmanager
async def place(session: Any = "shared", **limits: Any) -> AsyncIterator[Place]:
    """A hub with one server."""
    with tempfile.TemporaryDirectory(prefix="hub") as root:  # short: a Unix socket may lie below it
        async with serving(Path(root), session, limits, runtime_dir=Path(root) / "run") as ways:
            yield Place(ways)


# --- the ways of a call ----------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def by_peer(at: Place, transport: Any, era: Any) -> AsyncIterator[Answers]:
    """Over HTTP, by a client whose connection is known."""
    async with connected(f"{at.ways.hub.base}/mcp/w", transport, era) as peer:
        await peer.request("tools/call", CALL)

        async def ask() -> list[Any]:
            return [(await peer.request("tools/call", CALL)).answer]

        yield ask


@contextlib.asynccontextmanager
async def by_batch(at: Place, transport: Any) -> AsyncIterator[Answers]:
    """Four of a batch of five, of which one is a notification."""
    async with connected(f"{at.ways.hub.base}/mcp/w", transport, "legacy", version="2025-03-26") as peer:
        numbers = itertools.count(1000)

        async def ask() -> list[Any]:
            frames: list[Any] = [{"jsonrpc": "2.0", "method": "notifications/progress", "params": {}}]
            for _ in range(4):
                frames.append({"jsonrpc": "2.0", "id": next(numbers), "method": "tools/call", "params": CALL})
            if isinstance(peer, HttpPeer):
                response = await peer.http.post(peer.url, json=frames, headers=peer._headers(frames[1]))
                return list(response.json())
            waiting = [peer._waiting.setdefault(frame["id"], loop().create_future()) for frame in frames[1:]]
            await peer.http.post(await peer.message_url, json=frames)
            return [(await within(future)) for future in waiting]

        yield ask


def loop() -> asyncio.AbstractEventLoop:
    """The test's."""
    return asyncio.get_running_loop()


@contextlib.asynccontextmanager
async def by_task(at: Place, transport: Any) -> AsyncIterator[Answers]:
    """A call that becomes a task, and three questions about it."""
    about = {"taskId": "t", "status": "working", "ttl": 60_000}
    handlers = at.ways.server.handlers
    handlers["tools/call"] = lambda *_: {"task": about}
    handlers["tasks/get"] = handlers["tasks/cancel"] = lambda *_: about
    handlers["tasks/result"] = lambda *_: text("done")
    async with connected(f"{at.ways.hub.base}/mcp/w", transport, "legacy") as peer:

        async def ask() -> list[Any]:
            begun = (await peer.request("tools/call", {**CALL, "task": {"ttl": 60_000}})).answer
            task = begun.get("result", {}).get("task", {}).get("taskId", "none")
            methods = ("tasks/get", "tasks/result", "tasks/cancel")
            return [begun, *[(await peer.request(method, {"taskId": task})).answer for method in methods]]

        yield ask


@contextlib.asynccontextmanager
async def bridged(at: Place, address: str, transport: Any) -> AsyncIterator[None]:
    """The sidecar's end of the bridge."""
    ring = LogBuffer(JsonFormatter("sidecar"), lambda _: None)
    server = BridgeServer(address, at.ways.hub.api(ring).handlers(), session="s", transport=transport)
    serving_it = asyncio.create_task(server.serve())
    try:
        yield
    finally:
        serving_it.cancel()
        await asyncio.wait([serving_it])


@contextlib.asynccontextmanager
async def by_bridge(at: Place, tool: str = "a_echo") -> AsyncIterator[Answers]:
    """As `hubctl call` does it."""
    transport = MemoryBridge()
    async with bridged(at, "actual", transport), BridgeClient("actual", transport=transport) as caller:

        async def ask() -> list[Any]:
            try:
                return [
                    {"result": (await caller.request(Call(workspace="w", tool=tool, arguments={}), timeout=45)).result}
                ]
            except RemoteError as error:
                return [{"error": {"message": str(error), "data": {"code": error.remote_code}}}]

        yield ask


@contextlib.asynccontextmanager
async def by_explorer(at: Place) -> AsyncIterator[Answers]:
    """As the console's explorer does it: over the REST API of the front, a process of its own."""
    settings = at.ways.hub.settings.model_copy(update={"port": free_port()})
    async with bridged(at, settings.actual_address, ZMQ), client() as http, front_of(settings, http) as base:

        async def ask() -> list[Any]:
            body = {"workspace": "w", "tool": "a_echo", "arguments": {}}
            answer = (await http.post(f"{base}/api/hub/call", json=body)).json()
            return [answer if "result" in answer else {"error": {"data": answer, "message": json.dumps(answer)}}]

        yield ask


WAYS: dict[str, tuple[Callable[[Place], Any], str, int]] = {
    "legacy SSE, direct": (lambda at: by_peer(at, "sse", "legacy"), "", 0),
    "legacy HTTP, direct": (lambda at: by_peer(at, "http", "legacy"), "", 0),
    "modern HTTP, direct": (lambda at: by_peer(at, "http", "modern"), "", 0),
    "legacy SSE, waiting": (lambda at: by_peer(at, "sse", "legacy"), "waiting", CALLS),
    "legacy HTTP, waiting": (lambda at: by_peer(at, "http", "legacy"), "waiting", CALLS),
    "modern HTTP, waiting": (lambda at: by_peer(at, "http", "modern"), "waiting", CALLS),
    "modern SSE": (lambda at: by_peer(at, "sse", "modern"), "", CALLS),
    "per_client, SSE": (lambda at: by_peer(at, "sse", "legacy"), "per_client", CALLS),
    "per_client, HTTP": (lambda at: by_peer(at, "http", "legacy"), "per_client", CALLS),
    "per_client, modern": (lambda at: by_peer(at, "http", "modern"), "per_client", CALLS),
    "hubctl call": (by_bridge, "", CALLS),
    "console's explorer": (by_explorer, "", CALLS),
    "batch over HTTP": (lambda at: by_batch(at, "http"), "", CALLS),
    "batch over SSE": (lambda at: by_batch(at, "sse"), "", CALLS),
    "task, SSE": (lambda at: by_task(at, "sse"), "", 5),
    "task, HTTP": (lambda at: by_task(at, "http"), "", 5),
}
"""How to call, what the hub is like, and how many calls of tools take the waiting way."""


@pytest.mark.parametrize("name", WAYS)
async def test_every_call(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """An observer is told of 20 of 20 calls, a gate passes 20 of 20, and one that refuses stops 20 of 20."""
    way, how, usual = WAYS[name]
    if how == "waiting":  # what is logged in detail takes no direct way
        caplog.set_level(logging.DEBUG, logger="sidecar.calls.direct_call")
    async with place("per_client" if how == "per_client" else "shared") as at, way(at) as ask:
        at.begin()
        answers: list[Any] = []
        while len(answers) < CALLS:
            answers += await ask()
        assert all("result" in answer for answer in answers), answers
        seen = at.watcher.take()
        assert [(each.ending, each.server, each.workspace) for each in seen] == [("ok", "a", "w")] * CALLS
        assert len({id(call) for call in at.watcher.calls[-CALLS:]}) == CALLS
        assert (at.door.let_in, dict(at.door.left), at.door.inside) == (CALLS, {"ok": CALLS}, [])
        assert (at.server_door.let_in, at.server_door.inside) == (CALLS, [])
        assert at.server_door.at == Counter({("a", seen[0].tool): CALLS} if "task" not in name else at.server_door.at)
        assert (len(at.ways.usual), at.asked()) == (usual, CALLS)
        before = sum(at.ways.figures().values())

        at.begin()
        at.door.shut, answers = True, []
        while len(answers) < CALLS:
            answers += await ask()
        assert [answer["error"]["data"]["code"] for answer in answers] == ["SERVER_BUSY"] * CALLS
        assert all(SHUT in json.dumps(answer) for answer in answers)
        seen = at.watcher.take()
        assert [(each.ending, each.refused, each.server) for each in seen] == [("SERVER_BUSY", True, "")] * CALLS
        assert (at.door.let_in, at.door.turned_away, at.asked()) == (0, CALLS, 0)
        assert sum(at.ways.figures().values()) == before
        await stopped_at_the_server(at, ask, tasks="task" in name)


async def stopped_at_the_server(at: Place, ask: Answers, *, tasks: bool) -> None:
    """A gate that is shut where the server is chosen stops 20 of 20; it knows the server and the tool."""
    at.door.shut, at.server_door.shut = False, True
    at.begin()
    answers: list[Any] = []
    while len(answers) < CALLS:
        answers += (await ask())[: 1 if tasks else None]  # no task is begun that others could ask about
    assert [answer["error"]["data"]["code"] for answer in answers] == ["SERVER_BUSY"] * CALLS
    seen = [each for each in at.watcher.take() if each.method == "tools/call"]
    assert [(each.ending, each.refused, each.server) for each in seen] == [("SERVER_BUSY", False, "a")] * CALLS
    assert (at.server_door.let_in, at.server_door.turned_away, at.asked()) == (0, CALLS, 0)
    assert at.server_door.at == {("a", "echo"): CALLS}


# --- what is told ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("transport", "era"), [("sse", "legacy"), ("http", "legacy"), ("http", "modern")])
async def test_the_context(transport: Any, era: Any) -> None:
    """Both ways tell the same of a call."""
    async with place() as at, connected(f"{at.ways.hub.base}/mcp/w", transport, era) as peer:
        told: list[Seen] = []
        for method, params in (("tools/call", CALL), ("tools/call", CALL), ("tools/list", {})):
            at.watcher.take()
            await peer.request(method, params)
            told += at.watcher.take()
        first, second, listed = told
        known = ("everybody", "w", transport, era)
        assert {(each.principal, each.workspace, each.transport, each.era) for each in told} == {known}
        assert (first.server, first.tool, first.method) == ("a", "echo", "tools/call")
        assert (listed.server, listed.tool, listed.method) == ("", "", "tools/list")
        assert (second.server, second.tool, second.session) == (first.server, first.tool, first.session)
        marks, numbers = zip(*(each.correlation.split("-") for each in told), strict=True)
        assert len(set(marks)) == 1
        assert int(numbers[1]) == int(numbers[0]) + 1
        assert all(0 < seconds < 45 for seconds in at.watcher.seconds)
        if era == "legacy":
            trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
            await peer.request("tools/call", {**CALL, "_meta": {"traceparent": trace}})
            assert at.watcher.take()[0].trace == trace


@pytest.mark.parametrize(("transport", "era"), [("sse", "legacy"), ("http", "legacy"), ("http", "modern")])
@pytest.mark.parametrize("waiting", [False, True])
async def test_outcomes(transport: Any, era: Any, waiting: bool, caplog: pytest.LogCaptureFixture) -> None:
    """How a call ended: in the same words on both ways."""
    if waiting:
        caplog.set_level(logging.DEBUG, logger="sidecar.calls.direct_call")
    async with place(tool_timeouts={"late": 0.05}) as at:
        at.ways.server.tools["late"] = Gate()
        at.ways.server.channel.notify("notifications/tools/list_changed")
        await until(lambda: "a_late" in at.ways.hub.workspace().view.tool_routes)
        async with connected(f"{at.ways.hub.base}/mcp/w", transport, era) as peer:
            for tool in ("echo", "wrong", "fail"):
                await peer.request("tools/call", {"name": f"a_{tool}", "arguments": {}})
                at.begin()
                await peer.request("tools/call", {"name": f"a_{tool}", "arguments": {}})
                wanted = {"echo": "ok", "wrong": "tool_error", "fail": "error"}[tool]
                assert at.watcher.endings() == {(wanted, False): 1}
                assert len(at.ways.usual) == waiting
            for _ in range(2):  # a modern client's first call of a tool takes the waiting way
                answer = (await peer.request("tools/call", {"name": "a_late", "arguments": {}})).answer
                assert answer["error"]["data"]["code"] == "CALL_TIMEOUT"
                assert at.watcher.endings() == {("CALL_TIMEOUT", False): 1}
            asking = asyncio.create_task(peer.request("tools/call", {"name": "a_gate", "arguments": {}}))
            await at.ways.gate.reached()
            if era == "legacy":
                [session] = [each for each in at.ways.hub.workspace().clients() if each.transport == transport]
                [number] = session.running  # type: ignore[attr-defined]
                await peer.notify("notifications/cancelled", {"requestId": number})
            else:
                asking.cancel()
            await until(lambda: at.watcher.all)
            assert at.watcher.endings() == {("cancelled", False): 1}
            if era == "legacy":
                if transport == "http" or not waiting:
                    await within(asking)
                asking = asyncio.create_task(peer.request("tools/call", {"name": "a_gate", "arguments": {}}))
                await at.ways.gate.reached(2)
                session.close()
                await until(lambda: at.watcher.all)
                assert at.watcher.endings() == {("disconnected", False): 1}
            asking.cancel()
            await asyncio.wait([asking])
        assert at.door.inside == []
        assert at.door.let_in == sum(at.door.left.values())


@pytest.mark.parametrize(("transport", "era"), [("sse", "legacy"), ("http", "legacy"), ("http", "modern")])
async def test_refusals(transport: Any, era: Any) -> None:
    """What the hub refuses before it asks a server is told with its error, once."""
    async with place() as at, connected(f"{at.ways.hub.base}/mcp/w", transport, era) as peer:
        cases: list[tuple[str, Any, str]] = [
            ("tools/call", {"name": "a_nothing"}, "TOOL_UNKNOWN"),
            ("tools/call", {"name": 5}, "PARAMS_INVALID"),
            ("prompts/get", {"name": "a_nothing"}, "PROMPT_UNKNOWN"),
            ("resources/read", {"uri": "x://y"}, "RESOURCE_UNKNOWN"),
            ("no/such", {}, "METHOD_UNKNOWN"),
        ]
        if era == "modern":
            cases = [case for case in cases if case[1] != {"name": 5}]
        for method, params, code in cases:
            at.begin()
            assert "error" in (await peer.request(method, params)).answer
            assert [(each.ending, each.refused, each.method) for each in at.watcher.take()] == [(code, True, method)]
        hub = at.ways.hub
        spec = hub.workspace().spec
        hub.put(spec.model_copy(update={"enabled": False}))
        at.begin()
        await peer.request("tools/call", CALL)
        assert at.watcher.endings() == {("WORKSPACE_OFF", True): 1}
        assert at.asked() == 0


async def test_refusals_of_http() -> None:
    """The same for what is refused before it reaches a session: by method or path, by headers, by its form."""
    async with place() as at, client() as http:
        url = f"{at.ways.hub.base}/mcp/w"
        accept = {"accept": "application/json, text/event-stream"}
        frame = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": CALL}
        modern = {**accept, "mcp-protocol-version": MODERN, "mcp-method": "tools/call", "mcp-name": "another"}
        hello = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": CLIENT}
        begin = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}
        cases: list[tuple[str, dict[str, str], Any, str, str]] = [
            (url, {**accept, "mcp-session-id": "none"}, frame, "SESSION_UNKNOWN", "tools/call"),
            (url, accept, frame, "MESSAGE_INVALID", "tools/call"),
            (url, {**accept, "mcp-session-id": "none"}, "text", "MESSAGE_INVALID", ""),
            (url, {"accept": "text/html", "mcp-session-id": "none"}, frame, "MESSAGE_INVALID", "tools/call"),
            (url, modern, {**frame, "params": {**CALL, "_meta": META}}, "MESSAGE_INVALID", "tools/call"),
            (f"{url}/messages?session_id=none", accept, frame, "SESSION_UNKNOWN", ""),
            (f"{url}x", accept, begin, "WORKSPACE_UNKNOWN", ""),
        ]
        for where, headers, body, code, method in cases:
            at.begin()
            response = await http.post(where, headers=headers, json=body)
            assert response.status_code >= 400
            told = [(each.ending, each.refused, each.method) for each in at.watcher.take()]
            assert told == [(code, True, method)], (where, headers, body)


Refused = tuple[str, int, str, str, dict[str, str]]
"""Code and status of a refusal, method, slug and headers of a request that gets it."""


async def refused_each_time(
    http: httpx2.AsyncClient, watcher: Watcher, base: str, way: tuple[str, str], case: Refused
) -> None:
    """Twenty such requests, of each of which an observer is told once; the context has what is known, and no token."""
    (transport, era), (code, status, method, slug, headers) = way, case
    url = f"{base}/mcp/{slug}/sse" if transport == "sse" else f"{base}/mcp/{slug}"
    version = {"mcp-protocol-version": MODERN, "mcp-method": "tools/call"} if era == "modern" else {}
    method = "GET" if (method, transport) == ("POST", "sse") else method
    body = None if method == "GET" else {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": CALL}
    watcher.take()
    watcher.calls.clear()
    for _ in range(CALLS):
        response = await http.request(method, url, headers={**version, **headers}, json=body)
        assert (response.status_code, response.json()["error"]["data"]["code"]) == (status, code)
    told = {(each.ending, each.refused, each.transport, each.era, each.workspace) for each in watcher.all}
    assert (told, len(watcher.all)) == ({(code, True, transport, era, slug)}, CALLS), case
    context = watcher.calls[-1]
    assert context.address == headers.get("x-forwarded-for", "127.0.0.1")
    known = [context.params, context.method, context.session, context.correlation, context.principal, context.trace]
    shown = headers.get("authorization", "none at all").partition(" ")[2]
    assert shown not in str(known)


@pytest.mark.parametrize("way", [("sse", "legacy"), ("http", "legacy"), ("http", "modern")])
async def test_what_is_refused_before_it_is_read(way: tuple[str, str]) -> None:
    """By Host or Origin, for its workspace or its method."""
    cases: list[Refused] = [
        ("HOST_REFUSED", 403, "POST", "w", {"host": "evil.example"}),
        ("HOST_REFUSED", 403, "POST", "w", {"origin": "http://evil.example"}),
        ("WORKSPACE_UNKNOWN", 404, "POST", "none", {}),
        ("MESSAGE_INVALID", 405, "PUT", "w", {}),
    ]
    async with place() as at, client() as http:
        for case in cases:
            await refused_each_time(http, at.watcher, at.ways.hub.base, way, case)
        assert at.asked() == 0


@pytest.mark.parametrize("way", [("sse", "legacy"), ("http", "legacy"), ("http", "modern")])
async def test_who_is_refused(way: tuple[str, str]) -> None:
    """Without a token, with a wrong one, and with one that has ended; the front says whose address it is."""
    async with protected(time.time() - 1) as (hub, watcher, token), client("", hub.settings.sidecar_socket) as http:
        whence = {"x-forwarded-for": "203.0.113.7"}
        cases: list[Refused] = [
            ("TOKEN_REQUIRED", 401, "POST", "w", whence),
            ("TOKEN_INVALID", 401, "POST", "w", {**whence, "authorization": f"Bearer {token[:-3]}abc"}),
            ("TOKEN_INVALID", 401, "POST", "w", {**whence, "authorization": f"Bearer {token}"}),
        ]
        for case in cases:
            await refused_each_time(http, watcher, "http://hub", way, case)


async def test_a_server_that_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What may come from a server in its first start is refused as that."""
    monkeypatch.setattr(starting, "WAIT_WITHOUT_PROGRESS", 0.05)
    async with place() as at:
        slow = at.ways.hub.servers["slow"] = FakeServer("slow")
        slow.door.clear()
        space_of_both = at.ways.hub.workspace().spec.model_copy(update={"servers": ("a", "b")})
        at.ways.hub.put(slow.spec("b"), space_of_both)
        async with by_bridge(at, tool="b_echo") as ask:
            at.begin()
            answers = await ask()
            assert answers[0]["error"]["data"]["code"] == "SERVER_STILL_STARTING"
            assert at.watcher.endings() == {("SERVER_STILL_STARTING", True): 1}
        slow.door.set()
        await at.ways.hub.settled()


async def test_a_call_over_the_bridge_that_takes_too_long() -> None:
    """Its own time limit ends it, and an unknown workspace is a refusal."""
    async with place() as at, AsyncExitStack() as stack:
        transport = MemoryBridge()
        await stack.enter_async_context(bridged(at, "actual", transport))
        caller = await stack.enter_async_context(BridgeClient("actual", transport=transport))
        for body, ending in (
            (Call(workspace="w", tool="a_gate", arguments={}, timeout=0.2), ("CALL_TIMEOUT", False)),
            (Call(workspace="none", tool="a_gate", arguments={}), ("WORKSPACE_UNKNOWN", True)),
        ):
            at.begin()
            with pytest.raises(RemoteError):
                await caller.request(body)
            assert [each.principal for each in at.watcher.all] == ["local"]
            assert at.watcher.endings() == {ending: 1}


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_what_fails_in_an_observer_fails_nothing_else(era: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Calls go on, and the log tells."""
    async with place() as at, by_peer(at, "http", era) as ask:
        at.watcher.ended = lambda *_: 1 // 0  # type: ignore[assignment, method-assign]
        at.door.leave = lambda *_: 1 // 0  # type: ignore[assignment, method-assign]
        assert "result" in (await ask())[0]
    assert {"an observer failed", "a gate failed"} <= {record.message for record in caplog.records}


# --- credentials -----------------------------------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What `time.time` says, its one element: time goes on when a test says so, however busy the machine is."""
    now = [time.time()]
    monkeypatch.setattr(time, "time", lambda: now[0])
    return now


@contextlib.asynccontextmanager
async def protected(valid_until: float | None = None) -> AsyncIterator[tuple[World, Watcher, str]]:
    """A hub that wants tokens; its key `one` is good until this time."""
    with tempfile.TemporaryDirectory(prefix="hub") as name:
        root = Path(name)
        token, server, watcher = KeyFile(root).add("one"), FakeServer(), Watcher()
        async with world(root, server, serve=True, token=HUB_TOKEN, runtime_dir=root / "run") as hub:
            for asks in ("check", "current"):
                asked = getattr(hub.keyring, asks)

                def ending(shown: Any, asked: Any = asked) -> Any:
                    found = asked(shown)
                    return found and dataclasses.replace(found, valid_until=valid_until)

                setattr(hub.keyring, asks, ending)
            hub.hub.admission.add_observer(watcher)
            hub.put(server.spec("a"), space("a"))
            yield hub, watcher, token


@pytest.mark.parametrize(("transport", "era"), [("sse", "legacy"), ("http", "legacy"), ("http", "modern")])
async def test_whose_call_it_is(transport: Any, era: Any) -> None:
    """Both ways know the key; and a session the one that opened it."""
    async with protected() as (hub, watcher, token):
        socket = hub.settings.sidecar_socket
        async with connected("http://hub/mcp/w", transport, era, token=token, uds=socket) as peer:
            for _ in range(3):
                assert "result" in (await peer.request("tools/call", CALL)).answer
        assert {each.principal for each in watcher.take()} == {"one"}


@pytest.mark.parametrize(("transport", "era"), [("http", "legacy"), ("http", "modern")])
async def test_a_credential_that_ends(transport: Any, era: Any, clock: list[float]) -> None:
    """A known head is good until its credential ends; from then on it is a new request, and is refused."""
    end = clock[0] + 1000
    async with protected(end) as (hub, watcher, token), client(token, hub.settings.sidecar_socket) as http:
        peer = HttpPeer(http, "http://hub/mcp/w", era)
        await peer.greet()
        for now in (end - 1000, end - 0.001):
            clock[0] = now
            for _ in range(3):
                assert "result" in (await peer.request("tools/call", CALL)).answer
        assert [each.method for each in watcher.take()].count("tools/call") == 6
        clock[0] = end
        frame = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": CALL}
        response = await http.post("http://hub/mcp/w", json=frame, headers=peer._headers(frame))
        assert (response.status_code, response.json()["error"]["data"]["code"]) == (401, "TOKEN_INVALID")
        assert watcher.endings() == {("TOKEN_INVALID", True): 1}


async def test_a_stream_ends_with_its_credential(clock: list[float]) -> None:
    """And with it the session, whose calls nobody can answer."""
    valid = 2
    async with protected(clock[0] + valid) as (hub, _, token), client(token, hub.settings.sidecar_socket) as http:
        async with http.stream("GET", "http://hub/mcp/w/sse", headers={"accept": "text/event-stream"}) as response:
            assert response.status_code == 200
            pieces = response.aiter_bytes()
            assert b"endpoint" in await anext(pieces)
            clock[0] += valid
            async for _ in pieces:
                pass
        await until(lambda: hub.session_count() == 0)
