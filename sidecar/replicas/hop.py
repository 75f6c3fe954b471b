"""The way of a request to another replica, and of its response back to the client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import NamedTuple

from starlette.types import Receive, Send

from sidecar.concurrency.cancel_scope import CancelScope
from sidecar.listener.asgi import disconnected
from sidecar.protocol import codec
from sidecar.protocol.jsonrpc import as_dict
from sidecar.replicas.connection import Away, Broken, Connection, Connections, Headers, Refused, taken

WRITE_SECONDS = 30.0
READ_SECONDS = 60.0
"""Seconds without a byte after which a replica is lost, beside four pings of its streams."""
ASK_SECONDS = 10.0
"""Seconds for each piece of an answer that a replica owes at once."""
MAX_REFUSAL = 64 * 1024
"""Bytes of a response that is read to see whether the replica has refused to serve."""
NOT_SERVED = frozenset({"HUB_STOPPING", "HUB_STARTING", "HUB_DRAINING", "SIDECAR_AWAY", "FRONT_AWAY"})
"""The codes of responses (503) to requests that a hub has not begun to carry out."""
HOP_BY_HOP = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
)
"""The headers that are for one connection (RFC 9110, 7.6.1)."""
UNAVAILABLE = 503
WATCH_DELAY = 0.05
"""Seconds after which the client's disconnect is watched for, by a task; most requests are answered earlier."""


class Request(NamedTuple):
    """A request to another replica."""

    method: str
    target: bytes
    """The path and query."""
    headers: Headers
    """Without those of HOP_BY_HOP and Content-Length."""
    body: bytes

    def encoded(self) -> bytes:
        """The bytes of the request."""
        lines = [b"%b %b HTTP/1.1" % (self.method.encode(), self.target)]
        lines += [b"%b: %b" % header for header in self.headers]
        if self.method == "POST":
            lines.append(b"content-length: %d" % len(self.body))
        return b"\r\n".join([*lines, b"", self.body])


class Lost(Exception):  # becomes ReplicaLost
    """The connection broke after the replica may have got the request. `begun`: a part of the response was sent on."""

    def __init__(self, *, begun: bool = False, is_stream: bool = False, between: bool = False) -> None:
        super().__init__()
        self.begun = begun
        self.is_stream = is_stream
        """Whether the response is an event stream."""
        self.between = between
        """Whether the last event of the stream was sent on as a whole."""


class Hops:
    """The ways to the other replicas. `ping_interval` is that of their streams, in seconds."""

    def __init__(self, ping_interval: float) -> None:
        self._read_seconds = READ_SECONDS + 4 * ping_interval
        self._connections: dict[str, Connections] = {}
        self._streams: set[CancelScope] = set()
        """One for each GET stream; cancelled to end it."""

    def close(self) -> None:
        """Close the idle connections."""
        for connections in self._connections.values():
            connections.close()

    async def serve(self, url: str, request: Request, receive: Receive, send: Send) -> None:
        """Send a request to the replica at `url`, and its response to the client, until either leaves.

        Raises:
            Away: the replica has not got the request, or does not serve now (Refused).
            Busy: there are too many connections to it.
            Lost: the connection broke; if it had begun, the response is not complete.
        """
        scope, left = CancelScope(), asyncio.Event()
        watching: list[asyncio.Task[None]] = []
        loop = asyncio.get_running_loop()
        timer = loop.call_later(
            WATCH_DELAY, lambda: watching.append(loop.create_task(_watch(receive, left.set, scope.cancel)))
        )
        begun = (lambda: self._streams.add(scope)) if request.method == "GET" else _nothing
        ended = True
        try:
            with scope:
                await self._pass_on(url, request, send, begun)
                ended = False
        finally:
            timer.cancel()
            self._streams.discard(scope)
            for each in watching:
                each.cancel()
        if ended and not left.is_set():
            await send({"type": "http.response.body", "body": b""})

    def end_streams(self) -> None:
        """End the GET streams, in order: the clients open others elsewhere."""
        for scope in self._streams:
            scope.cancel()

    def knows(self, url: str) -> bool:
        """Whether there is a connection to the replica at `url` on which it has served a request."""
        return self._to(url).has_idle()

    async def ask(self, url: str, request: Request) -> None:
        """Send a request whose answer does not matter, to see whether the replica at `url` serves.

        Raises:
            Away: it does not (Refused), or the connection broke.
            Busy: there are too many connections to it.
        """
        async with taken(self._to(url)) as connection:
            try:
                await connection.send(request.encoded(), WRITE_SECONDS)
                await connection.head(ASK_SECONDS)
                if await self._refusal(connection) is None:
                    async with aclosing(connection.body(ASK_SECONDS)) as pieces:
                        async for _ in pieces:
                            pass
            except Broken:
                raise Away from None

    def _to(self, url: str) -> Connections:
        return self._connections.get(url) or self._connections.setdefault(url, Connections(url))

    async def _pass_on(self, url: str, request: Request, send: Send, begun: Callable[[], None]) -> None:
        """As `serve`; `begun` is called when the head of the response is sent on."""
        connections = self._to(url)
        async with taken(connections) as connection:
            try:
                await connection.send(request.encoded(), WRITE_SECONDS)
                await connection.head(self._read_seconds)
                refusal = await self._refusal(connection)
            except Broken:
                raise Lost from None
            kept = [each for each in connection.headers if each[0] not in HOP_BY_HOP]
            await send({"type": "http.response.start", "status": connection.status, "headers": kept})
            begun()
            if refusal is not None:
                await send({"type": "http.response.body", "body": refusal})
                return
            end = b"\r\n\r\n"
            try:
                async with aclosing(connection.body(self._read_seconds)) as pieces:
                    async for piece in pieces:
                        end = (end + piece)[-4:]
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
            except Broken:
                between = end == b"\r\n\r\n"
                raise Lost(begun=True, is_stream=_is_stream(connection.headers), between=between) from None
            await send({"type": "http.response.body", "body": b""})

    async def _refusal(self, connection: Connection) -> bytes | None:
        """The body of a response with status 503, which was read; None for all other responses.

        Raises:
            Refused: it says that the replica does not serve now.
            Broken: the connection broke.
        """
        if connection.status != UNAVAILABLE:
            return None
        body = b""
        async with aclosing(connection.body(self._read_seconds)) as pieces:
            async for piece in pieces:
                body += piece
                if len(body) > MAX_REFUSAL:
                    raise Broken
        if (code := _code(body)) in NOT_SERVED:
            raise Refused(leaving=code == "HUB_DRAINING")
        return body


def _nothing() -> None:
    """Do nothing."""


async def _watch(receive: Receive, *leave: Callable[[], None]) -> None:
    """Call these functions when the client has disconnected."""
    await disconnected(receive)
    for each in leave:
        each()


def _code(body: bytes) -> object:
    """The hub's code in an error response; None if there is none."""
    try:
        error = as_dict(as_dict(codec.loads(body)).get("error"))
    except (ValueError, RecursionError):
        return None
    return as_dict(error.get("data")).get("code")


def _is_stream(headers: Headers) -> bool:
    return any(name == b"content-type" and value.startswith(b"text/event-stream") for name, value in headers)
