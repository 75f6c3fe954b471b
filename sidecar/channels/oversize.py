"""Events of a stream that are large, which are read elsewhere, and those that are longer than the hub reads.

Of the latter the middle is dropped, so that the stream can go on.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator

from sidecar.protocol.large_values import LARGE, Pieces

LARGE_EVENT = "yamcp-hub-large"
"""The name of what stands for a large event in the stream."""
TOO_LARGE = "yamcp-hub-too-large"
"""The name that an event gets which was cut; a server cannot use it to any effect."""
_TAIL = 512
"""Bytes of the end of such an event that are kept: JSON-RPC's `id` may stand there."""
_HEAD_KEPT = 1024
"""The same of its start; and where in a large event its other fields are looked for."""
PATIENCE = 3
"""How many times the limit is skipped before the stream is given up."""
_ENDS = (b"\n\n", b"\r\r", b"\n\r\n")
"""What ends an event: an empty line, whichever line ends the stream has."""
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
    patience: int = PATIENCE,
) -> AsyncGenerator[bytes]:
    """The bytes of an event stream; of an event longer than `limit` bytes, its start and end, under the name TOO_LARGE.

    A large event within the limit goes to `on_large`, and one of the name LARGE_EVENT stands for it in the stream.

    Raises:
        EndlessEvent: an event is longer than the limit, and `patience` times that more.
    """
    cutter = _Cutter(limit, on_large, patience)
    async for piece in pieces:
        for part in cutter.take(piece):
            yield part
    yield cutter.rest()


class _Cutter:
    """Finds where events end, in a stream that comes in pieces."""

    def __init__(self, limit: int, on_large: Callable[[Pieces], None], patience: int) -> None:
        self._limit = limit
        self._on_large = on_large
        self._most = limit * (1 + patience)
        self._begun: list[bytes] = []
        """The event that has begun."""
        self._size = 0
        """Bytes of it."""
        self._last = b""
        """The last bytes of what came, in which an end may begin."""
        self._tail: bytes | None = None
        """The last bytes of an event that is being cut."""

    def take(self, piece: bytes) -> Iterator[bytes]:
        """What to pass on of the next piece."""
        if self._tail is not None:
            end = _first_end(self._last + piece) - len(self._last)
            if end <= 0:
                self._skip(piece, self._tail)
                return
            yield _closing((self._tail + piece[:end])[-_TAIL:])
            self._tail, self._size, self._last, piece = None, 0, b"", piece[end:]
        elif self._size >= LARGE and (end := _first_end(self._last + piece) - len(self._last)) > 0:
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
        """The large event that has begun ends with these bytes: what stands for it in the stream."""
        event = Pieces([*self._begun, last])
        self._begun, self._size = [], 0
        if len(event) > self._limit:
            raise EndlessEvent
        self._on_large(event)
        fields = _DATA.split(event.ends(_HEAD_KEPT, 0), 1)
        return b"%bevent: %b\ndata: \n\n" % (fields[0] if len(fields) > 1 else b"", LARGE_EVENT.encode())

    def rest(self) -> bytes:
        """The event that has begun and is not complete, which is passed on as it is."""
        begun = b"".join(self._begun)
        self._begun, self._size = [], 0
        return begun

    def _cut(self) -> Iterator[bytes]:
        """The event that has begun is too long: pass on its start, and keep its end."""
        if self._size > self._most:
            raise EndlessEvent
        event, self._begun = Pieces(self._begun), []
        self._tail = event.ends(0, _TAIL)
        yield event.ends(_HEAD_KEPT, 0)

    def _skip(self, piece: bytes, tail: bytes) -> None:
        self._size += len(piece)
        if self._size > self._most:
            raise EndlessEvent
        self._last, self._tail = (self._last + piece)[-3:], (tail + piece)[-_TAIL:]


def id_in(data: str) -> int | None:
    """The id of the response that a cut event began or ended with; None where it is not certain that it is its id."""
    start = data[:200]
    found = _HEAD_ID.match(start) or (_HEAD.match(start) and _TAIL_ID.search(data[-_TAIL:]))
    return int(found[1]) if found else None


def _closing(tail: bytes) -> bytes:
    """What ends an event that was cut, with the end of its data."""
    line = tail.strip().splitlines()[-1] if tail.strip() else b""
    return b"\nevent: %b\ndata: %b\n\n" % (TOO_LARGE.encode(), line.removeprefix(b"data:"))


def _first_end(data: bytes) -> int:
    """The position after the first end of an event; -1 where there is none."""
    return min((at + len(end) for end in _ENDS if (at := data.find(end)) >= 0), default=-1)


def _last_end(data: bytes) -> int:
    """The position after the last end of an event; -1 where there is none."""
    return max((at + len(end) for end in _ENDS if (at := data.rfind(end)) >= 0), default=-1)
