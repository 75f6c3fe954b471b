"""The HTTP+SSE transport: streams, and what becomes of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx2
import pytest

from sidecar.downstream import event_stream, sse
from sidecar.errors import SessionUnknown
from tests.support.fake_server import FakeServer, Gate, until, within
from tests.support.inprocess import World, space, world
from tests.support.peers import SsePeer, connected
from tests.support.sdk_entry import served_by_the_sdk

pytestmark = pytest.mark.outside


@pytest.fixture
def gate() -> Gate:
    """The tool `a_gate`."""
    return Gate()


@pytest.fixture
async def hub(tmp_path: Path, gate: Gate) -> AsyncIterator[World]:
    """A workspace `w` of one server, over HTTP."""
    server = FakeServer(tools={"gate": gate, "big": lambda: {"content": [], "x": "x" * 1_000_000}})
    async with world(tmp_path, server, serve=True, ping_interval=0.01) as made:
        made.put(server.spec("a"), space("a"))
        await made.settled()
        yield made


def peer_of(hub: World, era: Any = "legacy") -> Any:
    """A client over SSE."""
    return connected(f"{hub.base}/mcp/w", "sse", era)


async def test_stream(hub: World) -> None:
    """The stream begins with where to post, then pings keep it open."""
    async with httpx2.AsyncClient(timeout=100) as client, client.stream("GET", f"{hub.base}/mcp/w/sse") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["x-accel-buffering"] == "no"
        seen = ""
        async for chunk in response.aiter_text():
            seen += chunk
            if seen.count(": ping\r\n\r\n") > 1:
                break
        assert seen.startswith("event: endpoint\r\ndata: messages?session_id=")
    await until(lambda: not hub.sse._sessions)


@pytest.mark.parametrize("path", ["/mcp/w/sse", "/mcp/w/sse/", "/base/path/mcp/w/sse", "/base/mcp/w/sse/"])
async def test_where_to_post_is_relative_to_the_stream(hub: World, path: str) -> None:
    """A proxy may have the hub below a path of its own, of which the hub knows nothing (RFC 3986, 5.2)."""
    outside, at, inside = path.partition("/mcp/")
    async with httpx2.AsyncClient(timeout=100) as client, client.stream("GET", f"{hub.base}{at}{inside}") as response:
        lines = response.aiter_lines()
        assert await anext(lines) == "event: endpoint"
        data = (await anext(lines)).removeprefix("data: ")
        url = urljoin(f"https://hub.example{path}", data)
        assert url.startswith(f"https://hub.example{outside}/mcp/w/messages?session_id=")
        ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        answer = await client.post(urljoin(f"{hub.base}{at}{inside}", data), json=ping)
        assert answer.status_code == 202


async def test_disconnect_cancels(hub: World, gate: Gate) -> None:
    """A client that leaves cancels its calls at the server, and leaves nothing behind."""
    async with peer_of(hub) as peer:
        call = asyncio.create_task(peer.request("tools/call", {"name": "a_gate"}))
        await gate.reached()
        call.cancel()
        await asyncio.wait([call])
        assert len(hub.workspace().sessions) == 2
    cancelled = await hub.servers["fake"].channel.sent("notifications/cancelled")
    assert cancelled["params"]["requestId"] == hub.servers["fake"].channel.got("tools/call")[0]["id"]
    await until(lambda: len(hub.workspace().sessions) == 1)
    assert hub.sse._sessions == {}


async def test_cancel(hub: World, gate: Gate) -> None:
    """A call that a legacy client cancels is cancelled at the server, and answered as such."""
    async with peer_of(hub) as peer:
        call = asyncio.create_task(peer.request("tools/call", {"name": "a_gate"}))
        await gate.reached()
        await peer.notify("notifications/cancelled", {"requestId": next(iter(peer._waiting))})
        await hub.servers["fake"].channel.sent("notifications/cancelled")
        assert (await within(call)).answer["error"] == {"code": -32800, "message": "Request cancelled"}


async def test_modern_cancel(hub: World, gate: Gate) -> None:
    """One that a modern client cancels is cancelled at the server, and not answered, as the era wants it."""
    async with peer_of(hub, "modern") as peer:
        call = asyncio.create_task(peer.request("tools/call", {"name": "a_gate"}))
        await gate.reached()
        await peer.notify("notifications/cancelled", {"requestId": next(iter(peer._waiting))})
        await hub.servers["fake"].channel.sent("notifications/cancelled")
        await peer.request("tools/list")
        assert not call.done()
        call.cancel()
        await asyncio.wait([call])


async def test_id_in_use(hub: World, gate: Gate) -> None:
    """A second request with an id that is under way is refused, and the first is answered."""
    async with peer_of(hub) as peer:
        call = asyncio.create_task(peer.request("tools/call", {"name": "a_gate"}))
        await gate.reached()
        frame = {"jsonrpc": "2.0", "id": next(iter(peer._waiting)), "method": "tools/list"}
        response = await peer.http.post(await peer.message_url, json=frame)
        assert (response.status_code, response.json()["error"]["data"]["code"]) == (400, "MESSAGE_INVALID")
        gate.open()
        assert "result" in (await call).answer


async def test_client_that_does_not_read(hub: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that asks but does not read loses its session, and the hub keeps nothing for it."""
    monkeypatch.setattr(event_stream, "MAX_WAITING_BYTES", 3_000_000)
    _, writer = await asyncio.open_connection("127.0.0.1", hub.settings.sidecar_port, limit=1024)
    writer.write(b"GET /mcp/w/sse HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await until(lambda: hub.sse._sessions)
    session = next(iter(hub.sse._sessions.values()))
    async with httpx2.AsyncClient(timeout=100) as client:
        url = f"{hub.base}/mcp/w/messages?session_id={session.id}"
        hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
        await client.post(url, json={"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello})
        assert session.version
        for number in range(1, 100):
            call = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": "a_big"}}
            if (await client.post(url, json=call)).status_code == 404:
                break
    await until(lambda: not hub.sse._sessions)
    assert session.stream.size == 0
    session.stream.put({"late": 1})
    assert session.stream.size == 0
    writer.close()
    await until(lambda: len(hub.workspace().sessions) == 1)


async def test_fault_in_fastmcp(hub: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A request in which FastMCP fails is answered without details, and the session goes on."""

    async def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("secret details")

    async with peer_of(hub) as peer:
        with monkeypatch.context() as patched:
            patched.setattr("sidecar.calls.fastmcp_server.serve_one", fail)
            error = (await peer.request("ping")).answer["error"]
            assert (error["code"], error["data"]["code"]) == (-32603, "HUB_INTERNAL")
        assert "result" in (await peer.request("ping")).answer
    assert "secret details" in caplog.text


async def test_fault_in_a_request(
    hub: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault of the hub is an error without details for the client, over both transports."""

    async def fail(*_: Any) -> None:
        raise RuntimeError("secret details")

    monkeypatch.setattr(hub.workspace(), "view_for", fail)
    for transport in ("sse", "http"):
        async with connected(f"{hub.base}/mcp/w", transport, "legacy") as peer:  # type: ignore[arg-type]
            error = (await peer.request("prompts/get", {"name": "a_p"})).answer["error"]
            assert (error["code"], error["data"]["code"]) == (-32603, "HUB_INTERNAL")
            assert "secret" not in str(error)
    assert "secret details" in caplog.text


async def test_end(tmp_path: Path) -> None:
    """At the end all streams end, and none is opened any more."""
    async with world(tmp_path, serve=True) as made:
        made.put(space())
        async with httpx2.AsyncClient(timeout=100) as client:
            reading = asyncio.create_task(client.get(f"{made.base}/mcp/w/sse"))
            await until(lambda: made.sse._sessions)
            made.sse._closing = True
            assert (await client.get(f"{made.base}/mcp/w/sse")).status_code == 503
            made.stop.set()
            assert (await reading).status_code == 200


async def test_modern_over_sse(hub: World) -> None:
    """A modern client needs no handshake; a legacy request in between is refused, as is a mix of both."""
    async with peer_of(hub, "modern") as peer:
        assert isinstance(peer, SsePeer)
        assert (await peer.request("tools/list")).result["resultType"] == "complete"
        peer.era = "legacy"
        assert "error" in (await peer.request("tools/list")).answer


@pytest.mark.parametrize("answer", [{"result": {}}, {"error": {"code": 1, "message": "x"}}])
async def test_answers_to_nothing(hub: World, answer: dict[str, Any]) -> None:
    """Responses that nobody asked for change nothing."""
    async with peer_of(hub) as peer:
        response = await peer.http.post(await peer.message_url, json={"jsonrpc": "2.0", "id": "hub-0-x", **answer})
        assert response.status_code == 202
        assert "result" in (await peer.request("ping")).answer


async def test_question_to_a_client_that_left(hub: World) -> None:
    """A server that asks when the stream has ended is answered, instead of waiting for nobody."""

    async def send(_: Any) -> None:
        raise AssertionError("nobody is there to write to")

    session = sse.SseSession(hub.endpoint(), send, lambda _: False)
    session.end()
    assert "error" in await within(session.ask("roots/list", {}))


HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
VERSION, CAPABILITIES = "io.modelcontextprotocol/protocolVersion", "io.modelcontextprotocol/clientCapabilities"
META = {VERSION: "2026-07-28", CAPABILITIES: {}}
SEQUENCES: dict[str, list[tuple[str, Any]]] = {
    "modern, then a handshake": [("tools/list", {"_meta": META}), ("initialize", HELLO), ("initialize", {})],
    "modern, then without an envelope": [("tools/list", {"_meta": META}), ("tools/list", {}), ("ping", None)],
    "a handshake, then modern": [("initialize", HELLO), ("tools/list", {"_meta": META}), ("tools/list", {})],
    "neither, then modern": [("tools/list", {}), ("tools/list", {"_meta": META})],
    "a handshake in an envelope": [("initialize", {**HELLO, "_meta": META}), ("tools/list", {})],
    "a handshake that fails": [("initialize", {}), ("tools/list", {}), ("initialize", HELLO), ("tools/list", {})],
    "before the handshake": [("ping", None), ("nonsense", {}), ("tools/call", {"name": "a_big"})],
    "after it": [("initialize", HELLO), ("ping", {}), ("nonsense", {}), ("subscriptions/listen", {})],
    "what the modern era has": [
        *((method, {"_meta": META}) for method in ("server/discover", "ping", "nonsense", "logging/setLevel")),
        ("subscriptions/listen", {"_meta": META, "notifications": 5}),
    ],
    "half an envelope": [("tools/list", {"_meta": {VERSION: "2026-07-28"}})],
    "a version of the future": [("tools/list", {"_meta": {**META, VERSION: "2099-01-01"}})],
    "a version that is none": [("tools/list", {"_meta": {**META, VERSION: 5}})],
}


@pytest.mark.parametrize("sequence", SEQUENCES.values(), ids=SEQUENCES)
async def test_eras_are_told_apart_as_by_the_sdk(tmp_path: Path, sequence: list[tuple[str, Any]]) -> None:
    """Whatever a client begins with, it gets the results and error codes that the SDK's server over a stream gives."""
    server = FakeServer()
    async with world(tmp_path, server, serve=True) as made:
        made.put(server.spec("a"), space("a"))
        await made.settled()
        ours = await answers_to(sequence, made.base)
        async with served_by_the_sdk(made) as base:
            assert ours == await answers_to(sequence, base)


async def answers_to(sequence: list[tuple[str, Any]], base: str) -> list[tuple[str, Any, Any, Any]]:
    """Of each request on one stream: its method, the code and the data of its error, its result."""
    answers = []
    async with httpx2.AsyncClient(timeout=100) as http:
        peer = SsePeer(http, f"{base}/mcp/w/sse", "legacy")
        reader = asyncio.create_task(peer.read())
        for number, (method, params) in enumerate(sequence):
            frame = {"jsonrpc": "2.0", "id": number, "method": method}
            exchange = await peer._ask(frame if params is None else {**frame, "params": params})
            error = exchange.answer.get("error", {})
            data = None if method == "initialize" else error.get("data")  # the hub's names the field
            answers.append((method, error.get("code"), data, exchange.answer.get("result")))
        reader.cancel()
        await asyncio.wait([reader])
    return answers


async def test_an_idle_session_has_one_task(hub: World) -> None:
    """The task of its GET request, which waits for the client to leave, is all that runs for it."""
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(peer_of(hub))
        before = tasks_of_the_sidecar()
        for _ in range(5):
            await stack.enter_async_context(peer_of(hub))
        await until(lambda: len(tasks_of_the_sidecar()) - len(before) == 5)
        assert len(hub.sse._sessions) == 6


def tasks_of_the_sidecar() -> list[asyncio.Task[Any]]:
    """The tasks that run code of the sidecar, or of the server that serves it."""
    files = [
        (task, getattr(getattr(task.get_coro(), "cr_code", None), "co_filename", "")) for task in asyncio.all_tasks()
    ]
    return [task for task, file in files if ("/sidecar/" in file and "/tests/" not in file) or "/uvicorn/" in file]


async def test_a_batch(hub: World) -> None:
    """A client of 2025-03-26 may send one: its requests are answered on the stream. Those of others may not."""
    async with httpx2.AsyncClient(timeout=100) as http:
        peer = SsePeer(http, f"{hub.base}/mcp/w/sse", "legacy")
        peer.version = "2025-03-26"
        reader = asyncio.create_task(peer.read())
        await peer.greet()
        answers = [asyncio.get_running_loop().create_future() for _ in range(2)]
        peer._waiting |= {f"b{number}": answer for number, answer in enumerate(answers)}  # type: ignore[arg-type]
        ping = {"jsonrpc": "2.0", "method": "ping"}
        batch = [{**ping, "id": "b0"}, {**ping, "method": "notifications/x"}, {**ping, "id": "b1"}]
        assert (await http.post(await peer.message_url, json=batch)).status_code == 202
        for answer in answers:
            await within(answer)
        assert (await http.post(await peer.message_url, json=[])).status_code == 400
        reader.cancel()
        await asyncio.wait([reader])
    async with peer_of(hub) as peer:
        response = await peer.http.post(await peer.message_url, json=batch)
        assert (response.status_code, response.json()["error"]["data"]["code"]) == (400, "MESSAGE_INVALID")


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"mcp-protocol-version": "2025-11-25"}, -32020),
        ({"mcp-protocol-version": "2026-07-28"}, None),
        ({"mcp-method": "tools/list"}, -32020),
        ({"mcp-method": "tools/call"}, None),
        ({"mcp-name": "a_other"}, -32020),
        ({"mcp-name": "a_big"}, None),
        ({"mcp-name": "=?base64?YV9iaWc=?="}, None),
        ({"mcp-session-id": "x"}, None),
    ],
)
async def test_headers_that_contradict_the_body(hub: World, headers: dict[str, str], code: int | None) -> None:
    """A modern request over SSE need not repeat itself in headers; one that does not say the same there is refused."""
    async with peer_of(hub, "modern") as peer:
        await peer.request("tools/list")
        peer.http.headers |= headers
        error = (await peer.request("tools/call", {"name": "a_big"})).answer.get("error", {})
        assert error.get("code") == code, error


async def test_a_request_while_the_stream_ends(hub: World) -> None:
    """It is refused, on every way, instead of accepted without an answer: its client opens a new session."""
    async with peer_of(hub) as peer:
        [session] = hub.sse._sessions.values()
        hub.sse.end_idle_streams()
        assert not session.ended
        call = {"jsonrpc": "2.0", "id": 7, "method": "tools/list"}
        with pytest.raises(SessionUnknown):
            await session.serve(call, {"type": "http", "headers": []}, sse._discard)
        assert not session.try_direct({**call, "method": "tools/call", "params": {"name": "a_big", "arguments": {}}})
        del peer
