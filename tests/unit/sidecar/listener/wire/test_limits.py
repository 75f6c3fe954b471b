"""How long clients may keep the hub waiting, and how much it keeps for them. Seconds pass by calls of `tick`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import resource
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from bridge.settings import Settings
from sidecar.listener import client_connections
from sidecar.listener.client_connections import ClientConnections, Limits
from tests.support.fake_server import FakeServer, Gate, until, within
from tests.support.inprocess import World, space, world
from tests.support.peers import LEGACY, connected

pytestmark = pytest.mark.outside

HELLO = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
ACCEPT = {"accept": "application/json, text/event-stream"}
HALF = b"POST /mcp/w HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Ty"
MEGABYTE = 1024 * 1024
BIG = 12 * MEGABYTE
"""An answer that the buffers of the system do not take whole."""


def body_of(size: int) -> bytes:
    """A request whose body lacks a byte."""
    head = (
        f"POST /mcp/w HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n"
    )
    return head.encode() + b" " * (size - 1)


@pytest.fixture
def gate() -> Gate:
    """The tool `a_gate`."""
    return Gate()


@pytest.fixture
async def hub(tmp_path: Path, gate: Gate) -> AsyncIterator[World]:
    """A workspace `w` of a server with a tool whose answers are large, and 30 MB for who does not read."""
    server = FakeServer(tools={"gate": gate, "big": lambda: {"content": [], "x": "x" * BIG}})
    async with world(tmp_path, server, serve=True, max_unread_bytes=30 * MEGABYTE) as made:
        made.put(server.spec("a"), space("a"))
        await made.settled()
        yield made


def clients_of(hub: World) -> ClientConnections:
    """Its connections."""
    assert hub.server is not None
    return hub.server.clients


def allow(hub: World, **limits: int) -> None:
    """Set some of its limits."""
    clients_of(hub).limits = clients_of(hub).limits._replace(**limits)


def pass_seconds(hub: World, seconds: int) -> None:
    """Let time pass."""
    for _ in range(seconds):
        clients_of(hub).tick()


class Raw:
    """A client of bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ended(self) -> bytes:
        """What came until the connection ended."""
        found = b""
        with contextlib.suppress(ConnectionError):
            while piece := await within(self.reader.read(65536)):
                found += piece
        return found


@contextlib.asynccontextmanager
async def raw(hub: World, data: bytes = b"", count: int = 1) -> AsyncIterator[list[Raw]]:
    """So many clients that have sent this, and do not read."""
    made: list[Raw] = []
    try:
        for _ in range(count):
            port = hub.settings.sidecar_port
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
            made.append(Raw(reader, writer))
            writer.write(data)
            await writer.drain()
        yield made
    finally:
        for each in made:
            each.writer.transport.abort()


async def serves(hub: World) -> bool:
    """Whether a new client is served."""
    async with httpx2.AsyncClient(timeout=100) as http:
        return (await http.get(f"{hub.base}/healthz")).status_code == 200


def code_of(response: bytes) -> tuple[int, str]:
    """Status and code of an error, as it was on the wire."""
    head, _, body = response.partition(b"\r\n\r\n")
    assert b"connection: close" in head
    return int(head.split()[1]), json.loads(body)["error"]["data"]["code"]


def ends(hub: World, code: str) -> float:
    """How many connections were ended by a limit, as the metrics have it."""
    name = "yamcp_hub_client_connections_ended_total"
    return hub.metrics._registry.get_sample_value(name, {"code": code}) or 0


# --- time --------------------------------------------------------------------------------------------------------


async def test_half_a_head(hub: World, gate: Gate) -> None:
    """It, or nothing at all, is waited for 15 s; a call that takes longer, and a stream, are not touched by that."""
    async with raw(hub, HALF) as [half], raw(hub) as [silent], connected(f"{hub.base}/mcp/w", "sse", "legacy") as peer:
        call = asyncio.create_task(peer.request("tools/call", {"name": "a_gate"}))
        await gate.reached()
        await until(lambda: len([c for c in clients_of(hub)._all if c.owed() == "head"]) == 2)
        pass_seconds(hub, 14)
        assert ends(hub, "REQUEST_TIMEOUT") == 0
        half.writer.write(b"p")
        pass_seconds(hub, 3)
        assert code_of(await half.ended()) == (408, "REQUEST_TIMEOUT")
        assert await silent.ended() == b""
        pass_seconds(hub, 100)
        gate.open()
        assert "result" in (await call).answer
    assert ends(hub, "REQUEST_TIMEOUT") == 2


