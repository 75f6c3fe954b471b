"""A connection at the public port: its requests one by one, whatever way its bytes are cut, and what is given back."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvloop

from bridge.settings import Settings
from sidecar.listener.http_protocol import HttpProtocol
from sidecar.listener.known_heads import learn
from sidecar.listener.plain_head import PlainHead
from sidecar.listener.public_protocol import PublicProtocol
from sidecar.listener.server import HttpServer
from tests.support.fake_server import until, within

pytestmark = pytest.mark.outside


def post(body: bytes, path: bytes = b"/mcp/w", more: bytes = b"") -> bytes:
    """A request for an endpoint."""
    return b"POST %b HTTP/1.1\r\nHost: hub\r\n%bContent-Length: %d\r\n\r\n%b" % (path, more, len(body), body)


GET = b"GET /mcp/w/sse HTTP/1.1\r\nHost: hub\r\n\r\n"
PAGE = b"GET /hub/ HTTP/1.1\r\nHost: hub\r\n\r\n"
CHUNKED = b"POST /mcp/w HTTP/1.1\r\nHost: hub\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
FOREIGN = [PAGE, CHUNKED, b"\r\n\r\n", b"GET /mcp/w HTTP/1.1\r\nHost: refused\r\n\r\n", b"POST /mcp/\xff"]


class Place:
    """The public port and the application in one; what comes there is kept."""

    def __init__(self) -> None:
        self.served: list[bytes] = []
        self.scopes: list[Any] = []
        self.taken = 0
        self.back: list[tuple[socket.socket, bytes]] = []
        self.open = 0
        self.slow = False
        self.too_many = False
        self.counted: list[str] = []
        self.server = HttpServer(self, Settings())
        self.server.config.load()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer with the body, or the path where there is none."""
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        if self.slow:
            await asyncio.sleep(0)
        self.scopes.append(scope)
        self.served.append(body or scope["path"].encode())
        headers = [(b"content-length", b"%d" % len(self.served[-1]))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self.served[-1]})
        learn(scope, self.take, 0)

    def take(self, body: bytes, connection: HttpProtocol) -> bool:
        """The short way: at once or later."""
        if body.startswith(b"no"):
            return False
        self.taken += 1
        self.served.append(body)
        head = b"HTTP/1.1 200 OK\r\n"
        if body.startswith(b"write"):
            connection.write(head + b"content-length: %d\r\n\r\n%b" % (len(body), body))
            return True
        connection.owe()
        asyncio.get_running_loop().call_soon(connection.answer, head, body)
        return True

    def serves(self, head: PlainHead) -> bool:
        """All but one host."""
        return head.host != "refused"

    def address(self, peer: str, forwarded: str) -> str:
        """As a trusted proxy says."""
        return forwarded or peer

    def opened(self, connection: PublicProtocol, peer: str) -> None:
        """One more."""
        self.open += 1

    def closed(self, connection: PublicProtocol, peer: str) -> None:
        """One less."""
        self.open -= 1

    def began(self, address: str) -> bool:
        """Counted."""
        self.counted.append(address)
        return not self.too_many

    def ended(self, address: str) -> None:
        """No more."""
        self.counted.remove(address)

    def give_back(self, descriptor: int, data: bytes) -> None:
        """Kept."""
        self.back.append((socket.socket(fileno=descriptor), data))


