"""Responses as bytes, for connections on which no ASGI application answers."""

from __future__ import annotations

import asyncio
from functools import cache
from http import HTTPStatus

from sidecar.errors import SidecarError
from sidecar.protocol import codec, jsonrpc

LINGER_SECONDS = 1.0
"""Seconds that the other side of a connection has to read the last response and to close."""


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


class Farewell(asyncio.Protocol):
    """Ends a connection between two requests with an error response, and reads nothing of a request that comes all the
    same: who sent it gets this response, and knows that it was not carried out.

    The connection is not closed before the other side has closed, since bytes that nobody has read would destroy the
    response on its way (RFC 9112, 9.6).
    """

    def __init__(self, connection: asyncio.Protocol, error: SidecarError, transport: asyncio.Transport) -> None:
        """`connection` is the protocol until now; it is told when the connection is lost."""
        self._connection = connection
        transport.write(refusal(error))
        transport.write_eof()
        transport.set_protocol(self)
        asyncio.get_running_loop().call_later(LINGER_SECONDS, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side has closed."""
        self._connection.connection_lost(exc)
