"""Connections between replicas, with a server that sends what the test wants."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from sidecar.replicas.connection import MAX_HEADERS, MAX_QUEUED, Away, Broken, Connections, taken
from tests.support.fake_server import until
from tests.support.hub import free_port

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
PIECES = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
REQUEST = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


class Script:
    """Answers each request with the next of these responses; an empty one closes the connection."""

    def __init__(self, *responses: bytes) -> None:
        self.responses = list(responses)
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError), contextlib.closing(writer):
            while self.responses:
                await reader.readuntil(b"\r\n\r\n")
                if not (response := self.responses.pop(0)):
                    return
                writer.write(response)
                await writer.drain()
            await reader.read()


@contextlib.asynccontextmanager
async def connected(script: Script) -> AsyncIterator[Connections]:
    """The connections to a server with a script."""
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    connections = Connections(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        yield connections
    finally:
        connections.close()
        server.close()


async def ask(connections: Connections, seconds: float = 30) -> tuple[int, bytes]:
    """The status and the body of a response."""
    async with taken(connections) as connection:
        await connection.send(REQUEST, seconds)
        await connection.head(seconds)
        return connection.status, b"".join([piece async for piece in connection.body(seconds)])


async def test_responses() -> None:
    """With a length, in pieces, and after an interim response; all on one connection."""
    script = Script(OK, PIECES, b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + OK)
    async with connected(script) as connections:
        found = [await ask(connections) for _ in range(3)]
    assert found == [(200, b"ok"), (200, b"hello world"), (200, b"ok")]
    assert script.connections == 1


async def test_a_long_response() -> None:
    """It is read no faster than it is taken."""
    script = Script(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (MAX_QUEUED * 40) + bytes(MAX_QUEUED * 40))
    async with connected(script) as connections, taken(connections) as connection:
        await connection.send(REQUEST, 30)
        await connection.head(30)
        await until(lambda: connection._paused)
        assert connection._queued < 2 * MAX_QUEUED
        assert sum([len(piece) async for piece in connection.body(30)]) == MAX_QUEUED * 40


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok",
        b"no HTTP\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: %b\r\n\r\n" % (b"y" * (MAX_HEADERS + 1)),
    ],
)
async def test_a_connection_that_breaks(response: bytes) -> None:
    """Without a response, in the middle of one, and with what is none; the next request has another connection."""
    script = Script(response)
    async with connected(script) as connections:
        with pytest.raises(Broken):
            await ask(connections, 0.2)
        script.responses[:] = [OK]
        assert await ask(connections) == (200, b"ok")
    assert script.connections == 2


async def test_connections_that_are_not_kept() -> None:
    """One that the server closes, or on which it sends what nobody has asked for."""
    script = Script(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok", OK + OK, OK)
    async with connected(script) as connections:
        for number in (1, 2, 3):
            assert await ask(connections) == (200, b"ok")
            assert script.connections == number


async def test_a_server_that_is_silent() -> None:
    """The connection breaks after the time that was given."""
    async with connected(Script()) as connections:
        with pytest.raises(Broken):
            await ask(connections, 0.01)


async def test_nobody_there() -> None:
    """Nothing was sent."""
    with pytest.raises(Away):
        await ask(Connections(f"http://127.0.0.1:{free_port()}"))
