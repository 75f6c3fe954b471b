"""Calls of modern clients that no task waits for: which take the direct way, and that they end as all others do."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.admission.admission import Admission
from sidecar.downstream import stateless_calls
from sidecar.downstream.stateless_calls import StatelessCaller
from sidecar.errors import ServerExited
from sidecar.listener import request_checks
from sidecar.protocol.extensions import TASKS, UI
from sidecar.protocol.large_values import LargeArray
from sidecar.sessions.request_session import Sessionless
from tests.support.fake_server import FakeServer, Gate, RpcError, text, until, within
from tests.support.inprocess import space, world
from tests.support.keys import HUB_TOKEN, KeyFile
from tests.support.peers import CLIENT, KEYS, MODERN, HttpPeer, client
from tests.support.ways import Ways, serving

pytestmark = pytest.mark.outside

META = {f"{KEYS}protocolVersion": MODERN, f"{KEYS}clientInfo": CLIENT, f"{KEYS}clientCapabilities": {}}
INFO = f"{KEYS}serverInfo"
Answer = tuple[int, dict[str, str], Any]


def call(tool: str = "echo", number: Any = 1, meta: Any = META, arguments: Any = None, **more: Any) -> Any:
    """The message of a call."""
    params = {"name": f"a_{tool}", "arguments": arguments or {}, "_meta": meta, **more}
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}


def post(frame: Any, name: str = "a_echo", more: str = "", version: str = MODERN, path: str = "/mcp/w") -> bytes:
    """A request, whose headers say that it is a call of `name`."""
    body = json.dumps(frame).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Accept: application/json, text/event-stream\r\nMcp-Protocol-Version: {version}\r\n"
        f"Mcp-Method: tools/call\r\nMcp-Name: {name}\r\n{more}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Wire:
    """A client's connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.writer.write(data)

    async def ask(self, data: bytes) -> Answer:
        """Send a request: the status, headers and JSON of its answer."""
        self.send(data)
        return await self.answer()

    async def answer(self) -> Answer:
        """The next answer that is one piece of JSON."""
        first, *lines = (await within(self.reader.readuntil(b"\r\n\r\n"))).decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        body = await within(self.reader.readexactly(int(headers.pop("content-length"))))
        return int(first.split()[1]), headers, json.loads(body or b"null")

    async def events(self) -> list[Any]:
        """The messages of the next answer, which is a stream."""
        assert b"text/event-stream" in await within(self.reader.readuntil(b"\r\n\r\n"))
        stream = await within(self.reader.readuntil(b"\r\n0\r\n\r\n"))
        return [json.loads(line[6:]) for line in stream.split(b"\r\n") if line.startswith(b"data: ")]


@contextlib.asynccontextmanager
async def connected(base: str) -> AsyncIterator[Wire]:
    """A client."""
    host, _, port = base.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def known(ways: Ways, *tools: str, path: str = "/mcp/w") -> AsyncIterator[Wire]:
    """A client on whose connection calls of tools were served; what went the usual way is forgotten."""
    async with connected(ways.hub.base) as wire:
        for tool in tools or ("echo",):
            if tool == "gate":
                ways.gate.open()
            await wire.ask(post(call(tool), f"a_{tool}", path=path))
        ways.usual.clear()
        ways.gate.door.clear()
        ways.gate.entered = 0
        yield wire


def at_rest(ways: Ways) -> bool:
    """Whether nothing is under way."""
    [upstream] = ways.hub.hub.pool
    calls = ways.hub.http._stateless._calls
    standing = ways.hub.workspace().sessionless
    return (upstream.in_flight, upstream.semaphore._free, calls.callers, standing.requests) == (0, 64, set(), 0)


@pytest.fixture
async def ways(tmp_path: Path) -> AsyncIterator[Ways]:
    """A hub like any."""
    async with serving(tmp_path) as made:
        yield made


