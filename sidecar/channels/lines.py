"""Splits the output of a process into lines and JSON-RPC frames."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from sidecar.channels import messages
from sidecar.protocol import codec
from sidecar.protocol.channel import Frame
from sidecar.protocol.large_values import LARGE_SIZE, Pieces

HEAD_KEPT = 64 * 1024
"""Bytes kept of the beginning of a line over the limit."""
END_KEPT = 1024
"""Bytes kept of its end."""
ENDLESS_FACTOR = 4
"""A line longer than the limit by this factor counts as endless."""
SHORT = 1024
"""Bytes up to which `bytes.split` is as fast as `bytes.find`."""
SKIP_TIMEOUT = 30.0
"""Seconds within which a line over the limit has to end; else it counts as endless."""


class LineTooLong(Exception):
    """A line counts as endless."""


class Lines:
    """Splits a byte stream into lines, without their newlines.

    A line longer than `limit` bytes is skipped: `on_too_long` is called with its beginning and end, and its size.
    """

    def __init__(self, limit: int, on_too_long: Callable[[bytes, int], None]) -> None:
        self._limit = limit
        self._on_too_long = on_too_long
        self._parts: list[bytes] = []  # of the line that is not complete; joined once, however long it gets
        self._size = 0
        self._head = b""  # of a line that is being skipped
        self._since = 0.0

    def feed(self, data: bytes) -> list[bytes | Pieces]:
        """Add bytes; returns the lines that they complete, a large one as the Pieces in which it arrived.

        Raises:
            LineTooLong: the line counts as endless.
        """
        longest = self._size + len(data)  # an upper bound
        lines: list[Any] = data.split(b"\n") if len(data) <= SHORT else split_long(data)
        rest = lines.pop()
        if lines and self._parts:
            lines[0] = self._completed(lines[0])
            self._parts, self._size = [], 0
        if rest:
            self._parts.append(rest)
            self._size += len(rest)
        if longest > self._limit:
            self._check()
            return [line for line in lines if not self._is_too_long(line)]
        return lines

    def _completed(self, last: bytes) -> bytes | Pieces:
        """The unfinished line, completed by its last bytes."""
        if self._head:
            return self._skipped(last)
        self._parts.append(last)
        return b"".join(self._parts) if self._size < LARGE_SIZE else Pieces(self._parts)

    def _is_too_long(self, line: bytes | Pieces) -> bool:
        """Whether a complete line is over the limit, which is then reported to `on_too_long`."""
        if len(line) <= self._limit:
            return False
        ends = line.ends(HEAD_KEPT, END_KEPT) if isinstance(line, Pieces) else line[:HEAD_KEPT] + line[-END_KEPT:]
        self._on_too_long(ends, len(line))
        return True

    def _skipped(self, last: bytes) -> bytes:
        """Report a skipped line, which is complete now; returns an empty line in its place."""
        head, self._head = self._head, b""
        end = b"".join((*self._parts, last))[-END_KEPT:]
        self._on_too_long(head + end, self._size + len(last))
        return b""

    def _check(self) -> None:
        """If the unfinished line is over the limit, keep only its ends. Raises LineTooLong."""
        if self._size <= self._limit:
            return
        kept = Pieces(self._parts)
        if not self._head:
            self._head, self._since = kept.ends(HEAD_KEPT, 0), time.monotonic()
        self._parts = [kept.ends(0, END_KEPT)]
        if self._size > ENDLESS_FACTOR * self._limit or time.monotonic() - self._since > SKIP_TIMEOUT:
            raise LineTooLong

    def rest(self) -> bytes:
        """The bytes after the last newline."""
        rest = self._skipped(b"") if self._head else b"".join(self._parts)
        self._parts, self._size = [], 0
        return rest


def split_long(data: bytes) -> list[bytes]:
    """As `data.split(b"\\n")`, but faster if lines are long: `split` compares single bytes, `find` many at once."""
    lines, start = list[bytes](), 0
    while (end := data.find(b"\n", start)) - start > SHORT:
        lines.append(data[start:end])
        start = end + 1
    rest = data[start:]
    return [*lines, rest] if end < 0 else [*lines, *rest.split(b"\n")]


def frames_of(line: bytes) -> list[Frame]:
    """The frames in a line: one, or those of a batch. Raises ValueError if the line is not JSON-RPC."""
    if line[:1] != b"{" and not begins_json(line):  # cheaper than a parse error, as servers may print many log lines
        raise ValueError("not JSON-RPC")
    return messages.frames_in(codec.loads(line, from_server=True), strict=True)


def begins_json(line: bytes) -> bool:
    """Whether a line begins with an object, an array, or a byte order mark, as a message or batch does."""
    return line.lstrip()[:1] in (b"{", b"[", b"\xef")


class Tail:
    """Keeps the last `count` lines of a stream, and passes each line to `on_line`, up to a rate.

    Lines are masked, then truncated to `width` characters; each line is masked once, when it is passed on or first
    read. Lines beyond `RATE` per second are only counted, which costs little CPU time.
    """

    MAX_LINE = 2048
    """Bytes of a line that are kept; more than `width`, so that secrets are masked before they are truncated."""
    RATE = 40
    """Lines per second that are masked and passed on; 40 lines of 2 KB take some 40 ms."""

    def __init__(
        self,
        redact: Callable[[str], str],
        on_line: Callable[[str], None] | None = None,
        count: int = 50,
        width: int = 500,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`redact` masks secrets in a text; `clock` returns seconds."""
        self._redact = redact
        self._on_line = on_line
        self._width = width
        self._clock = clock
        self._count = count
        self._lines: deque[str | bytes] = deque(maxlen=count)
        """Masked and truncated text, or bytes that are neither yet."""
        self._open = b""
        self._since = -1.0
        self._told = 0
        self._untold = 0

    def feed(self, data: bytes) -> None:
        """Add data of the stream."""
        complete = data.count(b"\n")
        if not complete:
            self._open = (self._open + data[: self.MAX_LINE])[: self.MAX_LINE]
            return
        data, self._open = self._open + data, b""
        *first, rest = data.split(b"\n", min(complete, self._allowance()))
        for line in first:
            self._tell(line)
        left = complete - len(first)
        if left:
            self._untold += left if self._on_line is not None else 0
            *lines, rest = rest.rsplit(b"\n", min(left, self._count + 1))
            self._lines.extend(line[: self.MAX_LINE] for line in lines[-self._count :])  # the first may be many
        self._open = rest[: self.MAX_LINE]

    def end(self) -> None:
        """Report the number of lines that were not passed on; called at the end of the stream."""
        if self._untold and self._on_line is not None:
            self._on_line(f"({self._untold} more lines are not shown)")
            self._untold = 0

    def read(self) -> tuple[str, ...]:
        """The last lines, oldest first, including an unfinished one; masked and truncated."""
        masked = [line if isinstance(line, str) else self._masked(line) for line in self._lines]
        self._lines = deque(masked, maxlen=self._count)
        return tuple([*masked, *([self._masked(self._open)] if self._open else [])][-self._count :])

    def _allowance(self) -> int:
        """How many lines may be passed on now."""
        if self._on_line is None:
            return 0
        now = self._clock()
        if not 0 <= now - self._since < 1:
            self._since, self._told = now, 0
            self.end()
        return self.RATE - self._told

    def _tell(self, line: bytes) -> None:
        self._told += 1
        text = self._masked(line)
        self._lines.append(text)
        if self._on_line is not None and text.strip():
            self._on_line(text.rstrip())

    def _masked(self, line: bytes) -> str:
        return self._redact(line[: self.MAX_LINE].decode(errors="replace").rstrip("\r"))[: self._width]
