"""A response that is a stream of server-sent events (WHATWG HTML, 9.2), with a bounded queue in front of it."""

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
"""Bytes that may be queued for a client that does not read; if it is exceeded, the stream ends."""

HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
)

Header = tuple[bytes, bytes]


def event(data: bytes) -> bytes:
    """Encode compact JSON as an event.

    Lines of an event stream end in CR or LF only (WHATWG HTML, 9.2.6), but some clients (older versions of httpx-sse)
    also split them at Unicode line separators, so these are escaped in the JSON.
    """
    return b"event: message\r\ndata: %b\r\n\r\n" % (data if data.isascii() else codec.escaped(data))


class _LargeEvent(NamedTuple):
    """An event that is written in pieces; `size` is approximately the number of bytes of all pieces."""

    pieces: Iterator[bytes]
    size: int


class EventStream:
    """One stream, as the ASGI response to a request. It has a task only while there is something to write.

    Its owner ends it with `close`, or with `abort` when the client is gone or does not read. `overflow` is called once
    if more than `MAX_WAITING_BYTES` are queued. `try_write` writes without waiting, or returns False.
    """

    __slots__ = (
        "_connection",
        "_ended",
        "_headers",
        "_overflow",
        "_queued",
        "_send",
        "_try_write",
        "_writer",
        "meter",
        "size",
    )

    def __init__(
        self,
        send: Send,
        overflow: Callable[[], None],
        headers: Iterable[Header] = (),
        try_write: Callable[[bytes], bool] = lambda _: False,
    ) -> None:
        self.size = 0
        """The number of bytes in the queue."""
        self.meter: Callable[[int], None] | None = None
        """Counts the bytes of a client whose bytes are limited (sidecar/quotas/); None for all others."""
        self._send = send
        self._connection = connection_of(send)
        self._try_write = try_write
        self._overflow = overflow
        self._headers: list[Header] | None = [*HEADERS, *headers]
        self._queued: list[bytes | _LargeEvent] = []
        self._writer: asyncio.Task[None] | None = None
        self._ended = False

    def open(self) -> None:
        """Send the head of the response, before there is an event."""
        self._write_soon()

    def put(self, frame: Frame | list[Frame]) -> None:
        """Queue a frame, or the responses to a batch, as an event."""
        try:
            data = codec.dumps_small(frame)
        except codec.HasLargeValues:
            begin, end = event(b"\0").split(b"\0")
            large = _LargeEvent(chain((begin,), codec.pieces(frame), (end,)), size_of(frame))
            if self.meter is not None:
                self.meter(large.size)
            self._queue(large)
        else:
            self.put_raw(event(data))

    def put_raw(self, data: bytes) -> None:
        """Queue bytes of the stream."""
        if self.meter is not None:
            self.meter(len(data))
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
        """Tell the client's connection how much is queued (the listener limits the memory of slow clients, ADR 25)."""
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
        except (OSError, RuntimeError) as error:  # the connection was closed elsewhere: its key was revoked, say
            self._discard()
            log.debug("a stream ended before all was written", extra={"reason": type(error).__name__})
        finally:
            self._writer = None

    async def _write_large(self, events: Iterator[_LargeEvent]) -> None:
        """Write large events in pieces, at the speed at which the client reads."""
        for event in events:
            for piece in event.pieces:
                await self._write_bytes(piece)
                await asyncio.sleep(0)  # let other tasks run between two pieces

    async def _write_bytes(self, data: bytes) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def close(self) -> None:
        """Write what is queued, then end the response."""
        if self._ended:
            return
        self._ended = True
        if self._headers is not None:
            self._write_soon()
        while self._writer is not None:
            await asyncio.wait([self._writer])
        await self._send({"type": "http.response.body", "body": b""})

    def abort(self) -> None:
        """Discard what is queued, and write nothing more."""
        self._discard()
        if self._writer is not None:
            self._writer.cancel()

    def _discard(self) -> None:
        self._ended = True
        self._queued.clear()
        self._note_queued(-self.size)
        self.size = 0
