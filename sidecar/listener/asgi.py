"""Helpers for HTTP over ASGI: reading bodies and headers, and sending responses, without a framework's overhead."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from sidecar.errors import MessageInvalid, SidecarError
from sidecar.http_errors import BodyNotJson, BodyTooLarge, BodyTypeRefused
from sidecar.protocol import codec, jsonrpc

_JSON = re.compile(rb"application/(?:[\w.+-]+\+)?json[ \t]*(?:;|$)", re.ASCII | re.IGNORECASE)

HEADERS_KEY = "yamcp.headers"
"""The key of a scope under which the first value of each header is cached."""


@lru_cache(maxsize=64)
def is_json(content_type: bytes) -> bool:
    """Whether a Content-Type header is that of JSON (RFC 8259, 11; RFC 6839, 3.1). An empty one is not."""
    return _JSON.match(content_type) is not None


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The body of a JSON request of at most `limit` bytes.

    Raises:
        BodyTooLarge: the body is longer.
        BodyTypeRefused: the content type is not JSON, or missing. This also stops pages of other sites: browsers send
            such a type across origins only after a preflight request (WHATWG Fetch, CORS-safelisted request-header).
        MessageInvalid: the client disconnected before the body was complete.
    """
    if not is_json(content_type := header(scope, b"content-type")):
        given = f"is {content_type.decode('latin-1')[:80]!r}" if content_type else "is missing"
        raise BodyTypeRefused(f"The Content-Type header {given}; it has to be application/json.")
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise MessageInvalid("The client left before its body was complete.")
        chunk: bytes = message.get("body", b"")
        body += chunk
        if len(body) > limit:
            raise BodyTooLarge(f"The body is larger than {limit} bytes.")
        if not message.get("more_body"):
            return body


def parse(body: bytes) -> Any:
    """The JSON in a body. Raises BodyNotJson."""
    try:
        return codec.loads(body)
    except (ValueError, RecursionError):
        raise BodyNotJson("The body is not JSON.") from None


async def never() -> Message:
    """An ASGI `receive` for code that must not receive anything."""
    raise RuntimeError("nothing more is received")


async def disconnected(receive: Receive) -> None:
    """Wait until the client has disconnected; a body that it still sends is discarded."""
    while (await receive())["type"] != "http.disconnect":
        pass


def header(scope: Scope, name: bytes) -> bytes:
    """The value of the first header with this lower-case name; empty if there is none."""
    fields: dict[bytes, bytes] | None = scope.get(HEADERS_KEY)
    if fields is None:
        fields = scope[HEADERS_KEY] = dict(reversed(scope["headers"]))
    return fields.get(name, b"")


async def respond(
    send: Send, status: int, body: bytes, content_type: bytes, headers: tuple[tuple[bytes, bytes], ...] = ()
) -> None:
    """Send a complete response."""
    lines = [(b"content-type", content_type), (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})


async def respond_in_pieces(
    send: Send, status: int, pieces: Iterable[bytes], content_type: bytes, headers: tuple[tuple[bytes, bytes], ...] = ()
) -> None:
    """Send a complete response whose body is generated while it is sent."""
    lines = [(b"content-type", content_type), *headers]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        await asyncio.sleep(0)  # let other tasks run between two pieces
    await send({"type": "http.response.body", "body": b""})


async def respond_error(
    send: Send, status: int, error: SidecarError, headers: tuple[tuple[bytes, bytes], ...] = ()
) -> None:
    """Send an error as a JSON-RPC response without an id, as Streamable HTTP has it, with the HTTP status."""
    if error.retry_after:
        headers = (*headers, (b"retry-after", str(error.retry_after).encode()))
    await respond(send, status, codec.dumps(jsonrpc.error(None, error.rpc())), b"application/json", headers)
