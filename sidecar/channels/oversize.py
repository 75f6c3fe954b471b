"""Handles large server-sent events: they are taken out of the stream, to be parsed elsewhere.

Of events over the size limit the middle is dropped, so that the rest of the stream can still be read.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator

from sidecar.protocol.large_values import LARGE_SIZE, Pieces

LARGE_EVENT = "yamcp-hub-large"
"""Name of the event that replaces a large event in the stream."""
TOO_LARGE = "yamcp-hub-too-large"
"""Name of a truncated event. A server cannot gain anything by using it."""
_TAIL_KEPT = 512
"""Bytes kept of the end of a truncated event, where the JSON-RPC `id` may be."""
_HEAD_KEPT = 1024
"""Bytes kept of its beginning; also the part of a large event that is searched for other fields than data."""
SKIP_FACTOR = 3
"""How many times the limit is skipped of one event before the stream is given up."""
_ENDS = (b"\n\n", b"\r\r", b"\n\r\n")
"""Ends of an event: an empty line, for each kind of line break."""
_DATA = re.compile(rb"^data:", re.MULTILINE)
_VERSION = r'(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?'
_OUTCOME = r'"(?:result|error)"\s*:'
_HEAD_ID = re.compile(r'\s*\{\s*%s"id"\s*:\s*(\d{1,18})\s*,\s*%s%s' % (_VERSION, _VERSION, _OUTCOME))  # noqa: UP031
_HEAD = re.compile(r"\s*\{\s*" + _VERSION + _OUTCOME)
_TAIL_ID = re.compile(r'"id"\s*:\s*(\d{1,18})\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*$')


class EndlessEvent(Exception):
    """An event did not end within a multiple of the limit."""


async def cut(
    pieces: AsyncIterator[bytes],
    limit: int,
    on_large: Callable[[Pieces], None] = lambda _: None,
    patience: int = SKIP_FACTOR,
) -> AsyncGenerator[bytes]:
    """Yield the bytes of an event stream, with events over `limit` bytes truncated and renamed to TOO_LARGE.

    A large event within the limit is passed to `on_large` and replaced by an event named LARGE_EVENT.

    Raises:
        EndlessEvent: an event is longer than the limit times (1 + `patience`).
    """
    cutter = _Cutter(limit, on_large, patience)
    async for piece in pieces:
        for part in cutter.take(piece):
            yield part
    yield cutter.rest()


class _Cutter:
    """Finds the ends of events in a stream that arrives in pieces."""

    def __init__(self, limit: int, on_large: Callable[[Pieces], None], patience: int) -> None:
        self._limit = limit
        self._on_large = on_large
        self._most = limit * (1 + patience)
        self._begun: list[bytes] = []
        """The pieces of the unfinished event."""
        self._size = 0
        """Its bytes."""
        self._last = b""
        """The last bytes received, with which the end of an event may begin."""
        self._tail: bytes | None = None
        """The last bytes of an event that is being truncated."""

    def take(self, piece: bytes) -> Iterator[bytes]:
        """Process the next piece; yields the bytes to pass on."""
        if self._tail is not None:
            end = _first_end(self._last + piece) - len(self._last)
            if end <= 0:
                self._skip(piece, self._tail)
                return
            yield _closing((self._tail + piece[:end])[-_TAIL_KEPT:])
            self._tail, self._size, self._last, piece = None, 0, b"", piece[end:]
        elif self._size >= LARGE_SIZE and (end := _first_end(self._last + piece) - len(self._last)) > 0:
            yield self._complete(piece[:end])
            self._last, piece = b"", piece[end:]
        window = self._last + piece
        end = _last_end(window) - len(self._last)
        self._last = window[-3:]
        if end > 0:
            yield self.rest() + piece[:end]
            piece = piece[end:]
        self._begun.append(piece)
        self._size += len(piece)
        if self._size > self._limit:
            yield from self._cut()

    def _complete(self, last: bytes) -> bytes:
        """Take the unfinished large event, which `last` completes, out; returns the event that replaces it."""
        event = Pieces([*self._begun, last])
        self._begun, self._size = [], 0
        if len(event) > self._limit:
            raise EndlessEvent
        self._on_large(event)
        fields = _DATA.split(event.ends(_HEAD_KEPT, 0), 1)
        return b"%bevent: %b\ndata: \n\n" % (fields[0] if len(fields) > 1 else b"", LARGE_EVENT.encode())

    def rest(self) -> bytes:
        """The bytes of the unfinished event, unchanged."""
        begun = b"".join(self._begun)
        self._begun, self._size = [], 0
        return begun

    def _cut(self) -> Iterator[bytes]:
        """Truncate the unfinished event: yields its beginning, and keeps its end."""
        if self._size > self._most:
            raise EndlessEvent
        event, self._begun = Pieces(self._begun), []
        self._tail = event.ends(0, _TAIL_KEPT)
        yield event.ends(_HEAD_KEPT, 0)

    def _skip(self, piece: bytes, tail: bytes) -> None:
        self._size += len(piece)
        if self._size > self._most:
            raise EndlessEvent
        self._last, self._tail = (self._last + piece)[-3:], (tail + piece)[-_TAIL_KEPT:]


def id_in(data: str) -> int | None:
    """The id of the response in a truncated event, from its beginning or end; None if that is uncertain."""
    start = data[:200]
    found = _HEAD_ID.match(start) or (_HEAD.match(start) and _TAIL_ID.search(data[-_TAIL_KEPT:]))
    return int(found[1]) if found else None


def _closing(tail: bytes) -> bytes:
    """The lines that complete a truncated event: its name, and the end of its data."""
    line = tail.strip().splitlines()[-1] if tail.strip() else b""
    return b"\nevent: %b\ndata: %b\n\n" % (TOO_LARGE.encode(), line.removeprefix(b"data:"))


def _first_end(data: bytes) -> int:
    """The position after the first end of an event; -1 where there is none."""
    return min((at + len(end) for end in _ENDS if (at := data.find(end)) >= 0), default=-1)


def _last_end(data: bytes) -> int:
    """The position after the last end of an event; -1 where there is none."""
    return max((at + len(end) for end in _ENDS if (at := data.rfind(end)) >= 0), default=-1)
