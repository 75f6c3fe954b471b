"""What is written to one event stream (WHATWG HTML, Server-sent events), in order, without anybody waiting for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, groupby
from typing import NamedTuple, cast

from starlette.types import Send

from sidecar.listener.http_protocol import connection_of
from sidecar.protocol import codec
from sidecar.protocol.channel import Frame
from sidecar.protocol.large_values import size_of

log = logging.getLogger(__name__)

PING = b": ping\r\n\r\n"
MAX_WAITING_BYTES = 64 * 1024 * 1024
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
    return b"event: message\r\ndata: %b\r\n\r\n" % (data if data.isascii() else codec.escaped(data))


class _LargeEvent(NamedTuple):
    """An event that is written piece by piece; `size` is roughly that of all."""

    pieces: Iterator[bytes]
    size: int


class EventStream:
    """One stream, as the response to a request. It has a task only while there is something to write.

    Whoever opens it ends it: with `close`, or with `abort` when the client is gone or does not read. `overflow` is
    called, once, when more than `MAX_WAITING_BYTES` waits. `try_write` writes if nothing has to be waited for, and returns False
    if it has.
    """

    __slots__ = ("_connection", "_ended", "_headers", "_overflow", "_queued", "_send", "_try_write", "_writer", "size")

    def __init__(
        self,
        send: Send,
        overflow: Callable[[], None],
        headers: Iterable[Header] = (),
        try_write: Callable[[bytes], bool] = lambda _: False,
    ) -> None:
        self.size = 0
        """Bytes that wait."""
        self._send = send
        self._connection = connection_of(send)
        self._try_write = try_write
        self._overflow = overflow
        self._headers: list[Header] | None = [*HEADERS, *headers]
        self._queued: list[bytes | _LargeEvent] = []
        self._writer: asyncio.Task[None] | None = None
        self._ended = False

    def open(self) -> None:
        """Begin the response, before there is anything to write."""
        self._write_soon()

    def put(self, frame: Frame | list[Frame]) -> None:
        """Queue a frame, or the responses to a batch, as an event."""
        try:
            data = codec.dumps_small(frame)
        except codec.HasLargeValues:
            begin, end = event(b"\0").split(b"\0")
            self._queue(_LargeEvent(chain((begin,), codec.pieces(frame), (end,)), size_of(frame)))
        else:
            self.put_raw(event(data))

    def put_raw(self, data: bytes) -> None:
        """Queue bytes of the stream."""
        if self._ended or (self._writer is None and self._headers is None and self._try_write(data)):
            return
        self._queue(data)

    def _queue(self, data: bytes | _LargeEvent) -> None:
        if self._ended:
            return
        size = len(data) if isinstance(data, bytes) else data.size
        self._queued.append(data)
        self.size += size
        self._note_queued(size)
        if self.size > MAX_WAITING_BYTES:
            log.warning("a client does not read; its stream ends")
            self.abort()
            self._overflow()
        else:
            self._write_soon()

    def _note_queued(self, change: int) -> None:
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
            while self._queued:
                waiting, size, self._queued, self.size = self._queued, self.size, [], 0
                try:
                    for large, together in groupby(waiting, lambda each: isinstance(each, _LargeEvent)):
                        if large:
                            await self._write_large(cast("Iterator[_LargeEvent]", together))
                        else:
                            await self._write_bytes(b"".join(cast("Iterator[bytes]", together)))
                finally:
                    self._note_queued(-size)
        except (OSError, RuntimeError) as error:  # it was ended from elsewhere: its key was revoked, say
            self._discard()
            log.debug("a stream ended before all was written", extra={"reason": type(error).__name__})
        finally:
            self._writer = None

    async def _write_large(self, events: Iterator[_LargeEvent]) -> None:
        """Write them piece by piece, as the client reads."""
        for event in events:
            for piece in event.pieces:
                await self._write_bytes(piece)
                await asyncio.sleep(0)  # others are served meanwhile

    async def _write_bytes(self, data: bytes) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

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
        self._discard()
        if self._writer is not None:
            self._writer.cancel()

    def _discard(self) -> None:
        self._ended = True
        self._queued.clear()
        self._note_queued(-self.size)
        self.size = 0
