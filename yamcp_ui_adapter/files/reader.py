"""Reads the three files."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from yamcp_ui_adapter.errors import issue
from yamcp_ui_adapter.files.regular import read_regular
from yamcp_ui_adapter.format.entries import KeepLastGood, Reading

DELETION_GRACE_SECONDS = 0.2
"""Seconds that a file with entries must be missing before it counts as deleted, because editors rename while they save.
"""


Stamp = tuple[int, int, int] | None


class FileReader:
    """Reads the files by name, and remembers the stamp of each at the last read."""

    def __init__(self, paths: Mapping[str, Path], clock: Callable[[], float] = time.monotonic) -> None:
        self.paths = dict(paths)
        self._clock = clock
        self._missing_since: dict[str, float] = {}
        self._stamps: dict[str, Stamp] = {}

    def read(self, expected: Collection[str], only: Collection[str] = ()) -> dict[str, Reading]:
        """Return the reading of each file, or of those in `only`. A file in `expected` must be missing for
        `DELETION_GRACE_SECONDS` before its reading is None.
        """
        return {name: self._read(name, name in expected) for name in self.paths if not only or name in only}

    def changed(self) -> bool:
        """Return whether a file's stamp differs from that of the last read. Finds changes that the watcher missed."""
        return any(stamp != file_stamp(self.paths[name]) for name, stamp in self._stamps.items())

    def _read(self, name: str, expected: bool) -> Reading:
        path = self.paths[name]
        self._stamps[name] = file_stamp(path)
        try:
            raw = read_regular(path)
        except FileNotFoundError:
            return self._missing(name, expected)
        except OSError as error:
            self._missing_since.pop(name, None)
            message = f"{name} cannot be read ({error.strerror}); its last good version stays in use."
            return KeepLastGood(issue("FILE_UNREADABLE", f"file:{name}", name, message))
        self._missing_since.pop(name, None)
        return raw

    def _missing(self, name: str, expected: bool) -> Reading:
        since = self._missing_since.setdefault(name, self._clock())
        return KeepLastGood(None) if expected and self._clock() - since < DELETION_GRACE_SECONDS else None


def file_stamp(path: Path) -> Stamp:
    """Return a file's inode, modification time (ns) and size, which change with its content; None if it does
    not exist.
    """
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