async def test_calls_take_it(ways: Ways) -> None:
    """All but the first of each tool on a connection; ids, names, results, errors, headers and figures are right."""
    async with connected(ways.hub.base) as wire:
        for tool in ("echo", "wrong", "fail"):
            first = await wire.ask(post(call(tool), f"a_{tool}"))
            for number in (7, "seven"):
                status, headers, answer = await wire.ask(post(call(tool, number), f"a_{tool}"))
                assert (status, headers, answer.pop("id")) == (*first[:2], number)
                assert answer == {key: value for key, value in first[2].items() if key != "id"}
        answer = (await wire.ask(post(call(arguments={"x": 5}))))[2]
        assert answer["result"]["content"] == text("{'x': 5}")["content"]
        assert (answer["result"]["resultType"], answer["result"]["_meta"][INFO]["name"]) == ("complete", "w")
        [upstream] = ways.hub.hub.pool
        assert upstream.refused == {"sampling/createMessage"}
        assert at_rest(ways)
    assert ways.usual == ["a_echo", "a_wrong", "a_fail"]
    assert all("_meta" not in frame["params"] for frame in ways.server.channel.got("tools/call"))
    assert ways.figures() == {"ok": 4, "tool_error": 3, "error": 3}


async def test_the_client_of_a_library(ways: Ways) -> None:
    """Whose head and body come one after the other, and whose ids are numbers and strings."""
    async with client() as http:
        peer = HttpPeer(http, f"{ways.hub.base}/mcp/w", "modern", {"sampling": {}})
        for number in range(4):
            exchange = await peer.request("tools/call", {"name": "a_echo", "arguments": {"n": number}})
            assert exchange.result["content"] == text(str({"n": number}))["content"]
    assert ways.usual == ["a_echo"]


OTHER_META: dict[str, Any] = {
    "none": None,
    "no object": [],
    "empty": {},
    "another version": META | {f"{KEYS}protocolVersion": "2025-11-25"},
    "a version that is none": META | {f"{KEYS}protocolVersion": 5},
    "no version": {f"{KEYS}clientCapabilities": {}},
    "no capabilities": {f"{KEYS}protocolVersion": MODERN},
    "a log level": META | {f"{KEYS}logLevel": "debug"},
    "another key": META | {"traceparent": "00-1-2-3"},
    "tasks are taken": META | {f"{KEYS}clientCapabilities": {"extensions": {TASKS: {}}}},
}
OTHER: dict[str, Any] = {
    **{f"_meta: {name}": call(meta=meta) for name, meta in OTHER_META.items()},
    "another tool": call("gone"),
    "another tool that is there": call("wrong"),
    "no name": {**call(), "params": {"_meta": META}},
    "a name that is none": call(name=5),
    "another method": {**call(), "method": "tools/list"},
    "a method that is none": {**call(), "method": 5},
    "a notification": {key: value for key, value in call().items() if key != "id"},
    "an id that is none": call(number=None),
    "a response": {"jsonrpc": "2.0", "id": 1, "result": {}},
    "no version of JSON-RPC": {**call(), "jsonrpc": "1.0"},
    "no params": {"jsonrpc": "2.0", "id": 1, "method": "tools/call"},
    "params that are none": {**call(), "params": []},
    "no object": [],
    "a batch": [call()],
    "answers": call(inputResponses={"a": {}}),
    "a state": call(requestState="nonsense"),
    "a task": call(task={"ttl": 5}),
    "arguments that are none": call(arguments=[5]),
}


def without_id(response: tuple[int, dict[str, str], Any]) -> tuple[int, dict[str, str], Any]:
    """A response without the id that its request has in the hub's log, which is another one each time."""
    status, headers, answer = response
    if isinstance(answer, dict) and isinstance((answer.get("error") or {}).get("data"), dict):
        answer["error"]["data"].pop("correlation", None)
        headers = {name: value for name, value in headers.items() if name.lower() != "content-length"}
    return status, headers, answer


async def test_other_bodies(ways: Ways) -> None:
    """With a head that is known are answered as on a new connection, and the next call is direct again."""
    async with known(ways) as wire:
        for name, other in OTHER.items():
            async with connected(ways.hub.base) as new:
                expected = without_id(await new.ask(post(other)))
            usual = len(ways.usual)
            assert without_id(await wire.ask(post(other))) == expected, name
            expected_usual = usual if name == "arguments that are none" else usual * 2
            assert len(ways.usual) == expected_usual, name
            assert (await wire.ask(post(call())))[0] == 200
            assert len(ways.usual) == expected_usual, name
            ways.usual.clear()
    assert at_rest(ways)


HEADS: dict[str, dict[str, str]] = {
    "another name": {"name": "a_wrong"},
    "a name in two headers": {"more": "Mcp-Name: a_echo\r\n"},
    "two names": {"more": "mcp-name: a_wrong\r\n"},
    "two methods": {"more": "Mcp-Method: tools/call\r\n"},
    "another method": {"more": "Mcp-Method: tools/list\r\n"},
    "another version": {"version": "2026-07-29"},
    "two versions": {"more": "Mcp-Protocol-Version: 2026-07-28\r\n"},
}


