"""Requests that are answered before their body is complete: the client gets the response, and the hub reads no more
than a limit of the rest."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bridge.settings import Settings
from sidecar.listener import http_protocol, raw_responses
from sidecar.listener.asgi import respond
from sidecar.listener.client_connections import ClientConnections
from sidecar.listener.server import HttpServer, listen
from tests.support.fake_server import until, within
from tests.support.hub import free_port

pytestmark = pytest.mark.outside

MEGABYTE = 1 << 20
REFUSED = b"refused"


async def refusing(scope: Any, receive: Any, send: Any) -> None:
    """An application that refuses each request after the first bytes of its body, or waits at /waits for all of it."""
    while (await receive()).get("more_body") and scope["path"] == "/waits":
        pass
    await respond(send, 401, REFUSED, b"text/plain")


@pytest.fixture
async def server() -> AsyncIterator[HttpServer]:
    """It is served."""
    stop = asyncio.Event()
    settings = Settings(sidecar_port=free_port())
    with contextlib.closing(listen(settings)) as listener:
        async with asyncio.TaskGroup() as tasks:
            made = HttpServer(refusing, settings)
            tasks.create_task(made.serve_until(stop, listener))
            await until(lambda: made.started)
            yield made
            stop.set()


class Client:
    """A client that has sent a head of this length, and a part of the body."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def response(self) -> bytes:
        """What comes until the hub closes. Raises ConnectionError."""
        return await within(self.reader.read())

    async def sends_until_reset(self) -> None:
        """Send for as long as the hub reads."""
        with pytest.raises(ConnectionError):
            while True:
                self.writer.write(b" " * 65536)
                await within(self.writer.drain())


@contextlib.asynccontextmanager
async def client(
    server: HttpServer, *, length: int = 64 * MEGABYTE, sent: int = 2 * MEGABYTE, path: str = "/", more: str = ""
) -> AsyncIterator[Client]:
    """Connect, and send the beginning of a request."""
    reader, writer = await asyncio.open_connection(*server.servers[0].sockets[0].getsockname())
    try:
        writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\n{more}Content-Length: {length}\r\n\r\n".encode())
        writer.write(b" " * sent)
        yield Client(reader, writer)
    finally:
        writer.transport.abort()


CLOSE = "Connection: close\r\n"


async def test_the_response_arrives_though_the_client_still_sends(server: HttpServer) -> None:
    """Bytes that nobody reads would reset the connection, and who writes would see this instead of the response."""
    async with client(server, more=CLOSE) as one:
        assert (await one.response()).endswith(REFUSED)
        one.writer.write(b" " * MEGABYTE)
        await within(one.writer.drain())
    await until(lambda: not server.server_state.connections)


async def test_a_body_that_is_too_much_for_all(server: HttpServer) -> None:
    """The refusal of one of many incomplete bodies arrives, too."""
    server.clients.limits = server.clients.limits._replace(body_bytes=MEGABYTE)
    async with client(server, path="/waits") as one:
        assert b"BODIES_LIMIT" in await one.response()
        one.writer.write(b" " * MEGABYTE)
        await within(one.writer.drain())


@pytest.mark.parametrize("more", ["", CLOSE])
async def test_bytes_are_limited(server: HttpServer, monkeypatch: pytest.MonkeyPatch, more: str) -> None:
    """Who goes on sending is cut off, whether or not the connection was to be kept."""
    monkeypatch.setattr(raw_responses, "LINGER_BYTES", MEGABYTE)
    monkeypatch.setattr(http_protocol, "LINGER_BYTES", MEGABYTE)
    async with client(server, more=more) as one:
        await one.sends_until_reset()
    await until(lambda: not server.server_state.connections)


async def test_seconds_are_limited(server: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who neither sends nor closes is cut off."""
    monkeypatch.setattr(raw_responses.Lingering.__init__, "__defaults__", (0.01,))
    async with client(server, more=CLOSE) as one:
        assert (await one.response()).endswith(REFUSED)
        await until(lambda: not server.server_state.connections)


async def test_they_make_room_first(server: HttpServer) -> None:
    """At the limit for connections those that are to end anyway are closed, and no other."""
    async with client(server, length=1, sent=1) as idle, client(server, more=CLOSE) as ending:
        await within(idle.reader.readuntil(REFUSED))
        await ending.response()
        clients: ClientConnections = server.clients
        clients.limits = clients.limits._replace(connections=2)
        async with client(server, length=1, sent=1) as new:
            await within(new.reader.readuntil(REFUSED))
            await ending.sends_until_reset()
            idle.writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            await within(idle.reader.readuntil(REFUSED))


async def test_the_hub_stops_at_once(server: HttpServer) -> None:
    """It does not wait for who is refused."""
    async with client(server, more=CLOSE) as one:
        assert (await one.response()).endswith(REFUSED)
        (connection,) = server.connections
        connection.shutdown()
        await until(lambda: not server.server_state.connections)
