"""Just enough HTTP/1.1 and Server-Sent Events for a load client that must not be the bottleneck."""

from __future__ import annotations

import re
from collections.abc import Callable

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked", re.IGNORECASE)
_BODILESS = frozenset({204, 304})

OnHead = Callable[[int, bytes], None]
OnBody = Callable[[bytes], None]
OnEnd = Callable[[], None]


class WireError(Exception):
    """The other side does not speak HTTP/1.1."""


class HttpReader:
    """Reads the responses of one connection, in whatever pieces they come.

    Calls `on_head(status, head)`, `on_body(piece)` for each piece of the body, `on_end()` at the end of each response.
    """

    def __init__(self, on_head: OnHead, on_body: OnBody, on_end: OnEnd) -> None:
        self._on_head, self._on_body, self._on_end = on_head, on_body, on_end
        self._buffer = b""
        self._read = self._read_head
        self._left = 0  # bytes of the body, or of the chunk with its CRLF, still to come

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the connection. Raises WireError."""
        self._buffer = self._buffer + data if self._buffer else data
        while self._read():
            pass

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        head, self._buffer = self._buffer[:end], self._buffer[end + 4 :]
        if not head.startswith(b"HTTP/1."):
            raise WireError(f"not an HTTP response: {head[:40]!r}")
        status = int(head[9:12])
        self._read = self._body_reader(status, head)
        self._on_head(status, head)
        if self._read == self._read_sized and not self._left:
            self._finish()
        return True

    def _body_reader(self, status: int, head: bytes) -> Callable[[], bool]:
        self._left = 0
        if status in _BODILESS:
            return self._read_sized
        if _CHUNKED.search(head):
            return self._read_chunk_size
        length = _LENGTH.search(head)
        if length is None:
            return self._read_rest
        self._left = int(length[1])
        return self._read_sized

    def _read_sized(self) -> bool:
        if not self._buffer:
            return False
        piece, self._buffer = self._buffer[: self._left], self._buffer[self._left :]
        self._left -= len(piece)
        self._on_body(piece)
        if not self._left:
            self._finish()
        return True

    def _read_rest(self) -> bool:
        piece, self._buffer = self._buffer, b""
        if piece:
            self._on_body(piece)
        return False

    def _read_chunk_size(self) -> bool:
        line, found, rest = self._buffer.partition(b"\r\n")
        if not found:
            return False
        size = int(line.partition(b";")[0], 16)
        self._buffer = rest
        self._left = size + 2
        self._read = self._read_chunk if size else self._read_trailer
        return True

    def _read_chunk(self) -> bool:
        buffer, left = self._buffer, self._left
        if not buffer:
            return False
        if len(buffer) >= left:
            self._buffer, self._read = buffer[left:], self._read_chunk_size
            piece = buffer[: left - 2] if left > 2 else b""
        else:
            piece = buffer[: left - 2] if left > 2 else b""
            self._buffer, self._left = b"", left - len(buffer)
        if piece:
            self._on_body(piece)
        return True

    def _read_trailer(self) -> bool:
        line, found, rest = self._buffer.partition(b"\r\n")
        if not found:
            return False
        self._buffer = rest
        if not line:
            self._finish()
        return True

    def _finish(self) -> None:
        self._read = self._read_head
        self._on_end()


class SseReader:
    """Cuts a stream of bytes into events; comments (pings) and events without data are left out."""

    def __init__(self, on_event: Callable[[bytes, bytes], None]) -> None:
        self._on_event = on_event
        self._buffer = b""

    def feed(self, data: bytes) -> None:
        """Take the next bytes; calls `on_event(name, data)` for each event that they complete."""
        buffer = self._buffer + data if self._buffer else data
        held = b"\r" if buffer.endswith(b"\r") else b""  # its \n may be in the next piece
        if held:
            buffer = buffer[:-1]
        if b"\r" in buffer:
            buffer = buffer.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *blocks, rest = buffer.split(b"\n\n")
        self._buffer = rest + held
        for block in blocks:
            self._event(block)

    def _event(self, block: bytes) -> None:
        name, data = b"message", []
        for line in block.split(b"\n"):
            if line.startswith(b"data:"):
                data.append(line[6:] if line[5:6] == b" " else line[5:])
            elif line.startswith(b"event:"):
                name = line[6:].strip()
        if data:
            self._on_event(name, b"\n".join(data))
