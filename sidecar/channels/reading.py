"""The one place that reads what a remote server answers: each read has a limit of bytes, counted after decompression.

Time is limited here where no request waits with a deadline of its own: for answers to notifications, and error bodies.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self, cast

import httpx2

from sidecar.channels.oversize import LARGE_EVENT, PATIENCE, EndlessEvent, cut
from sidecar.channels.web import frames_of_large, keep_alive, parse, place
from sidecar.errors import AnswerTooLarge, HandshakeFailed
from sidecar.large.process import EVENT
from sidecar.large.reader import ReadLarge, in_process
from sidecar.protocol.channel import Frame
from sidecar.protocol.large_values import LARGE, Pieces

MAX_MESSAGE = 64 * 1024 * 1024
"""Bytes of the longest message: the body of a JSON answer, or one server-sent event."""
MAX_ERROR = 1024 * 1024
"""Bytes read of an answer with an HTTP error status."""
MAX_DRAIN = 64 * 1024
"""Bytes read of a body that nobody needs; the connection is closed where there is more."""
DRAIN_TIMEOUT = 5.0
"""Seconds that reading such a body, or that of an error, may take."""
ACCEPT_ENCODING = "gzip, deflate"
"""The content codings that can be decompressed piece by piece; others are refused."""
MOST_LARGE = 4
"""Large messages that are read from one origin at the same time, so that it cannot fill the memory; others wait."""
_PIECE = 256 * 1024


class _Room:
    """What one read holds in memory: beyond LARGE bytes it needs one of the `places`, and gives it back at the end."""

    def __init__(self, places: asyncio.Semaphore | None) -> None:
        self._places = places
        self._size = 0
        self._held = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.leave()

    async def add(self, size: int) -> None:
        """Hold so many bytes more; waits for a place."""
        self._size += size
        if self._size > LARGE and not self._held and self._places is not None:
            await self._places.acquire()
            self._held = True

    def leave(self) -> None:
        """Hold nothing."""
        self._size = 0
        if self._held and self._places is not None:
            self._held = False
            self._places.release()


@asynccontextmanager
async def body(response: httpx2.Response, places: asyncio.Semaphore | None = None) -> AsyncIterator[Pieces]:
    """The decompressed body of a response; `places` are those of large messages, of which it has one until the end.

    Raises:
        AnswerTooLarge: it is longer than MAX_MESSAGE.
        HandshakeFailed: it has a content coding that was not asked for.
    """
    if _announced(response) > MAX_MESSAGE:
        raise too_large(response)
    with _Room(places) as room:
        read = await _read(response, MAX_MESSAGE, room)
        if read is None:
            raise too_large(response)
        yield Pieces(read)


async def error_body(response: httpx2.Response) -> bytes:
    """The body of an answer with an error status; empty where it is longer than MAX_ERROR, slow or broken.

    The status tells enough then, and must not be lost for it.
    """
    with suppress(TimeoutError, httpx2.HTTPError, HandshakeFailed):
        async with asyncio.timeout(DRAIN_TIMEOUT):
            return b"".join(await _read(response, MAX_ERROR, _Room(None)) or ())
    return b""


async def drain(response: httpx2.Response) -> None:
    """Read a body that nobody needs, so that the connection can be used again: MAX_DRAIN bytes, for 5 s at most.

    Nothing is decompressed. The connection of what is longer or slower is closed with the response.
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
    """An event of 1 MiB and more, whose data was read already: the frames in it."""

    frames: Sequence[Frame] = ()


async def events(
    response: httpx2.Response, places: asyncio.Semaphore | None = None, read_large: ReadLarge = in_process
) -> AsyncGenerator[httpx2.ServerSentEvent]:
    """The server-sent events of the answer to one request; `places` are those of large messages.

    Those are read by `read_large`, and come as `LargeEvent`.

    Raises:
        AnswerTooLarge: an event is longer than MAX_MESSAGE.
        HandshakeFailed: the stream has a content coding that was not asked for.
    """
    async with aclosing(_events(response, _Room(places), read_large, patience=0)) as found:
        async for event in found:
            yield event


