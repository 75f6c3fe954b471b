"""The direct way beside uvicorn's: what takes it, what does not, and that clients cannot tell."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from bridge.settings import Settings
from sidecar.listener import http_protocol
from sidecar.listener.asgi import read_body, respond
from sidecar.listener.http_protocol import HttpProtocol
from sidecar.listener.known_heads import learn
from sidecar.listener.raw_responses import response_writer
from sidecar.listener.server import HttpServer, listen
from tests.support.fake_server import settle, until, within
from tests.support.hub import free_port

pytestmark = pytest.mark.outside

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n"


def post(body: bytes, path: bytes = b"/", more: bytes = b"") -> bytes:
    """A request."""
    return b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n%bContent-Length: %d\r\n\r\n%b" % (
        path,
        more,
        len(body),
        body,
    )


def response(body: bytes) -> bytes:
    """The response that both ways give."""
    return HEAD + b"content-length: %d\r\n\r\n%b" % (len(body), body)


class Echo:
    """An application that answers with the body, and teaches its connection to take the next; `taken` are those."""

    def __init__(self) -> None:
        self.served: list[bytes] = []
        self.taken: list[bytes] = []
        self.connection: HttpProtocol | None = None
        self.config_version = 1
        self.willing = True
        self.at_once = True
        self.serving = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request."""
        if scope["method"] == "GET":
            await self._stream(scope, receive, send)
            return
        body = await read_body(scope, receive, 1 << 20)
        self.served.append(body)
        if body == b"slow":
            await self.serving.wait()
        await respond(send, 200, body, b"text/plain")
        learn(scope, self.take, self.config_version)

    async def _stream(self, scope: Any, receive: Any, send: Any) -> None:
        now = response_writer(scope)
        assert not now(b"too early")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        assert now(b"one")
        await send({"type": "http.response.body", "body": b"two"})
        assert not now(b"too late")

    def take(self, body: bytes, connection: HttpProtocol) -> bool:
        """Take one body."""
        self.connection = connection
        if not self.willing:
            return False
        self.taken.append(body)
        connection.owe()
        if self.at_once:
            connection.answer(HEAD, body)
        return True


class Wire:
    """A client's connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.writer.write(data)

    async def gets(self, data: bytes) -> None:
        """These are the next bytes that come."""
        assert await within(self.reader.readexactly(len(data))) == data

    async def ask(self, body: bytes, path: bytes = b"/") -> None:
        """A request, and its answer."""
        self.send(post(body, path))
        await self.gets(response(body))


@pytest.fixture
def app() -> Echo:
    """What is served."""
    return Echo()


@pytest.fixture
async def server(app: Echo) -> AsyncIterator[HttpServer]:
    """It is served."""
    settings = Settings(sidecar_port=free_port())
    stop = asyncio.Event()
    with contextlib.closing(listen(settings)) as listener:
        async with asyncio.TaskGroup() as tasks:
            made = HttpServer(app, settings)
            tasks.create_task(made.serve_until(stop, listener))
            await until(lambda: made.started)
            yield made
            stop.set()


@contextlib.asynccontextmanager
async def connected(server: HttpServer) -> AsyncIterator[Wire]:
    """A client."""
    reader, writer = await asyncio.open_connection(*server.servers[0].sockets[0].getsockname())
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@pytest.fixture
async def wire(server: HttpServer) -> AsyncIterator[Wire]:
    """A client that has been served once."""
    async with connected(server) as made:
        await made.ask(b"first")
        yield made


async def test_what_comes_again_is_taken(app: Echo, wire: Wire) -> None:
    """The first request is served, those that look like it are taken; the client gets the same from both."""
    for body in (b"", b"second", b"x" * 5000):
        await wire.ask(body)
    assert (app.served, app.taken) == ([b"first"], [b"", b"second", b"x" * 5000])


async def test_each_connection_learns_for_itself(app: Echo, server: HttpServer, wire: Wire) -> None:
    """What one client was allowed says nothing of another."""
    async with connected(server) as other:
        await other.ask(b"other")
    await wire.ask(b"taken")
    assert (app.served, app.taken) == ([b"first", b"other"], [b"taken"])


async def test_other_heads_are_served(app: Echo, wire: Wire) -> None:
    """And learned, each by itself; what is not plain each time anew."""
    for _ in range(2):
        await wire.ask(b"elsewhere", b"/elsewhere")
        wire.send(post(b"odd", more=b"TE: trailers\r\n"))
        await wire.gets(response(b"odd"))
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        wire.send(head + b"4\r\nwiki\r\n0\r\n\r\n")
        await wire.gets(response(b"wiki"))
    await wire.ask(b"here")
    assert app.taken == [b"elsewhere", b"here"]


async def test_lanes_are_few(app: Echo, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client with many heads has some of them forgotten."""
    monkeypatch.setattr(http_protocol, "MAX_KNOWN_HEADS", 3)
    await wire.ask(b"again")
    assert app.connection is not None
    for number in range(10):
        await wire.ask(b"x", b"/%d" % number)
        assert len(app.connection.known_heads) <= 3


