"""Cutting what a process writes into lines and JSON-RPC frames."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from sidecar.channels import messages
from sidecar.protocol import codec
from sidecar.protocol.channel import Frame
from sidecar.protocol.large_values import LARGE, Pieces

HEAD = 64 * 1024
"""Bytes at the beginning of a line over the limit that are kept; and `END` at its end."""
END = 1024
MOST = 4
"""How many times as long as the limit a line may be that is only passed over."""
LONGEST_WAIT = 30.0
"""Seconds in which it has to end."""


class LineTooLong(Exception):
    """A line is so long, or takes so long, that it has to be taken for endless."""


class Lines:
    """Cuts bytes into lines, without their newlines.

    A line beyond `limit` bytes is passed over: `on_too_long` is called with its beginning and end, and its size.
    """

    def __init__(self, limit: int, on_too_long: Callable[[bytes, int], None]) -> None:
        self._limit = limit
        self._on_too_long = on_too_long
        self._parts: list[bytes] = []  # of the line that is not complete; joined once, however long it gets
        self._size = 0
        self._head = b""  # of a line that is being passed over
        self._since = 0.0

    def feed(self, data: bytes) -> list[bytes | Pieces]:
        """The lines that these bytes complete; a large one, which came in many pieces, in these. Raises LineTooLong."""
        longest = self._size + len(data)  # at most
        lines: list[Any] = data.split(b"\n")
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
        """The line that has begun, with its last bytes."""
        if self._head:
            return self._passed_over(last)
        self._parts.append(last)
        return b"".join(self._parts) if self._size < LARGE else Pieces(self._parts)

    def _is_too_long(self, line: bytes | Pieces) -> bool:
        """Whether a complete line is over the limit; then it is told of."""
        if len(line) <= self._limit:
            return False
        ends = line.ends(HEAD, END) if isinstance(line, Pieces) else line[:HEAD] + line[-END:]
        self._on_too_long(ends, len(line))
        return True

    def _passed_over(self, last: bytes) -> bytes:
        """The line that was being passed over is complete; an empty line in its place."""
        head, self._head = self._head, b""
        end = b"".join((*self._parts, last))[-END:]
        self._on_too_long(head + end, self._size + len(last))
        return b""

    def _check(self) -> None:
        """Keep of the line that is not complete only its ends, if it is over the limit."""
        if self._size <= self._limit:
            return
        kept = Pieces(self._parts)
        if not self._head:
            self._head, self._since = kept.ends(HEAD, 0), time.monotonic()
        self._parts = [kept.ends(0, END)]
        if self._size > MOST * self._limit or time.monotonic() - self._since > LONGEST_WAIT:
            raise LineTooLong

    def rest(self) -> bytes:
        """The bytes after the last newline."""
        rest = self._passed_over(b"") if self._head else b"".join(self._parts)
        self._parts, self._size = [], 0
        return rest


def frames_of(line: bytes) -> list[Frame]:
    """The frames in a line: one, or those of a batch. Raises ValueError when it is something else."""
    if line[:1] != b"{" and not begins_json(line):  # parsing takes long to refuse what a server writes by the thousand
        raise ValueError("not JSON-RPC")
    return messages.frames_in(codec.loads(line, from_server=True), strict=True)


def begins_json(line: bytes) -> bool:
    """Whether a line begins as a message or a batch may: an object, an array, or a byte order mark."""
    return line.lstrip()[:1] in (b"{", b"[", b"\xef")


class Tail:
    """The last lines of a stream, each cut at `width` characters; and each line told as it comes, up to a rate.

    A line is masked once, whole, before it is cut: when it is told, or when it is first read. What comes faster than
    `RATE` is counted, and costs next to nothing but for the last lines of each piece.
    """

    KEPT = 2048
    """Bytes of a line that are remembered; more than `width`, so that no half of a secret escapes the mask."""
    RATE = 40
    """Lines that are masked and told in one second: 40 of 2 KB take some 40 ms."""

    def __init__(
        self,
        redact: Callable[[str], str],
        on_line: Callable[[str], None] | None = None,
        count: int = 50,
        width: int = 500,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_line` gets each line as it is complete, masked and cut; `clock` tells seconds."""
        self._redact = redact
        self._on_line = on_line
        self._width = width
        self._clock = clock
        self._count = count
        self._lines: deque[str | bytes] = deque(maxlen=count)
        """Text that is masked and cut, or bytes that are not yet."""
        self._open = b""
        self._since = -1.0
        self._told = 0
        self._untold = 0

    def feed(self, data: bytes) -> None:
        """Take more of the stream."""
        complete = data.count(b"\n")
        if not complete:
            self._open = (self._open + data[: self.KEPT])[: self.KEPT]
            return
        data, self._open = self._open + data, b""
        *first, rest = data.split(b"\n", min(complete, self._allowance()))
        for line in first:
            self._tell(line)
        left = complete - len(first)
        if left:
            self._untold += left if self._on_line is not None else 0
            *lines, rest = rest.rsplit(b"\n", min(left, self._count + 1))
            self._lines.extend(line[: self.KEPT] for line in lines[-self._count :])  # the first may be many
        self._open = rest[: self.KEPT]

    def end(self) -> None:
        """The stream has ended: tell how many lines were not told."""
        if self._untold and self._on_line is not None:
            self._on_line(f"({self._untold} more lines are not shown)")
            self._untold = 0

    def read(self) -> tuple[str, ...]:
        """The lines, oldest first, the unfinished last one included, masked and cut."""
        masked = [line if isinstance(line, str) else self._masked(line) for line in self._lines]
        self._lines = deque(masked, maxlen=self._count)
        return tuple([*masked, *([self._masked(self._open)] if self._open else [])][-self._count :])

    def _allowance(self) -> int:
        """How many lines may be told now."""
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
        return self._redact(line[: self.KEPT].decode(errors="replace").rstrip("\r"))[: self._width]