async def test_other_heads(ways: Ways) -> None:
    """What headers and body do not agree on is refused each time, and nothing is learned of it."""
    async with known(ways) as wire:
        for name, head in [*HEADS.items()] * 2:
            status, _, answer = await wire.ask(post(call(), **head))
            assert (status, answer["error"]["code"] in (-32020, -32022)) == (400, True), (name, answer)
    assert ways.server.channel.got("tools/call")[1:] == []


async def test_arguments_in_headers(ways: Ways) -> None:
    """They vary with each call: such calls go the usual way, also once a tool comes to want them."""
    schema = {"type": "object", "properties": {"x": {"type": "string", "x-mcp-header": "X"}}}
    async with known(ways) as wire:
        for _ in range(2):
            await wire.ask(post(call(), more="Mcp-Param-X: 5\r\n"))
        assert ways.usual == ["a_echo", "a_echo"]
        del ways.server.tools["echo"]
        ways.server.extra_tools = [{"name": "echo", "inputSchema": schema}]
        ways.server.channel.notify("notifications/tools/list_changed")
        await until(lambda: ways.hub.workspace().view.with_headers == {"a_echo"})
        status, _, answer = await wire.ask(post(call(arguments={"x": "here"})))
        assert (status, answer["error"]["code"]) == (400, -32020)


async def test_cut_and_pipelined(ways: Ways) -> None:
    """However the bytes of requests are cut, all are answered, in order; direct and usual ones in turn."""
    seeded = random.Random(8)
    async with known(ways, "echo", "wrong") as wire:
        requests = [
            post(call(tool, number, arguments={"n": number} if tool == "echo" else {}), f"a_{tool}")
            for number in range(60)
            for tool in (seeded.choice(["echo", "wrong", "fail", "nope"]),)
        ]
        stream, at = b"".join(requests), 0
        while at < len(stream):
            size = seeded.choice([1, 7, 100, 400, 2000])
            wire.send(stream[at : at + size])
            at += size
            await asyncio.sleep(0)
        assert [(await wire.answer())[2]["id"] for _ in requests] == list(range(60))
    assert set(ways.usual) >= {"a_fail", "a_nope"}
    assert at_rest(ways)


async def test_clients_of_a_proxy(ways: Ways) -> None:
    """One connection carries calls of clients that say something else of themselves: they are recognised, too."""
    async with known(ways) as wire:
        for name in ("one", "two", "one"):
            assert (await wire.ask(post(call(meta=META | {f"{KEYS}clientInfo": {"name": name}}))))[0] == 200
    assert ways.usual == []


async def test_progress(ways: Ways) -> None:
    """It comes before the answer, under the client's own token: the response becomes a stream for it."""
    async with known(ways) as wire:
        await wire.ask(post(call("echo"), "a_echo"))
        for token in ("t", 7, 8):
            wire.send(post(call("progress", token, META | {"progressToken": token}), "a_progress"))
            note, answer = await wire.events()
            assert note["params"] == {"progressToken": token, "progress": 1}
            assert (answer["id"], answer["result"]["content"]) == (token, text("done")["content"])
        assert (await wire.ask(post(call())))[0] == 200
    assert ways.usual == ["a_progress"]
    assert at_rest(ways)


@pytest.mark.parametrize("pinged", [False, True])
async def test_a_client_that_leaves(tmp_path: Path, pinged: bool) -> None:
    """Its closed connection cancels the call (MCP 2026-07-28, Cancellation), whether or not the answer has begun."""
    async with serving(tmp_path, ping_interval=0.02 if pinged else 60) as ways:
        async with known(ways, "gate") as wire:
            wire.send(post(call("gate"), "a_gate"))
            await ways.gate.reached()
            if pinged:
                await within(wire.reader.readuntil(b": ping\r\n\r\n"))
        cancelled = await ways.server.channel.sent("notifications/cancelled")
        assert cancelled["params"]["reason"] == "cancelled by the client"
        await until(lambda: at_rest(ways))
        assert (ways.usual, ways.figures()) == ([], {"ok": 1, "cancelled": 1})