async def test_half_a_body(hub: World) -> None:
    """It is waited for 30 s, and for another second for each 16 KiB that came: whoever sends that fast is served."""
    async with raw(hub, body_of(1000)) as [stalled], raw(hub, body_of(MEGABYTE)) as [slow]:
        bodies = clients_of(hub)._bodies
        await until(lambda: sum(each.received for each in bodies.values()) == MEGABYTE + 998)
        pass_seconds(hub, 33)
        assert code_of(await stalled.ended()) == (408, "REQUEST_TIMEOUT")
        slow.writer.write(b"5")
        assert b"MESSAGE_INVALID" in await within(slow.reader.readuntil(b"}}}"))
    assert clients_of(hub)._body_bytes == 0


async def test_the_next_request_of_a_kept_connection(hub: World) -> None:
    """Between requests a connection may be idle for long; a head that it begins then has to come as any other."""
    async with raw(hub, b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n") as [client]:
        assert (await within(client.reader.readuntil(b"}"))).startswith(b"HTTP/1.1 200")
        pass_seconds(hub, 40)
        client.writer.write(HALF)
        await until(lambda: [c.owed() for c in clients_of(hub)._all] == ["head"])
        pass_seconds(hub, 17)
        assert code_of(await client.ended()) == (408, "REQUEST_TIMEOUT")


# --- connections -------------------------------------------------------------------------------------------------


async def test_a_flood_of_half_open_connections(hub: World, caplog: pytest.LogCaptureFixture) -> None:
    """They push out one another: who is in use stays, a new client is served at once, and the log says so, once."""
    allow(hub, connections=20)
    async with connected(f"{hub.base}/mcp/w", "sse", "legacy") as peer:
        for _ in range(4):
            async with raw(hub, HALF, 40):
                await until(lambda: len(clients_of(hub)) == 20)
                assert await serves(hub)
                assert "result" in (await peer.request("ping")).answer
                assert len(clients_of(hub)) <= 20
    assert ends(hub, "CONNECTIONS_LIMIT") > 80
    [line] = [record for record in caplog.records if getattr(record, "code", "") == "CONNECTIONS_LIMIT"]
    assert line.levelno == logging.WARNING


async def test_all_connections_in_use(hub: World, gate: Gate) -> None:
    """One more is refused, with a code and when to try again; idle ones make room before, those in use never."""
    allow(hub, connections=5)
    get = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    stream = b"GET /mcp/w/sse HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    async with raw(hub, get, 3) as idle, raw(hub, stream, 2) as used:
        for each in [*idle, *used]:
            await within(each.reader.readuntil(b"\r\n\r\n"))
        async with raw(hub, stream, 3) as more:
            for each in more:
                await within(each.reader.readuntil(b"\r\n\r\n"))
            async with raw(hub) as [late]:
                answer = await late.ended()
                assert code_of(answer) == (503, "CONNECTIONS_LIMIT")
                assert b"retry-after: 5\r\n" in answer
            assert len(hub.sse._sessions) == 5
        for each in idle:
            assert await each.ended() == b'{"status":"ok"}'


def test_limits_of_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter of the descriptors, at least 64, is kept for all else."""
    for descriptors, most in ((256, 192), (2048, 1536), (80, 16), (resource.RLIM_INFINITY, 786432)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, found=descriptors: (found, found))
        assert Limits.of(Settings()) == (most, 128 * MEGABYTE, 64 * MEGABYTE)


# --- bytes -------------------------------------------------------------------------------------------------------


async def test_many_bodies_that_lack_a_byte(hub: World) -> None:
    """What is kept of them is bounded; small requests are served all the same, and large ones when these are over."""
    allow(hub, body_bytes=4 * MEGABYTE)
    clients = clients_of(hub)
    async with raw(hub, body_of(MEGABYTE), 12) as stalled:
        await until(lambda: ends(hub, "BODIES_LIMIT") >= 8)
        assert clients._body_bytes <= 4 * MEGABYTE + 65536
        endings = [asyncio.create_task(each.ended()) for each in stalled]
        await until(lambda: sum(task.done() for task in endings) >= 8)
        done = [task.result() for task in endings if task.done()]
        assert {code_of(response) for response in done if response} == {(503, "BODIES_LIMIT")}
        async with connected(f"{hub.base}/mcp/w", "http", "legacy") as peer:
            assert "result" in (await peer.request("ping")).answer
        pass_seconds(hub, 3)
        async with httpx2.AsyncClient(timeout=100) as http:  # those that have stood still for a while make room
            response = await http.post(f"{hub.base}/mcp/w", json=["x" * MEGABYTE], headers=ACCEPT)
            assert response.json()["error"]["data"]["code"] == "MESSAGE_INVALID"
        pass_seconds(hub, 100)
        assert clients._body_bytes == 0


async def test_a_body_behind_a_stream(hub: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is refused, the connection ends: an error of its own would stand in the middle of the stream."""
    allow(hub, body_bytes=1)
    monkeypatch.setattr(client_connections, "SMALL_BODY", 0)
    async with raw(hub, b"GET /mcp/w/sse HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n") as [client]:
        await within(client.reader.readuntil(b"session_id="))
        client.writer.write(body_of(MEGABYTE))
        assert b"HTTP/1.1" not in await client.ended()
    assert ends(hub, "BODIES_LIMIT") == 1


async def session(hub: World) -> str:
    """A session over Streamable HTTP."""
    hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}
    async with httpx2.AsyncClient(timeout=100) as http:
        return str((await http.post(f"{hub.base}/mcp/w", json=hello, headers=ACCEPT)).headers["mcp-session-id"])


