"""Reads what is appended to a file of lines, and notices when another file has taken its place."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO, NamedTuple

CHUNK_BYTES = 1 << 20
"""Bytes of one read. A longer line is skipped."""


class News(NamedTuple):
    """What a file has that was not read before."""

    anew: bool
    """Whether the file is another one than before, or gone: forget what was read."""
    lines: tuple[bytes, ...]
    """The complete lines, without their ends."""


NOTHING = News(anew=False, lines=())


class Tail:
    """A position in a file. Its first line is unique to it, as a file that is replaced twice can get an inode again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp: tuple[int, int, int] | None = None
        self._head = b""
        self._offset = 0

    def read(self) -> News:
        """Return the lines that are new. A last line without its end waits for the rest. Raises OSError: the file
        exists and cannot be read; the next call reads it from its start.
        """
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return self._gone()
        if self._stamp == (found.st_ino, found.st_mtime_ns, found.st_size):
            return NOTHING
        try:
            with self.path.open("rb") as file:
                return self._read(file)
        except FileNotFoundError:
            return self._gone()
        except OSError:
            self._forget()
            raise

    def _read(self, file: BinaryIO) -> News:
        opened = os.fstat(file.fileno())
        head = file.readline(CHUNK_BYTES)
        anew = head != self._head or opened.st_size < self._offset
        if anew:
            self._offset = 0
        file.seek(self._offset)
        lines: list[bytes] = []
        while chunk := file.read(CHUNK_BYTES):
            end = chunk.rfind(b"\n") + 1
            if not end and len(chunk) < CHUNK_BYTES:
                break  # its rest is still to be written
            lines += chunk[:end].splitlines()
            self._offset += end or len(chunk)
            file.seek(self._offset)
        self._head = head if head.endswith(b"\n") else b""
        self._stamp = opened.st_ino, opened.st_mtime_ns, opened.st_size
        return News(anew, tuple(lines))

    def _gone(self) -> News:
        known = self._stamp is not None
        self._forget()
        return News(anew=known, lines=())

    def _forget(self) -> None:
        self._stamp, self._head, self._offset = None, b"", 0
