"""Responses as bytes, for connections on which no ASGI application answers."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus

from sidecar.errors import SidecarError
from sidecar.protocol import codec, jsonrpc


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