async def test_a_client_that_leaves_while_the_call_is_made_again(ways: Ways) -> None:
    """The next connection to the server is told so."""
    ways.server.extra_tools = [{"name": "gate", "inputSchema": {}, "annotations": {"readOnlyHint": True}}]
    ways.server.tools.pop("gate")
    ways.server.channel.notify("notifications/tools/list_changed")
    await until(lambda: any(tool.get("annotations") for tool in ways.hub.workspace().view.tools))
    ways.server.tools["gate"] = ways.gate
    async with known(ways, "gate") as wire:
        wire.send(post(call("gate"), "a_gate"))
        await ways.gate.reached()
        ways.server.tools.pop("gate")
        ways.server.handlers["tools/call"] = lambda *_: asyncio.Event().wait()
        ways.server.channel.close(ServerExited("It exited with code 3."))
        again = await ways.server.connected(2)
        await again.sent("tools/call")
    await again.sent("notifications/cancelled")
    await until(lambda: at_rest(ways))
    assert ways.usual == []


async def test_late(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A call that takes too long is given up: server, client and log are told."""
    async with serving(tmp_path, limits={"call_timeout": 0.05}) as ways, known(ways, "gate") as wire:
        status, _, answer = await wire.ask(post(call("gate"), "a_gate"))
        assert (status, answer["error"]["data"]["code"]) == (200, "CALL_TIMEOUT")
        await ways.server.channel.sent("notifications/cancelled")
        assert (ways.usual, ways.figures()) == ([], {"ok": 1, "CALL_TIMEOUT": 1})
    assert [record.code for record in caplog.records if record.message == "request failed"] == ["CALL_TIMEOUT"]  # type: ignore[attr-defined]


async def test_the_server_is_lost(ways: Ways) -> None:
    """A call that was under way fails with the reason; the next one waits for the next connection."""
    async with known(ways, "gate", "echo") as wire:
        wire.send(post(call("gate"), "a_gate"))
        await ways.gate.reached()
        ways.server.channel.close(ServerExited("It exited with code 3."))
        error = (await wire.answer())[2]["error"]
        assert (error["data"]["code"], "exited with code 3" in error["message"]) == ("SERVER_CONNECTION_LOST", True)
        assert (await wire.ask(post(call())))[0] == 200
    assert ways.usual == ["a_echo"]


async def test_answers_that_are_none(ways: Ways) -> None:
    """A result that clients would refuse is an error with a code; what has a certain meaning is repaired."""
    answers: list[Any] = [None, "text", {"content": 5}, {"structuredContent": [1]}, {"resultType": "task", "task": {}}]
    async with known(ways) as wire:
        ways.server.handlers["tools/call"] = lambda *_: answers.pop(0)
        for _ in range(3):
            assert (await wire.ask(post(call())))[2]["error"]["data"]["code"] == "SERVER_ANSWER_INVALID"
        result = (await wire.ask(post(call())))[2]["result"]
        assert (result["structuredContent"], result["content"]) == ([1], [])
        status, _, answer = await wire.ask(post(call()))
        assert (status, answer["error"]["code"]) == (400, -32021)
    assert ways.usual == []


async def test_large_answers(ways: Ways) -> None:
    """Are written in pieces, errors with their status."""
    large = LargeArray([b"[1", b",2]"])
    async with known(ways) as wire:
        for answer, status in ((lambda *_: {"content": large}, b"200"), (_refuse(large), b"400")):
            ways.server.handlers["tools/call"] = answer
            wire.send(post(call()))
            head = await within(wire.reader.readuntil(b"\r\n\r\n"))
            assert head.startswith(b"HTTP/1.1 " + status)
            assert b"transfer-encoding: chunked" in head
            await within(wire.reader.readuntil(b"\r\n0\r\n\r\n"))
    assert ways.usual == []


def _refuse(data: Any) -> Callable[..., Any]:
    def refuse(*_: Any) -> Any:
        raise RpcError(-32602, "no", data=data)

    return refuse


async def test_who_waits_for_a_place_does_so_the_usual_way(tmp_path: Path) -> None:
    """As many as may be under way take the direct one."""
    async with serving(tmp_path, limits={"max_inflight": 1}) as ways, known(ways, "gate") as wire, known(ways) as other:
        wire.send(post(call("gate"), "a_gate"))
        await ways.gate.reached()
        other.send(post(call()))
        await until(lambda: ways.usual)
        ways.gate.open()
        assert [(await each.answer())[0] for each in (wire, other)] == [200, 200]
        assert (await other.ask(post(call())))[0] == 200
    assert ways.usual == ["a_echo"]


async def test_whose_turn_it_is(ways: Ways) -> None:
    """Is told by key and address, as on the usual way."""
    async with known(ways, "gate") as wire:
        for more, address in (("", "127.0.0.1"), ("X-Forwarded-For: 10.0.0.1, 10.0.0.2\r\n", "10.0.0.2")):
            ways.gate.open()
            await wire.ask(post(call("gate"), "a_gate", more))
            ways.gate.door.clear()
            wire.send(post(call("gate"), "a_gate", more))
            await until(lambda: ways.hub.http._stateless._calls.callers)
            [caller] = ways.hub.http._stateless._calls.callers
            assert caller.caller == ("", address)
            ways.gate.open()
            await wire.answer()


async def test_what_goes_the_usual_way(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Tools that are gone, servers of one client each, a verbose log, long bodies."""
    async with serving(tmp_path / "one", max_body_bytes=2048) as ways, known(ways) as wire:
        with caplog.at_level(logging.DEBUG, "sidecar"):
            await wire.ask(post(call()))
        assert ways.usual == ["a_echo"]
        assert (await wire.ask(post(call(arguments={"x": "y" * 2048}))))[0] == 413
        del ways.server.tools["echo"]
        ways.server.channel.notify("notifications/tools/list_changed")
        await until(lambda: "a_echo" not in ways.hub.workspace().view.tool_routes)
        assert (await wire.ask(post(call())))[2]["error"]["data"]["code"] == "TOOL_UNKNOWN"
    async with serving(tmp_path / "two", "per_client") as ways, known(ways) as wire:
        assert (await wire.ask(post(call())))[0] == 200
        assert ways.usual == ["a_echo"]


async def test_edits(ways: Ways) -> None:
    """After each change the usual way is gone once, which finds out whether all is as it was."""
    async with known(ways) as wire:
        ways.hub.put(space("a", template="{name}"))
        assert (await wire.ask(post(call())))[2]["error"]["data"]["code"] == "TOOL_UNKNOWN"
        ways.hub.put(space("a", enabled=False))
        assert (await wire.ask(post(call())))[2]["error"]["data"]["code"] == "WORKSPACE_OFF"
        ways.hub.put(space("a"))
        await ways.hub.settled()
        ways.usual.clear()
        for _ in range(3):
            assert (await wire.ask(post(call())))[0] == 200
    assert ways.usual == ["a_echo"]


async def test_switched_off_without_an_edit(ways: Ways, monkeypatch: pytest.MonkeyPatch) -> None:
    """A workspace that refuses is asked, whatever was learned."""
    async with known(ways) as wire:
        monkeypatch.setattr(ways.hub.workspace(), "gone", True)
        assert (await wire.ask(post(call())))[2]["error"]["data"]["code"] == "WORKSPACE_GONE"


async def test_the_hub_stops(ways: Ways) -> None:
    """What is under way is answered, and the server told; nothing more is taken."""
    async with known(ways, "gate", "echo") as wire:
        wire.send(post(call("gate"), "a_gate"))
        await ways.gate.reached()
        ways.hub.http._stateless.end()
        assert (await wire.answer())[2]["error"]["data"]["code"] == "HUB_STOPPING"
        await ways.server.channel.sent("notifications/cancelled")
        await wire.ask(post(call()))
    assert ways.usual == ["a_echo"]


async def test_a_fault(ways: Ways, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Of the hub is an error without details for the client."""

    def fail(*_: Any) -> Any:
        raise RuntimeError("secret details")

    monkeypatch.setattr(StatelessCaller, "to_client_response", fail)
    async with known(ways) as wire:
        status, _, answer = await wire.ask(post(call()))
        assert (status, answer["error"]["data"]["code"], "secret" in str(answer)) == (200, "HUB_INTERNAL", False)
    assert (ways.usual, "secret details" in caplog.text) == ([], True)


# --- servers that want input ------------------------------------------------------------------------------------------

QUESTION = {"mode": "form", "message": "Which?", "requestedSchema": {"type": "object", "properties": {}}}
ASKING = META | {f"{KEYS}clientCapabilities": {"elicitation": {"form": {}, "url": {}}}}


@contextlib.asynccontextmanager
async def modern(root: Path, **tools: Any) -> AsyncIterator[Ways]:
    """Workspace `w` of one modern server."""
    server = FakeServer(era="modern", tools={"echo": lambda **given: text(str(given)), **tools})
    async with world(root, server, serve=True) as made:
        made.put(server.spec("a", era="modern"), space("a"))
        await made.settled()
        yield Ways(made, server, Gate())


async def test_modern_servers(tmp_path: Path) -> None:
    """Are asked as their era wants it, and told of the client's extensions, and of no more."""
    extensions = {UI: {"mimeTypes": ["a/b"]}, "com.example/x": {}}
    meta = META | {f"{KEYS}clientCapabilities": {"sampling": {}, "extensions": extensions}}
    async with modern(tmp_path) as ways, known(ways) as wire:
        answer = (await wire.ask(post(call(meta=meta, arguments={"x": 1}))))[2]
        assert answer["result"]["content"] == text("{'x': 1}")["content"]
        assert answer["result"]["_meta"][INFO]["name"] == "w"
        told = ways.server.channel.got("tools/call")[-1]["params"]["_meta"]
        assert told[f"{KEYS}protocolVersion"] == MODERN
        assert told[f"{KEYS}clientInfo"]["name"] == "yamcp-hub"
        assert told[f"{KEYS}clientCapabilities"] == {"extensions": {UI: {"mimeTypes": ["a/b"]}}}
        assert ways.usual == []
        assert at_rest(ways)


async def test_a_modern_server_that_asks(tmp_path: Path) -> None:
    """Its question passes with its state sealed, as on the usual way; the answer to it goes the usual way."""

    def ask(frame: Any) -> Any:
        params = frame["params"]
        if "inputResponses" in params:
            return text(f"{params['inputResponses']['q']['action']} {params['requestState']}")
        requests = {"q": {"method": "elicitation/create", "params": QUESTION}}
        return {"resultType": "input_required", "inputRequests": requests, "requestState": "mine"}

    async with modern(tmp_path, ask=ask) as ways, connected(ways.hub.base) as wire:
        usual = (await wire.ask(post(call("ask", meta=ASKING), "a_ask")))[2]["result"]
        assert ways.usual == ["a_ask"]
        result = (await wire.ask(post(call("ask", meta=ASKING), "a_ask")))[2]["result"]
        assert ways.usual == ["a_ask"]
        state = result.pop("requestState")
        assert state != "mine"
        assert usual.pop("requestState") != "mine"
        assert result == usual
        responses = {"q": {"action": "decline"}}
        again = call("ask", meta=ASKING, inputResponses=responses, requestState=state)
        assert (await wire.ask(post(again, "a_ask")))[2]["result"]["content"] == text("decline mine")["content"]
        assert ways.usual == ["a_ask", "a_ask"]


@pytest.mark.parametrize("able", [True, False])
async def test_a_url_that_is_to_be_opened(ways: Ways, able: bool) -> None:
    """A legacy server's error becomes a question where the client can be asked, as on the usual way."""
    wanted = {"elicitations": [{"url": "https://example.com", "message": "Open it.", "elicitationId": "e"}]}

    def refuse(*_: Any) -> Any:
        raise RpcError(-32042, "URL elicitation required", data=wanted)

    meta = ASKING if able else META
    async with known(ways) as wire, connected(ways.hub.base) as new:
        ways.server.handlers["tools/call"] = refuse
        usual, direct = [(await each.ask(post(call(meta=meta)))) for each in (new, wire)]
        assert ways.usual == ["a_echo"]
        if able:
            assert usual[2]["result"].pop("requestState")
            state = direct[2]["result"].pop("requestState")
        assert direct == usual
        if able:
            del ways.server.handlers["tools/call"]
            accepted = {key: {"action": "accept"} for key in direct[2]["result"]["inputRequests"]}
            again = call(meta=meta, inputResponses=accepted, requestState=state)
            assert (await wire.ask(post(again)))[2]["result"]["content"] == text("{}")["content"]


# --- keys -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("admin", [True, False])
async def test_a_revoked_key_has_no_answer(admin: bool) -> None:
    """Not even to a call that was under way: the connection ends without."""
    with tempfile.TemporaryDirectory(prefix="hub", dir="/tmp") as name:  # of mode 0700
        root = Path(name)
        keys, gate = KeyFile(root), Gate()
        token, server = keys.add("one", admin=admin), FakeServer(tools={"gate": gate})
        async with world(root, server, serve=True, token=HUB_TOKEN, runtime_dir=root / "run") as hub:
            hub.put(server.spec("a"), space("a"))
            async with client(token, hub.settings.sidecar_socket) as http:
                peer = HttpPeer(http, "http://hub/mcp/w", "modern")
                gate.open()
                await peer.request("tools/call", {"name": "a_gate"})
                gate.door.clear()
                calling = asyncio.create_task(peer.request("tools/call", {"name": "a_gate"}))
                await gate.reached(2)
                assert len(hub.http._stateless._calls.callers) == 1
                keys.revoke("one")
                hub.keyring.refresh()
                hub.gate._check_version()
                gate.open()
                with pytest.raises(httpx2.RemoteProtocolError):
                    await within(calling)
                refused = await http.post(peer.url, json=call("gate"))
                assert refused.status_code == 401


async def test_what_a_key_has_is_kept_while_it_calls(tmp_path: Path) -> None:
    """And is let go when it was idle for long; the next call finds it anew, and teaches the connection so."""
    with tempfile.TemporaryDirectory(prefix="hub", dir="/tmp") as name:  # of mode 0700
        root = Path(name)
        keys, gate = KeyFile(root), Gate()
        token, server = keys.add("one"), FakeServer(tools={"gate": gate})
        async with world(root, server, serve=True, token=HUB_TOKEN, runtime_dir=root / "run") as hub:
            hub.put(server.spec("a"), space("a"))
            tenants = hub.hub.key_workspaces
            async with client(token, hub.settings.sidecar_socket) as http:
                peer = HttpPeer(http, "http://hub/mcp/w", "modern")
                gate.open()
                await peer.request("tools/call", {"name": "a_gate"})
                gate.door.clear()
                calling = asyncio.create_task(peer.request("tools/call", {"name": "a_gate"}))
                await gate.reached(2)
                [tenant] = tenants._found.values()
                tenant.idle_since = tenant.workspace.sessionless.last_used = float("-inf")
                assert tenant.busy
                tenants._check_idle(tenant)
                assert not tenant.closed
                gate.open()
                await within(calling)
                assert not tenant.busy
                tenants._check_idle(tenant)
                assert not tenant.closed  # it was used just now
                tenant.workspace.sessionless.last_used = float("-inf")
                tenants._check_idle(tenant)
                assert tenant.closed
                served = []
                for _ in range(3):
                    assert (await peer.request("tools/call", {"name": "a_gate"})).result
                    served.append(next(iter(tenants._found.values())).workspace.sessionless.calls)
                assert served == [1, 2, 3]


# --- what is recognised -----------------------------------------------------------------------------------------------

VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(0, 2), st.sampled_from(["", "x", MODERN]), st.just({}), st.just([])
)
METAS = st.builds(
    lambda base, more, less: {key: value for key, value in (base | more).items() if key not in less},
    st.just(META),
    st.dictionaries(st.sampled_from([*META, f"{KEYS}logLevel", "progressToken", "x"]), VALUES, max_size=2),
    st.sets(st.sampled_from(list(META)), max_size=1),
)
FRAMES = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0"), "id": st.integers(0, 2)},
    optional={
        "method": st.sampled_from(["tools/call", "tools/list"]),
        "params": st.one_of(
            st.none(),
            st.fixed_dictionaries(
                {},
                optional={
                    "name": st.sampled_from(["a_echo", "a_other", 5]),
                    "arguments": VALUES,
                    "_meta": st.one_of(METAS, VALUES),
                    "task": VALUES,
                },
            ),
        ),
    },
)


@given(st.lists(FRAMES, max_size=5))
def test_what_is_recognised_would_not_be_refused(found: list[Any]) -> None:
    """Whatever came before it, by the checks that all others get."""
    headers = {"mcp-protocol-version": MODERN, "mcp-method": "tools/call", "mcp-name": "a_echo"}
    scope = {"headers": [(name.encode(), value.encode()) for name, value in headers.items()]}
    workspace = type("Workspace", (), {"sessionless": Sessionless()})
    endpoint: Any = type("Endpoint", (), {"workspace": workspace, "admission": Admission()})
    calls = stateless_calls.StatelessCalls(None, 0)  # type: ignore[arg-type]
    caller = StatelessCaller(calls, endpoint, call()["params"], "")
    for frame in found:
        if caller.matches(frame):
            assert request_checks.over_http(frame, scope) is None
            assert frame["params"].keys() <= {"name", "arguments", "_meta"}
    assert caller.matches(call())