async def test_clients_of_a_proxy(app: Echo, wire: Wire) -> None:
    """One connection carries the requests of many to the same place: each is known by its head."""
    for _ in range(2):
        for name in (b"one", b"two", b"three"):
            wire.send(post(name, more=b"Mcp-Session-Id: %b\r\n" % name))
            await wire.gets(response(name))
    assert (app.served, app.taken) == ([b"first", b"one", b"two", b"three"], [b"one", b"two", b"three"])


async def test_terms_that_changed(app: Echo, wire: Wire) -> None:
    """What is learned again under other config_version takes the place of what was learned before."""
    await wire.ask(b"again")
    assert app.connection is not None
    app.willing = False
    app.config_version = 2
    await wire.ask(b"served")
    [[found]] = app.connection.known_heads.values()
    assert (found.config_version, app.served) == (2, [b"first", b"served"])


@pytest.mark.parametrize("cut", [1, 30, len(post(b"")) + 1, len(post(b"")) + 3])
async def test_in_pieces(app: Echo, wire: Wire, cut: int) -> None:
    """A head in two pieces is served; a body that comes later is waited for, and taken."""
    await wire.ask(b"ready")
    whole = post(b"body")
    wire.send(whole[:cut])
    await settle()
    wire.send(whole[cut:])
    await wire.gets(response(b"body"))
    assert (b"body" in app.taken) == (cut >= len(post(b"")))
    await wire.ask(b"after")
    assert app.taken[-1] == b"after"


async def pieces(wire: Wire, *data: bytes) -> None:
    """Send these so that each arrives by itself."""
    for piece in data:
        wire.send(piece)
        await wire.writer.drain()
        await settle()


async def test_a_body_that_is_waited_for_may_not_be_taken(app: Echo, wire: Wire) -> None:
    """Then it is served, from the first byte."""
    app.willing = False
    await pieces(wire, post(b"body")[:-4], b"bo", b"dy")
    await wire.gets(response(b"body"))
    assert (app.served, app.taken) == ([b"first", b"body"], [])