@contextlib.asynccontextmanager
async def connected(place: Place) -> AsyncIterator[socket.socket]:
    """A client's end of a connection that was handed over."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        sock, _ = listener.accept()
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for each in (client, sock):
        each.setblocking(False)

    def made() -> PublicProtocol:
        return PublicProtocol(place, config=place.server.config, server_state=place.server.server_state, app_state={})

    await asyncio.get_running_loop().connect_accepted_socket(made, sock)
    try:
        yield client
    finally:
        client.close()
        for back, _ in place.back:
            back.close()


async def read(client: socket.socket, count: int) -> list[bytes]:
    """The bodies of so many responses."""
    loop, data, found = asyncio.get_running_loop(), b"", []
    while len(found) < count:
        head, end, rest = data.partition(b"\r\n\r\n")
        size = int(head.lower().split(b"content-length: ")[1].split(b"\r")[0]) if end else 0
        if end and len(rest) >= size:
            found.append(rest[:size])
            data = rest[size:]
            continue
        piece = await within(loop.sock_recv(client, 65536))
        assert piece, (found, data)
        data += piece
    assert data == b""
    return found


async def one_stream(seed: int) -> None:
    """Requests for endpoints, then one that is not, and more behind it; all bytes cut at random places."""
    choose = random.Random(seed)
    place = Place()
    place.slow = choose.random() < 0.5
    bodies = [
        choose.choice([b"", b"{}", b"write", b"no", b"later" * 10, b"write" * 5000, b"x" * choose.randrange(1, 90_000)])
        for _ in range(choose.randrange(1, 6))
    ]
    own = [post(body, choose.choice([b"/mcp/w", b"/mcp/other"])) if body else GET for body in bodies]
    wanted = [body or b"/mcp/w/sse" for body in bodies]
    foreign = choose.choice(FOREIGN) + post(b"behind") + PAGE
    stream = b"".join(own) + foreign
    cuts = sorted(choose.sample(range(1, len(stream)), min(len(stream) - 1, choose.randrange(0, 12))))
    async with connected(place) as client:
        loop = asyncio.get_running_loop()
        reading = loop.create_task(read(client, len(own)))
        for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            await within(loop.sock_sendall(client, stream[begin:end]))
            for _ in range(choose.randrange(4)):
                await asyncio.sleep(0)
        assert await within(reading) == wanted
        assert place.served == wanted
        await until(lambda: bool(place.back))
        ((sock, data),) = place.back
        left = data
        while len(left) < len(foreign):
            left += await within(loop.sock_recv(sock, 65536))
        assert left == foreign
        assert data, "the front is told with some of it"
        assert place.open == 0
        await within(loop.sock_sendall(sock, b"from the front"))
        assert await within(loop.sock_recv(client, 100)) == b"from the front"


@pytest.mark.parametrize("start", range(0, 80, 20))
def test_each_request_is_answered_in_its_turn_however_the_bytes_are_cut(start: int) -> None:
    """From the first byte of the first that is not for the sidecar all is left to the front, and nothing before it."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for seed in range(start, start + 20):
            runner.run(one_stream(seed))


async def test_what_only_a_proxy_may_say_does_not_reach_the_endpoints() -> None:
    """The client's address is in the scope; a limit of requests by address is told as one."""
    place = Place()
    more = b"X-Forwarded-For: 192.0.2.7\r\nCookie: a=b\r\nX-Real-Ip: 6.6.6.6\r\nMcp-Session-Id: s\r\n"
    async with connected(place) as client:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(client, post(b"{}", more=more))
        assert await read(client, 1) == [b"{}"]
        scope = place.scopes[0]
        assert [name for name, _ in scope["headers"]] == [b"host", b"mcp-session-id", b"content-length"]
        assert scope["client"][0] == "192.0.2.7"
        await until(lambda: place.counted == [])
        place.too_many = True
        await loop.sock_sendall(client, post(b"no", more=more))
        assert b"CONNECTIONS_LIMIT" in (await read(client, 1))[0]
        await until(lambda: place.counted == [])


async def test_a_head_that_does_not_come_whole_is_owed() -> None:
    """As a body that does not; between requests nothing is; what has begun like a page's is given back at once."""
    place = Place()
    async with connected(place) as client:
        loop = asyncio.get_running_loop()
        (connection,) = place.server.server_state.connections
        assert isinstance(connection, PublicProtocol)
        assert (connection.owed(), connection.unused()) == ("head", True)
        await loop.sock_sendall(client, post(b"{}") + b"POST /mc")
        assert await read(client, 1) == [b"{}"]
        assert (connection.owed(), connection.idle()) == ("head", False)
        await loop.sock_sendall(client, b"p/w HTTP/1.1\r\nHost: hub\r\nContent-Length: 5\r\n\r\nno")
        await until(lambda: connection.owed() == "body")
        await loop.sock_sendall(client, b"ooo")
        assert await read(client, 1) == [b"noooo"]
        assert (connection.owed(), connection.idle()) == (None, True)
        await loop.sock_sendall(client, b"GET /h")
        await until(lambda: [data for _, data in place.back] == [b"GET /h"])
