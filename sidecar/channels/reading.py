"""Reads the HTTP responses of remote servers, each with a limit of bytes after decompression.

Times are limited here only where no request has a deadline of its own: for answers to notifications, and for bodies of
error responses. All reading of responses in sidecar/channels goes through this module.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self, cast

import httpx2

from sidecar.channels.oversize import LARGE_EVENT, SKIP_FACTOR, EndlessEvent, cut
from sidecar.channels.web import frames_of_large, keep_alive, parse, place
from sidecar.errors import AnswerTooLarge, HandshakeFailed
from sidecar.large.process import EVENT
from sidecar.large.reader import ReadLarge, in_process
from sidecar.protocol.channel import Frame
from sidecar.protocol.large_values import LARGE_SIZE, Pieces

MAX_MESSAGE = 64 * 1024 * 1024
"""Bytes of the longest message, unless the settings say otherwise: the body of a JSON answer, or one server-sent event.
"""
MAX_ERROR = 1024 * 1024
"""Bytes read of the body of an HTTP error."""
MAX_DRAIN = 64 * 1024
"""Bytes read of a body that is ignored; if there are more, the connection is closed."""
DRAIN_TIMEOUT = 5.0
"""Seconds for reading the body of an error, or one that is ignored."""
ACCEPT_ENCODING = "gzip, deflate"
"""The supported content codings: those that can be decompressed incrementally."""
MAX_LARGE = 4
"""Large messages that are read concurrently from one origin, to bound memory; further ones wait."""
_PIECE_SIZE = 256 * 1024


class _MemoryUse:
    """The memory held by one read: beyond LARGE_SIZE bytes it acquires the semaphore, until `leave`."""

    def __init__(self, slots: asyncio.Semaphore | None) -> None:
        self._slots = slots
        self._size = 0
        self._held = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.leave()

    async def add(self, size: int) -> None:
        """Count more bytes; waits for the semaphore where it is needed."""
        self._size += size
        if self._size > LARGE_SIZE and not self._held and self._slots is not None:
            await self._slots.acquire()
            self._held = True

    def leave(self) -> None:
        """Reset the count, and release the semaphore."""
        self._size = 0
        if self._held and self._slots is not None:
            self._held = False
            self._slots.release()


@asynccontextmanager
async def body(
    response: httpx2.Response, slots: asyncio.Semaphore | None = None, longest: int | None = None
) -> AsyncIterator[Pieces]:
    """Read and decompress the body of a response. `slots`: the semaphore for large messages, held in the context.

    Raises:
        AnswerTooLarge: the body is longer than `longest` bytes (MAX_MESSAGE).
        HandshakeFailed: its content coding was not requested.
    """
    if _announced(response) > (longest or MAX_MESSAGE):
        raise too_large(response, longest)
    with _MemoryUse(slots) as room:
        read = await _read(response, longest or MAX_MESSAGE, room)
        if read is None:
            raise too_large(response, longest)
        yield Pieces(read)


async def error_body(response: httpx2.Response) -> bytes:
    """Read the body of an HTTP error; empty if it is longer than MAX_ERROR, slow or invalid.

    Such a body is not an error of its own, as it would hide the HTTP status.
    """
    with suppress(TimeoutError, httpx2.HTTPError, HandshakeFailed):
        async with asyncio.timeout(DRAIN_TIMEOUT):
            return b"".join(await _read(response, MAX_ERROR, _MemoryUse(None)) or ())
    return b""


async def drain(response: httpx2.Response) -> None:
    """Read and ignore a body, so that the connection can be reused: at most MAX_DRAIN bytes and DRAIN_TIMEOUT.

    Nothing is decompressed. If the body is longer or slower, closing the response closes the connection.
    """
    left = MAX_DRAIN
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_TIMEOUT), aclosing(_raw(response)) as parts:
            async for part in parts:
                left -= len(part)
                if left < 0:
                    return


@dataclass(frozen=True)
class LargeEvent(httpx2.ServerSentEvent):
    """An event of 1 MiB or more whose data has been parsed to frames already."""

    frames: Sequence[Frame] = ()


async def events(
    response: httpx2.Response,
    slots: asyncio.Semaphore | None = None,
    read_large: ReadLarge = in_process,
    longest: int | None = None,
) -> AsyncGenerator[httpx2.ServerSentEvent]:
    """Yield the server-sent events of the response to one request. `slots`: the semaphore for large messages.

    Large events are parsed by `read_large` and yielded as `LargeEvent`.

    Raises:
        AnswerTooLarge: an event is longer than `longest` bytes (MAX_MESSAGE).
        HandshakeFailed: the stream's content coding was not requested.
    """
    async with aclosing(_events(response, _MemoryUse(slots), read_large, longest or MAX_MESSAGE, 0)) as found:
        async for event in found:
            yield event


async def shared_events(
    response: httpx2.Response,
    slots: asyncio.Semaphore | None = None,
    read_large: ReadLarge = in_process,
    longest: int | None = None,
) -> AsyncGenerator[httpx2.ServerSentEvent]:
    """Yield the server-sent events of a stream with the answers to many requests; otherwise as `events`.

    An event longer than `longest` bytes (MAX_MESSAGE) is truncated and renamed to `oversize.TOO_LARGE`.

    Raises:
        AnswerTooLarge: an event is longer than 4 times that.
        HandshakeFailed: the stream's content coding was not requested.
    """
    room, most = _MemoryUse(slots), longest or MAX_MESSAGE
    async with aclosing(_events(response, room, read_large, most, SKIP_FACTOR)) as found:
        async for event in found:
            yield event


async def _events(
    response: httpx2.Response, room: _MemoryUse, read_large: ReadLarge, longest: int, patience: int
) -> AsyncGenerator[httpx2.ServerSentEvent]:
    keep_alive(response)
    large: list[Pieces] = []
    most = longest + 4 * _PIECE_SIZE if patience else longest
    with room:
        async with (
            aclosing(_pieces(response)) as pieces,
            aclosing(_counted(pieces, room)) as counted,
            aclosing(cut(counted, longest, large.append, patience)) as passed,
            aclosing(_parsed(_plain(response, passed), most, longest)) as found,
        ):
            async for event in found:
                if event.event == LARGE_EVENT and large:
                    event = await _read_event(event, large.pop(0), read_large)  # noqa: PLW2901 - the same event, parsed
                room.leave()
                yield event


async def _read_event(event: httpx2.ServerSentEvent, pieces: Pieces, read_large: ReadLarge) -> LargeEvent:
    read = read_large(pieces, EVENT)
    frames = await frames_of_large(pieces, read)
    name = "message" if read.exception() else read.result().event
    return LargeEvent(name, "", event.id, event.retry, frames)


def frames_of(event: httpx2.ServerSentEvent) -> Sequence[Frame]:
    """The frames in the data of an event."""
    return event.frames if isinstance(event, LargeEvent) else parse(event.data)


async def _parsed(response: httpx2.Response, most: int, longest: int) -> AsyncGenerator[httpx2.ServerSentEvent]:
    try:
        async with aclosing(cast("Any", aiter(httpx2.EventSource(response, max_event_size=most)))) as found:
            async for event in found:
                yield event
    except (httpx2.SSEError, EndlessEvent):
        raise too_large(response, longest) from None


async def _counted(pieces: AsyncGenerator[bytes], room: _MemoryUse) -> AsyncGenerator[bytes]:
    async for piece in pieces:
        await room.add(len(piece))
        yield piece


def too_large(response: httpx2.Response, longest: int | None = None) -> AnswerTooLarge:
    """The error for an answer that is longer than `longest` bytes (MAX_MESSAGE)."""
    size = _size(longest or MAX_MESSAGE)
    return AnswerTooLarge(f"{place(str(response.request.url))} answered with more than {size}.")


def _plain(response: httpx2.Response, pieces: AsyncGenerator[bytes]) -> httpx2.Response:
    """The response as if it were not compressed."""
    headers = {"content-type": response.headers["content-type"]}
    return httpx2.Response(response.status_code, headers=headers, content=pieces, request=response.request)


async def _read(response: httpx2.Response, most: int, room: _MemoryUse) -> list[bytes] | None:
    """The decompressed body in pieces; None if it is longer than `most` bytes."""
    read: list[bytes] = []
    async with aclosing(_pieces(response)) as pieces:
        async for piece in pieces:
            most -= len(piece)
            if most < 0:
                return None
            await room.add(len(piece))
            read.append(piece)
    return read


async def _pieces(response: httpx2.Response) -> AsyncGenerator[bytes]:
    """The body (RFC 9110, section 8.4), decompressed in pieces of at most 256 KiB, whatever the compression ratio."""
    decoder = _decoder(response)
    async with aclosing(_raw(response)) as parts:
        async for part in parts:
            if decoder is None:
                yield part
                continue
            compressed = part
            while compressed:
                yield _decompress(decoder, compressed)
                compressed = decoder.unconsumed_tail
                await asyncio.sleep(0)  # let other tasks run


def _raw(response: httpx2.Response) -> AsyncGenerator[bytes]:
    return response.aiter_raw()


def _decoder(response: httpx2.Response) -> Any:
    coding = response.headers.get("content-encoding", "").strip().lower()
    if coding in ("", "identity"):
        return None
    if coding in ("gzip", "x-gzip"):
        return zlib.decompressobj(zlib.MAX_WBITS | 16)
    if coding == "deflate":
        return zlib.decompressobj()
    shown = "".join(char for char in coding[:40] if char.isprintable())
    raise HandshakeFailed(
        f"{place(str(response.request.url))} answered with content coding {shown!r}, which the hub did not request.",
        hint=f"Make the server, or the proxy in front of it, respect `Accept-Encoding: {ACCEPT_ENCODING}`.",
    )


def _decompress(decoder: Any, part: bytes) -> bytes:
    try:
        return cast("bytes", decoder.decompress(part, _PIECE_SIZE))
    except zlib.error as error:
        raise httpx2.DecodingError(str(error)) from None


def _announced(response: httpx2.Response) -> int:
    """The value of Content-Length; 0 if it is missing or invalid."""
    length = response.headers.get("content-length", "")
    return int(length) if length.isdecimal() and len(length) < 20 else 0


def _size(size: int) -> str:
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size} bytes"