async def shared_events(
    response: httpx2.Response, places: asyncio.Semaphore | None = None, read_large: ReadLarge = in_process
) -> AsyncGenerator[httpx2.ServerSentEvent]:
    """The server-sent events of a stream that has the answers to many requests.

    An event longer than MAX_MESSAGE comes without its middle, as an event of the name `oversize.TOO_LARGE`.

    Raises:
        AnswerTooLarge: an event is longer than 4 times that.
        HandshakeFailed: the stream has a content coding that was not asked for.
    """
    async with aclosing(_events(response, _Room(places), read_large, patience=PATIENCE)) as found:
        async for event in found:
            yield event


async def _events(
    response: httpx2.Response, room: _Room, read_large: ReadLarge, patience: int
) -> AsyncGenerator[httpx2.ServerSentEvent]:
    keep_alive(response)
    large: list[Pieces] = []
    most = MAX_MESSAGE + 4 * _PIECE if patience else MAX_MESSAGE
    with room:
        async with (
            aclosing(_pieces(response)) as pieces,
            aclosing(_counted(pieces, room)) as counted,
            aclosing(cut(counted, MAX_MESSAGE, large.append, patience)) as passed,
            aclosing(_parsed(_plain(response, passed), most)) as found,
        ):
            async for event in found:
                if event.event == LARGE_EVENT and large:
                    event = await _read_event(event, large.pop(0), read_large)  # noqa: PLW2901 - it is the same one
                room.leave()
                yield event


async def _read_event(event: httpx2.ServerSentEvent, pieces: Pieces, read_large: ReadLarge) -> LargeEvent:
    read = read_large(pieces, EVENT)
    frames = await frames_of_large(pieces, read)
    name = "message" if read.exception() else read.result().event
    return LargeEvent(name, "", event.id, event.retry, frames)


def frames_of(event: httpx2.ServerSentEvent) -> Sequence[Frame]:
    """The frames in an event."""
    return event.frames if isinstance(event, LargeEvent) else parse(event.data)


async def _parsed(response: httpx2.Response, most: int) -> AsyncGenerator[httpx2.ServerSentEvent]:
    try:
        async with aclosing(cast("Any", aiter(httpx2.EventSource(response, max_event_size=most)))) as found:
            async for event in found:
                yield event
    except (httpx2.SSEError, EndlessEvent):
        raise too_large(response) from None


async def _counted(pieces: AsyncGenerator[bytes], room: _Room) -> AsyncGenerator[bytes]:
    async for piece in pieces:
        await room.add(len(piece))
        yield piece


def too_large(response: httpx2.Response) -> AnswerTooLarge:
    """The error for an answer that is longer than MAX_MESSAGE."""
    return AnswerTooLarge(f"{place(str(response.request.url))} answered with more than {_size(MAX_MESSAGE)}.")


def _plain(response: httpx2.Response, pieces: AsyncGenerator[bytes]) -> httpx2.Response:
    """The response as if it had come without compression."""
    headers = {"content-type": response.headers["content-type"]}
    return httpx2.Response(response.status_code, headers=headers, content=pieces, request=response.request)


async def _read(response: httpx2.Response, most: int, room: _Room) -> list[bytes] | None:
    """The decompressed body, in pieces, or None if it is longer than `most` bytes."""
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
    """The body, decompressed in pieces of at most 256 KiB, whatever the ratio (RFC 9110, section 8.4)."""
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
                await asyncio.sleep(0)  # others are served meanwhile


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
        f"{place(str(response.request.url))} answered compressed with {shown!r}, which the hub did not ask for.",
        hint=f"Have the server, or the proxy before it, heed `Accept-Encoding: {ACCEPT_ENCODING}`.",
    )


def _decompress(decoder: Any, part: bytes) -> bytes:
    try:
        return cast("bytes", decoder.decompress(part, _PIECE))
    except zlib.error as error:
        raise httpx2.DecodingError(str(error)) from None


def _announced(response: httpx2.Response) -> int:
    """The length of the body as its header says; 0 where it does not."""
    length = response.headers.get("content-length", "")
    return int(length) if length.isdecimal() and len(length) < 20 else 0


def _size(size: int) -> str:
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size} bytes"
