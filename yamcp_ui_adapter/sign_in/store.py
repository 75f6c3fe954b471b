"""Writes `credentials.jsonl`: appends lines, and replaces the file by a compacted one. Only the adapter writes it."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bridge.credentials.records import AnyRecord, ClientEnd, ClientRecord, GrantUsed, Head, line_of, record_of
from bridge.private import PRIVATE_FILE, write_file
from yamcp_ui_adapter.errors import DataDirUnusable

log = logging.getLogger(__name__)

COMPACT_BYTES = 1 << 20
"""A journal that is larger is compacted once it has twice the size that it had after the last time."""
NOT_SYNCED = (ClientRecord, ClientEnd, GrantUsed)
"""Records that may be lost in a power failure: anybody may cause them, and none ends a token."""


class Store:
    """The journal file. `load` comes first; `close` at the end.

    Errors: what cannot be written raises DataDirUnusable, and is not in the file afterwards. A reader may have seen a
    part of it already, so that the next write replaces the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None
        self._size = 0
        self._compacted = 0
        """Bytes after the last compaction."""
        self._replace = False
        """Whether the file has to be replaced before anything is appended."""

    def load(self) -> list[AnyRecord]:
        """Open the file and return its records, none if it does not exist. A last line without its end, as a crash or a
        power failure leaves it, is dropped, and other invalid lines are skipped; both are logged.

        Raises:
            DataDirUnusable: the file cannot be read.
        """
        self.close()
        self._size, self._compacted, self._replace = 0, 0, False
        try:
            self._open()
            content = self.path.read_bytes()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise DataDirUnusable(f"{self.path} cannot be read: {error.strerror}.") from None
        lines = content.split(b"\n")
        if lines.pop():
            log.warning("the last line of the journal is not complete: dropped", extra={"file": str(self.path)})
            self._replace = True
        found = [self._record(line) for line in lines]
        self._replace = self._replace or not lines or not isinstance(found[0], Head)
        self._size = self._compacted = len(content)
        return [record for record in found if record is not None]

    @property
    def taken(self) -> bool:
        """Whether somebody has made, removed, replaced or overwritten the file since it was opened: it has to be loaded
        again.

        Raises:
            DataDirUnusable: that cannot be found out.
        """
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return self._file is not None
        except OSError as error:
            raise DataDirUnusable(f"{self.path} cannot be read: {error.strerror}.") from None
        if self._file is None or found.st_ino != os.fstat(self._file).st_ino:
            return True
        return found.st_size != self._size and not self._replace  # else it has the rest of a failed write

    @property
    def grown(self) -> bool:
        """Whether it is time to compact the file."""
        return self._size > max(COMPACT_BYTES, 2 * self._compacted)

    def append(self, records: Sequence[AnyRecord], present: Iterable[AnyRecord]) -> None:
        """Write records at the end of the file; on disk, unless all of them may be lost (`NOT_SYNCED`).

        `present` are the records of the state before, which are written first if the file does not exist or has to be
        replaced. Raises DataDirUnusable.
        """
        if self._replace or self._file is None:
            self.compact([*present, *records])
            return
        data = b"".join(map(line_of, records))
        sync = not all(isinstance(record, NOT_SYNCED) for record in records)
        try:
            _write(self._file, data, sync=sync)
        except OSError as error:
            self._undo(self._file)
            raise self._unusable(error) from None
        self._size += len(data)

    def compact(self, records: Iterable[AnyRecord]) -> None:
        """Replace the file by one with these records.

        Raises:
            DataDirUnusable: the file is as before, or has to be loaded again (`taken`).
        """
        head = Head(id=secrets.token_hex(8))
        data = b"".join(map(line_of, (head, *records)))
        try:
            write_file(self.path, data)
            _sync_directory(self.path.parent)
            self.close()
            self._open()
        except OSError as error:
            raise self._unusable(error) from None
        self._size = self._compacted = len(data)
        self._replace = False

    def close(self) -> None:
        """Close the file, if it is open."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open(self) -> None:
        self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        os.fchmod(self._file, PRIVATE_FILE)

    def _undo(self, file: int) -> None:
        self._replace = True
        try:
            os.ftruncate(file, self._size)
        except OSError as error:
            log.warning("a failed write to the journal stays in it", extra={"why": error.strerror})

    def _record(self, line: bytes) -> AnyRecord | None:
        why: dict[str, Any] = {}
        try:
            return record_of(line)
        except ValueError as error:
            why = {"file": str(self.path), "why": str(error)}
        log.error("a line of the journal cannot be used", extra=why)
        return None

    def _unusable(self, error: OSError) -> DataDirUnusable:
        return DataDirUnusable(f"{self.path} cannot be written: {error.strerror}.")


def _write(file: int, data: bytes, *, sync: bool) -> None:
    """Write all, or raise OSError."""
    written = 0
    while written < len(data):
        written += os.write(file, data[written:])
    if sync:
        os.fsync(file)


def _sync_directory(path: Path) -> None:
    """Make sure that a rename in the directory is on disk."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
