"""Cutting what a process writes into lines and JSON-RPC frames."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import orjson

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
        lines = data.split(b"\n")
        rest = lines.pop()
        if lines and self._parts:
            lines[0] = b"".join((*self._parts, lines[0]))
            self._parts, self._size = [], 0
        if rest:
            self._parts.append(rest)
            self._size += len(rest)
        if self._size > self._limit or any(len(line) > self._limit for line in lines):
            raise LineTooLong
        return lines

    def rest(self) -> bytes:
        """The bytes after the last newline."""
        rest, self._parts, self._size = b"".join(self._parts), [], 0
        return rest


def frames_of(line: bytes) -> Iterator[Frame]:
    """The frames in a line: one, or each of a batch. Raises ValueError when it is something else."""
    try:
        message = orjson.loads(line)
    except ValueError:
        message = _leniently(line)
    for frame in message if isinstance(message, list) and message else (message,):
        if not isinstance(frame, dict) or frame.get("jsonrpc") != "2.0":
            raise ValueError("not JSON-RPC")
        yield frame


def _leniently(line: bytes) -> Any:
    """Parse what JSON forbids but other parsers take, such as NaN; becomes what orjson can write again."""
    if line[:1] not in {b"{", b"["}:
        raise ValueError("not JSON")
    try:
        return orjson.loads(orjson.dumps(json.loads(line)))
    except (TypeError, RecursionError) as error:
        raise ValueError("not JSON") from error


class Tail:
    """The last lines of a stream, each cut at `width` characters. Masks secrets when read, before cutting."""

    KEPT = 4096
    """Bytes of a line that are remembered; more than `width`, so that no half of a secret escapes the mask."""

    def __init__(self, redact: Callable[[str], str], count: int = 50, width: int = 500) -> None:
        self._redact = redact
        self._width = width
        self._lines: deque[bytes] = deque(maxlen=count)
        self._open = b""

    def feed(self, data: bytes) -> None:
        """Take more of the stream."""
        *lines, rest = data.split(b"\n")
        if lines:
            lines[0] = self._open + lines[0]
            self._lines.extend(line[: self.KEPT] for line in lines)
            self._open = b""
        self._open = (self._open + rest)[: self.KEPT]

    def read(self) -> tuple[str, ...]:
        """The lines, oldest first, the unfinished last one included, masked and cut."""
        lines = [*self._lines, *([self._open] if self._open else [])][-(self._lines.maxlen or 0) :]
        text = "\n".join(line.decode(errors="replace").rstrip("\r") for line in lines)
        return tuple(line[: self._width] for line in self._redact(text).split("\n")) if lines else ()