def big_call(number: int, session_id: str, accept: str = "application/json, text/event-stream") -> bytes:
    """A call of the tool with large answers."""
    params = {"name": "a_big", "arguments": {}}
    body = json.dumps({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}).encode()
    head = f"POST /mcp/w HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: {accept}\r\nContent-Type: application/json\r\n"
    return f"{head}Mcp-Session-Id: {session_id}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def waiting(hub: World) -> int:
    """Bytes that wait for clients to read them."""
    return sum(sum(each.unread()) for each in clients_of(hub)._paused)


@pytest.mark.parametrize("accept", ["application/json, text/event-stream", "text/event-stream, application/json"])
async def test_answers_that_nobody_reads(hub: World, accept: str) -> None:
    """Over Streamable HTTP, as JSON and as streams: what waits is bounded, and ended when it is not read for long."""
    session_id = await session(hub)
    async with contextlib.AsyncExitStack() as stack:
        for number in range(2, 10):
            await stack.enter_async_context(raw(hub, big_call(number, session_id, accept)))
            await until(lambda n=number: hub.http._sessions[session_id].calls >= n - 1)  # type: ignore[misc]
            assert waiting(hub) <= 60 * MEGABYTE
        await until(lambda: waiting(hub) > 30 * MEGABYTE)
        pass_seconds(hub, 3)
        assert waiting(hub) <= 30 * MEGABYTE
        async with raw(hub, big_call(99, session_id, accept)) as [reader]:
            left = BIG
            while left > 0:
                left -= len(await within(reader.reader.read(65536)))
        pass_seconds(hub, 31)
        assert waiting(hub) == 0
    assert ends(hub, "CLIENT_NOT_READING") == 8


async def test_streams_that_nobody_reads(hub: World) -> None:
    """Over SSE, whose answers wait for each client together: sessions that do not read end, one that reads goes on."""
    async with connected(f"{hub.base}/mcp/w", "sse", "legacy") as peer, contextlib.AsyncExitStack() as stack:
        silent = [await unread_stream(hub, stack) for _ in range(3)]
        assert waiting(hub) > 30 * MEGABYTE
        pass_seconds(hub, 3)
        assert waiting(hub) <= 30 * MEGABYTE
        await until(lambda: len(hub.sse._sessions) < 4)
        pass_seconds(hub, 31)
        await until(lambda: len(hub.sse._sessions) == 1)
        assert (waiting(hub), len(silent)) == (0, 3)
        assert "result" in (await peer.request("ping")).answer


async def unread_stream(hub: World, stack: contextlib.AsyncExitStack) -> Raw:
    """A session over SSE with 18 MB of answers that its client does not read, but for the first lines."""
    known = set(hub.sse._sessions)
    [client] = await stack.enter_async_context(raw(hub, b"GET /mcp/w/sse HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"))
    await until(lambda: len(hub.sse._sessions) > len(known))
    [new] = set(hub.sse._sessions) - known
    session = hub.sse._sessions[new]
    for _ in range(12):
        session.put_raw(b"x" * MEGABYTE)
    await until(lambda: session.stream._connection in clients_of(hub)._paused)
    for _ in range(6):
        session.put_raw(b"x" * MEGABYTE)
    return client


async def test_what_waits_is_counted_until_it_is_written_or_given_up(hub: World) -> None:
    """Of a stream whose client reads again, nothing is counted any more; nor of one that was ended."""
    async with contextlib.AsyncExitStack() as stack:
        client = await unread_stream(hub, stack)
        [connection] = clients_of(hub)._paused
        assert connection.unread()[1] > 0
        await within(client.reader.readuntil(b"\r\n\r\n"))
        left = 18 * MEGABYTE
        while left > 0:
            left -= len(await within(client.reader.read(65536)))
        await until(lambda: not clients_of(hub)._paused)
        assert connection.unread() == (0, 0)
        [session] = hub.sse._sessions.values()
        for _ in range(20):
            session.put_raw(b"x" * MEGABYTE)
        session.stream.abort()
        await until(lambda: connection.unread()[1] == 0)
