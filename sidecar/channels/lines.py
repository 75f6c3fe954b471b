"""Cutting what a process writes into lines and JSON-RPC frames."""

from __future__ import annotations

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
    """The last lines of a stream, each cut at `width` characters. Masks secrets when read, before cutting."""

    KEPT = 4096
    """Bytes of a line that are remembered; more than `width`, so that no half of a secret escapes the mask."""
    AT_ONCE = 100
    """Lines of one read that are told; to mask all 30,000 that a pipe may hold would keep everybody waiting."""

    def __init__(
        self,
        redact: Callable[[str], str],
        on_line: Callable[[str], None] | None = None,
        count: int = 50,
        width: int = 500,
    ) -> None:
        """`on_line` gets each line as it is complete, masked and cut."""
        self._redact = redact
        self._on_line = on_line
        self._width = width
        self._lines: deque[bytes] = deque(maxlen=count)
        self._open = b""

    def feed(self, data: bytes) -> None:
        """Take more of the stream."""
        *lines, rest = data.split(b"\n")
        if lines:
            lines[0] = self._open + lines[0]
            self._lines.extend(line[: self.KEPT] for line in lines[-(self._lines.maxlen or 0) :])
            self._open = b""
            self._tell(lines)
        self._open = (self._open + rest)[: self.KEPT]

    def _tell(self, lines: list[bytes]) -> None:
        if self._on_line is not None:
            for line in lines[: self.AT_ONCE]:
                if text := self._redact(line[: self.KEPT].decode(errors="replace").rstrip()):
                    self._on_line(text[: self._width])
            if more := len(lines[self.AT_ONCE :]):
                self._on_line(f"({more} more lines at once are not shown)")

    def read(self) -> tuple[str, ...]:
        """The lines, oldest first, the unfinished last one included, masked and cut."""
        lines = [*self._lines, *([self._open] if self._open else [])][-(self._lines.maxlen or 0) :]
        text = "\n".join(line.decode(errors="replace").rstrip("\r") for line in lines)
        return tuple(line[: self._width] for line in self._redact(text).split("\n")) if lines else ()