async def test_long_bodies_are_served(app: Echo, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not come at once, and is long, is not kept."""
    monkeypatch.setattr(http_protocol, "MAX_KEPT_BODY", 10)
    await pieces(wire, post(b"x" * 11)[:-11], b"x" * 11)
    await wire.gets(response(b"x" * 11))
    assert (app.served[-1], app.taken) == (b"x" * 11, [])


async def test_several_at_once_are_served(app: Echo, wire: Wire) -> None:
    """Requests in one piece go uvicorn's way, in order, and none of them lends its head to another."""
    wire.send(post(b"one") + post(b"two", b"/other") + post(b"three"))
    await wire.gets(response(b"one") + response(b"two") + response(b"three"))
    assert (app.served, app.taken) == ([b"first", b"one", b"two", b"three"], [])


async def test_while_one_is_served(app: Echo, wire: Wire) -> None:
    """What comes before the response is complete waits its turn."""
    app.willing = False
    wire.send(post(b"slow"))
    await until(lambda: b"slow" in app.served)
    app.willing = True
    wire.send(post(b"next"))
    await settle()
    assert app.taken == []
    app.serving.set()
    await wire.gets(response(b"slow") + response(b"next"))


async def test_while_one_is_owed(app: Echo, wire: Wire) -> None:
    """What comes before the answer to one that was taken is held, and has its turn then: taken, or served."""
    app.at_once = False
    wire.send(post(b"one"))
    await until(lambda: bool(app.taken))
    await pieces(wire, post(b"two"), b"GET / HT")
    assert app.taken == [b"one"]
    assert app.connection is not None
    app.at_once = True
    app.connection.answer(HEAD, b"one")
    await wire.gets(response(b"one"))
    wire.send(b"TP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\r\n")
    await wire.gets(response(b"two"))
    await wire.gets(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")


async def test_taken_over(app: Echo, wire: Wire) -> None:
    """uvicorn can send the response to what was taken; what came meanwhile follows."""
    app.at_once = False
    wire.send(post(b"one"))
    await until(lambda: bool(app.taken))
    assert app.connection is not None
    send = app.connection.take_over_response()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await pieces(wire, post(b"two"))
    app.at_once = True
    await send({"type": "http.response.body", "body": b"a", "more_body": True})
    await send({"type": "http.response.body", "body": b"b"})
    await wire.gets(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n")
    await wire.gets(response(b"two"))
    assert app.taken == [b"one", b"two"]


@pytest.mark.parametrize("how", [lambda to: to.answer(HEAD, b"x"), lambda to: to.take_over_response()])
async def test_the_client_has_left(
    app: Echo, server: HttpServer, wire: Wire, how: Callable[[HttpProtocol], Any]
) -> None:
    """Its answer goes nowhere."""
    app.at_once = False
    wire.send(post(b"one"))
    await until(lambda: bool(app.taken))
    wire.writer.close()
    await until(lambda: not server.server_state.connections)
    assert app.connection is not None
    if callable(send := how(app.connection)):
        await send({"type": "http.response.start", "status": 200, "headers": []})
    assert app.connection.transport.is_closing()


async def test_a_fault_of_the_taker(app: Echo, wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    """Is logged, and the request served."""
    await wire.ask(b"again")
    assert app.connection is not None
    [[found]] = app.connection.known_heads.values()
    found.try_direct = lambda *_: 1 // 0  # type: ignore[assignment]
    await wire.ask(b"served")
    assert app.served[-1] == b"served"
    assert "failed on the direct way" in caplog.text


async def test_keep_alive(app: Echo, server: HttpServer, wire: Wire) -> None:
    """A connection that is in use by the direct way is not idle; one that is not ends."""
    app.at_once = False
    wire.send(post(b"one"))
    await until(lambda: bool(app.taken))
    connection = app.connection
    assert connection is not None
    connection.timeout_keep_alive = 0.01
    for _ in range(2):  # in use, and then owing
        connection.timeout_keep_alive_handler()
        assert not connection.transport.is_closing()
    connection.answer(HEAD, b"one")
    await wire.gets(response(b"one"))
    await until(lambda: not server.server_state.connections)
    assert await within(wire.reader.read()) == b""


async def test_the_server_ends(app: Echo, wire: Wire) -> None:
    """What is owed is answered before the connection ends; one that owes nothing ends at once."""
    app.at_once = False
    wire.send(post(b"one"))
    await until(lambda: bool(app.taken))
    assert app.connection is not None
    app.connection.shutdown()
    assert not app.connection.transport.is_closing()
    app.connection.answer(HEAD, b"one")
    assert await within(wire.reader.read()) == response(b"one")


async def test_the_front_is_told_of_the_end(app: Echo, wire: Wire) -> None:
    """A request that it sends while its idle connection is closed has an answer that says that it was not carried
    out."""
    wire.send(post(b"one", more=b"X-Hub-Front: 1\r\n"))
    await wire.gets(response(b"one"))
    wire.send(post(b"two", more=b"X-Hub-Front: 1\r\n"))
    await wire.gets(response(b"two"))
    assert app.connection is not None
    app.connection.leave(None)
    wire.send(post(b"three", more=b"X-Hub-Front: 1\r\n"))
    answer = await within(wire.reader.read())
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"HUB_STOPPING" in answer
    assert b"three" not in app.served + app.taken


async def test_idle_at_the_end(app: Echo, wire: Wire) -> None:
    """The same without a debt."""
    await wire.ask(b"again")
    assert app.connection is not None
    app.connection.shutdown()
    assert await within(wire.reader.read()) == b""


async def test_a_client_that_does_not_read(app: Echo, wire: Wire) -> None:
    """Its requests go uvicorn's way, which waits for it; its streams are not written to."""
    await wire.ask(b"again")
    assert app.connection is not None
    now = app.connection.response_writer()
    app.connection.pause_writing()
    assert not now(b"x")
    wire.send(post(b"paused"))
    await until(lambda: b"paused" in app.served)
    app.connection.resume_writing()
    await wire.gets(response(b"paused"))


def test_other_servers_are_not_taught() -> None:
    """A request that another server brings has no head to learn."""
    learn({}, lambda *_: True, 1)
    assert not response_writer({})(b"x")
