"""Cutting what a process writes into lines and JSON-RPC frames."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable

from sidecar import codec
from sidecar.channel import Frame


class LineTooLong(Exception):
    """A line is longer than the limit."""


class Lines:
    """Cuts bytes into lines, without their newlines. A line beyond `limit` bytes raises LineTooLong."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[bytes] = []  # of the line that is not complete; joined once, however long it gets
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that these bytes complete."""
        longest = self._size + len(data)  # at most
        lines = data.split(b"\n")
        rest = lines.pop()
        if lines and self._parts:
            lines[0] = b"".join((*self._parts, lines[0]))
            self._parts, self._size = [], 0
        if rest:
            self._parts.append(rest)
            self._size += len(rest)
        if longest > self._limit and (self._size > self._limit or any(len(line) > self._limit for line in lines)):
            raise LineTooLong
        return lines

    def rest(self) -> bytes:
        """The bytes after the last newline."""
        rest, self._parts, self._size = b"".join(self._parts), [], 0
        return rest


def frames_of(line: bytes) -> Iterable[Frame]:
    """The frames in a line: one, or each of a batch. Raises ValueError when it is something else."""
    if line.lstrip()[:1] not in (
        b"{",
        b"[",
        b"\xef",
    ):  # (or a BOM) parsing takes long to refuse what a server writes by the thousand
        raise ValueError("not JSON-RPC")
    message = codec.loads(line, nan_as_null=True)
    return map(_frame, message) if isinstance(message, list) and message else (_frame(message),)


def _frame(message: object) -> Frame:
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise ValueError("not JSON-RPC")
    return message


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
        self._lines.extend(masked)
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
