"""The spool: files of records that wait for the recorder process, which stores them (recorder/, docs/history.md).

A file has JSON lines. Each line is one batch, an object of lists by kind (`calls`, `begun`, `ended`, `changes`,
`sign_ins`), with `lost`, the number of records that could not be kept, and `upto`, how many of the records of this run
of the writer are in its lines so far, the lost ones included. The last line of a complete file is `END`.
Processes that record continuously use `SpoolWriter`; `drop` writes a record of a process that seldom has one.
Standard library only, as each process of the hub may use it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import json
import mmap
import os
import time
from pathlib import Path
from typing import Any

from bridge.private import PRIVATE_FILE, make_directory, write_file

SUFFIX = ".jsonl"
COUNT_SUFFIX = ".seen"
"""Suffix of the file with the number of records that a `SpoolWriter` was given, as a native 64-bit integer."""
END = b'{"end":true}\n'
FILE_BYTES = 4 * 1024 * 1024
"""Bytes after which a writer begins the next file."""
_numbers = itertools.count()


def file_name(run: str, number: int) -> str:
    """The name of a file: the run of a writer, and the number of the file. Names sort in the order of writing."""
    return f"{run}-{number:06d}{SUFFIX}"


def new_run(writer: str) -> str:
    """A name for this run of a process, which no other run has had, of this hub or of replicas that share its history:
    files' names are never used again."""
    return f"{time.time_ns() // 1_000_000:013d}-{writer}-{os.getpid()}-{os.urandom(4).hex()}"


def size_of(directory: Path) -> int:
    """Total bytes of the files in a spool; 0 if there is no such directory."""
    total = 0
    with contextlib.suppress(FileNotFoundError), os.scandir(directory) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):  # the recorder has just removed it
                total += entry.stat().st_size if entry.name.endswith(SUFFIX) else 0
    return total


def drop(directory: Path, writer: str, batch: dict[str, Any], max_bytes: int) -> bool:
    """Write a batch as a complete file of its own. False if the spool is full.

    Raises:
        OSError: the file cannot be written.
    """
    data = json.dumps(batch, separators=(",", ":")).encode() + b"\n" + END
    if size_of(directory) + len(data) > max_bytes:
        return False
    make_directory(directory)
    write_file(directory / file_name(new_run(writer), next(_numbers)), data, sync=False)
    return True


class SpoolWriter:
    """Appends batches to the files of one run of a process. Not for use by several threads at once, except `seen`.

    The open file is locked (flock), by which the recorder learns whether its writer is alive.
    """

    def __init__(self, directory: Path, writer: str, max_bytes: int, file_bytes: int = FILE_BYTES) -> None:
        """Open the spool and its first file. Raises OSError."""
        make_directory(directory)
        self._directory = directory
        self._run = new_run(writer)
        self._max_bytes = max_bytes
        self._file_bytes = file_bytes
        self._number = 0
        self._written = 0
        self._accounted = 0
        self._file = self._open()
        try:
            self._count = self._made_count()
        except BaseException:  # such as a full disk: nothing may remain, as the caller tries again and again
            self._discard()
            raise
        self.seen = memoryview(self._count).cast("Q")
        """One number: the records of this run so far, those in memory and lost ones included. It survives the process
        being killed, so that the recorder can tell how many records went with it."""

    def append(self, line: bytes, accounted: int) -> None:
        """Write a line, which ends with a line feed. The caller counts its records as lost if that fails.

        `accounted` is how many of the records that were `seen` are in the lines so far, or said to be lost in them; the
        line says it too (`upto`).

        Raises:
            OSError: the spool has `max_bytes` already (ENOSPC), or it cannot be written. Nothing was written.
        """
        if size_of(self._directory) + len(line) > self._max_bytes:
            raise OSError(errno.ENOSPC, "the spool is full")
        if self._written and self._written + len(line) > self._file_bytes:
            self._next()
        self._write(line)
        self._accounted = accounted

    def close(self) -> None:
        """Complete the current file, and remove the count: no record is missing. Raises OSError."""
        self._write(END)
        os.close(self._file)
        self._count_path.unlink(missing_ok=True)

    def _made_count(self) -> mmap.mmap:
        """Create the file of the number of records, and map it. Raises OSError."""
        descriptor = os.open(self._count_path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE_FILE)
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            if file.write(bytes(8)) != 8:  # a write to a page that has no place on the disk would end the process
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return mmap.mmap(file.fileno(), 8)

    def _discard(self) -> None:
        """Close and remove the first file and the count, which nobody has used yet."""
        os.close(self._file)
        for path in (self._directory / file_name(self._run, self._number), self._count_path):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    @property
    def _count_path(self) -> Path:
        return self._directory / f"{self._run}{COUNT_SUFFIX}"

    def _next(self) -> None:
        self._number += 1
        opened = self._open()
        with contextlib.suppress(OSError):  # without its last line, the file is complete because a later one exists
            self._write(END)
        os.close(self._file)
        self._file, self._written = opened, 0
        self._write(b'{"upto":%d}\n' % self._accounted)

    def _open(self) -> int:
        path = self._directory / file_name(self._run, self._number)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, PRIVATE_FILE)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return descriptor

    def _write(self, data: bytes) -> None:
        """Write all or nothing: what was written of a line when the disk became full is removed. Raises OSError."""
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(self._file, left) :]
        except OSError:
            os.ftruncate(self._file, self._written)
            raise
        self._written += len(data)
