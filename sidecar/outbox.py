"""What is written to one event stream (WHATWG HTML, Server-sent events), in order, without anybody waiting for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from starlette.types import Send

from sidecar import codec
from sidecar.channel import Frame
from sidecar.http_protocol import connection_of

log = logging.getLogger(__name__)

_BREAKS = ((b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"), (b"\xc2\x85", b"\\u0085"))
"""Line ends of Unicode that JSON lets stand as they are (RFC 8259, 7), and their escapes, which mean the same."""

PING = b": ping\r\n\r\n"
OUTBOX_LIMIT = 64 * 1024 * 1024
"""Bytes that may wait for a client that does not read; beyond it the stream ends."""

HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
)

Header = tuple[bytes, bytes]


def event(data: bytes) -> bytes:
    """The event that carries compact JSON.

    Event streams have lines that end in CR or LF only (WHATWG HTML, 9.2.6), but some clients (older versions of
    httpx-sse) end them wherever Unicode does. So what else ends a line is escaped; JSON itself escapes the ASCII ones.
    """
    if not data.isascii():
        for raw, escape in _BREAKS:
            data = data.replace(raw, escape)
    return b"event: message\r\ndata: " + data + b"\r\n\r\n"


class Outbox:
    """One stream, as the response to a request. It has a task only while there is something to write.

    Whoever opens it ends it: with `close`, or with `abort` when the client is gone or does not read. `overflow` is
    called, once, when more than `OUTBOX_LIMIT` waits. `now` writes if nothing has to be waited for, and returns False
    if it has.
    """

    __slots__ = ("_connection", "_ended", "_headers", "_now", "_overflow", "_send", "_waiting", "_writer", "size")

    def __init__(
        self,
        send: Send,
        overflow: Callable[[], None],
        headers: Iterable[Header] = (),
        now: Callable[[bytes], bool] = lambda _: False,
    ) -> None:
        self.size = 0
        """Bytes that wait."""
        self._send = send
        self._connection = connection_of(send)
        self._now = now
        self._overflow = overflow
        self._headers: list[Header] | None = [*HEADERS, *headers]
        self._waiting: list[bytes] = []
        self._writer: asyncio.Task[None] | None = None
        self._ended = False

    def open(self) -> None:
        """Begin the response, before there is anything to write."""
        self._write_soon()

    def put(self, frame: Frame | list[Frame]) -> None:
        """Queue a frame, or the responses to a batch, as an event."""
        self.put_raw(event(codec.dumps(frame)))

    def put_raw(self, data: bytes) -> None:
        """Queue bytes of the stream."""
        if self._ended or (self._writer is None and self._headers is None and self._now(data)):
            return
        self._waiting.append(data)
        self.size += len(data)
        self._count(len(data))
        if self.size > OUTBOX_LIMIT:
            log.warning("a client does not read; its stream ends")
            self.abort()
            self._overflow()
        else:
            self._write_soon()

    def _count(self, change: int) -> None:
        """Let the client's connection know what waits, as it may not hold much for one that does not read."""
        if self._connection is not None:
            self._connection.queued += change

    def _write_soon(self) -> None:
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())

    async def _write(self) -> None:
        try:
            if self._headers is not None:
                headers, self._headers = self._headers, None
                await self._send({"type": "http.response.start", "status": 200, "headers": headers})
            while self._waiting:
                data, self._waiting, self.size = b"".join(self._waiting), [], 0
                try:
                    await self._send({"type": "http.response.body", "body": data, "more_body": True})
                finally:
                    self._count(-len(data))
        except (OSError, RuntimeError) as error:  # it was ended from elsewhere: its key was revoked, say
            self._forget()
            log.debug("a stream ended before all was written", extra={"reason": type(error).__name__})
        finally:
            self._writer = None

    async def close(self) -> None:
        """Write what waits, and end the stream."""
        if self._ended:
            return
        self._ended = True
        if self._headers is not None:
            self._write_soon()
        while self._writer is not None:
            await asyncio.wait([self._writer])
        await self._send({"type": "http.response.body", "body": b""})

    def abort(self) -> None:
        """Write no more."""
        self._forget()
        if self._writer is not None:
            self._writer.cancel()

    def _forget(self) -> None:
        self._ended = True
        self._waiting.clear()
        self._count(-self.size)
        self.size = 0
