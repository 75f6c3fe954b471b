"""Responses as bytes, for connections on which no ASGI application answers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from functools import cache
from http import HTTPStatus
from typing import Any

from sidecar.errors import SidecarError
from sidecar.listener.known_heads import CONNECTION_KEY
from sidecar.protocol import codec, jsonrpc

LINGER_SECONDS = 5.0
"""Seconds for which the rest of a body is discarded before its connection is closed."""
LINGER_BYTES = 16 * 1024 * 1024
"""Limit for the bytes of a body that are discarded after its request was answered."""
READ_BYTES = 64 * 1024
FAREWELL_SECONDS = 1.0
"""Seconds that a replica has to read `Farewell` and to close."""

TryWrite = Callable[[bytes], bool]
"""Writes a piece of a response without waiting; returns False, and writes nothing, if that is not possible."""


@cache
def status_line(status: int) -> bytes:
    """The status line of a response (RFC 9112, 4)."""
    return b"HTTP/1.1 %d %b\r\n" % (status, HTTPStatus(status).phrase.encode())


def refusal(error: SidecarError) -> bytes:
    """The bytes of an error response after which the connection is closed."""
    body = codec.dumps(jsonrpc.error(None, error.rpc()))
    retry = b"retry-after: %d\r\n" % error.retry_after if error.retry_after else b""
    head = b"%bcontent-type: application/json\r\n%bcontent-length: %d\r\nconnection: close\r\n\r\n"
    return head % (status_line(error.status), retry, len(body)) + body


def with_status(head: bytes, status: int) -> bytes:
    """Replace the status of a response head, which is 200."""
    return status_line(status) + head.removeprefix(status_line(200))


class Lingering(asyncio.Protocol):
    """Ends a connection whose last response is written, and discards what the other side still sends.

    The connection is not closed before the other side has closed, since bytes that nobody has read would destroy the
    response on its way (RFC 9112, 9.6). It is aborted after `seconds`, and after `LINGER_BYTES`.
    """

    def __init__(
        self, connection: asyncio.Protocol, transport: asyncio.Transport, seconds: float = LINGER_SECONDS
    ) -> None:
        """`connection` is the protocol until now; it is told when the connection is lost."""
        self._connection, self._transport = connection, transport
        self._left = LINGER_BYTES
        transport.write_eof()
        transport.set_protocol(self)
        transport.resume_reading()
        self._timer = asyncio.get_running_loop().call_later(seconds, transport.abort)

    def data_received(self, data: bytes) -> None:
        """Discard a piece of the body."""
        self._left -= len(data)
        if self._left < 0:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side has closed, or had no more time."""
        self._timer.cancel()
        self._connection.connection_lost(exc)


async def refuse(client: socket.socket, error: SidecarError) -> None:
    """Answer with an error at a socket that has no transport, and discard what the client still sends, within the
    limits of `Lingering`. The caller closes the socket. Raises OSError, TimeoutError."""
    client.send(refusal(error))
    client.shutdown(socket.SHUT_WR)
    left = LINGER_BYTES
    async with asyncio.timeout(LINGER_SECONDS):
        while left > 0 and (piece := await asyncio.get_running_loop().sock_recv(client, READ_BYTES)):
            left -= len(piece)


class Farewell(Lingering):
    """Ends a connection between two requests with an error response, and reads nothing of a request that comes all the
    same: who sent it gets this response, and knows that it was not carried out."""

    def __init__(self, connection: asyncio.Protocol, error: SidecarError, transport: asyncio.Transport) -> None:
        transport.write(refusal(error))
        super().__init__(connection, transport, FAREWELL_SECONDS)


class ResponseTransport:
    """What a request's response is written to: the transport of its connection, closed by `close`."""

    __slots__ = ("close", "get_protocol", "is_closing", "write")

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self.write, self.is_closing, self.get_protocol = transport.write, transport.is_closing, transport.get_protocol
        self.close = close


def response_writer(scope: Mapping[str, Any]) -> TryWrite:
    """A function that writes pieces of the response to this request, after its head has been sent."""
    connection = scope.get("state", {}).get(CONNECTION_KEY)
    return connection.response_writer() if connection is not None else lambda _: False
