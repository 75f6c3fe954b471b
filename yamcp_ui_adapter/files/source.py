"""Reading the three files as they are found."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from yamcp_ui_adapter.errors import issue
from yamcp_ui_adapter.format.entries import Held, Reading

GRACE = 0.2
"""Seconds that a file which had entries must be missing before it counts as deleted: editors rename while they save."""


Stamp = tuple[int, int, int] | None


class Source:
    """Reads the files, by name; remembers what they looked like when it did."""

    def __init__(self, paths: Mapping[str, Path], clock: Callable[[], float] = time.monotonic) -> None:
        self.paths = dict(paths)
        self._clock = clock
        self._missing_since: dict[str, float] = {}
        self._stamps: dict[str, Stamp] = {}

    def read(self, expected: Collection[str], only: Collection[str] = ()) -> dict[str, Reading]:
        """Each file's reading. Those `expected` to exist must be missing for `GRACE` before they read as None."""
        return {name: self._read(name, name in expected) for name in self.paths if not only or name in only}

    def touched(self) -> bool:
        """Whether a file looks other than when it was read: a safety net for changes that nothing noticed."""
        return any(stamp != stamp_of(self.paths[name]) for name, stamp in self._stamps.items())

    def _read(self, name: str, expected: bool) -> Reading:
        path = self.paths[name]
        self._stamps[name] = stamp_of(path)
        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            return self._missing(name, expected)
        except OSError as error:
            self._missing_since.pop(name, None)
            message = f"{name} cannot be read ({error.strerror}); its last good version stays in use."
            return Held(issue("FILE_UNREADABLE", f"file:{name}", name, message))
        self._missing_since.pop(name, None)
        return raw

    def _missing(self, name: str, expected: bool) -> Reading:
        since = self._missing_since.setdefault(name, self._clock())
        return Held(None) if expected and self._clock() - since < GRACE else None


def stamp_of(path: Path) -> Stamp:
    """What a file looks like: another stamp, another content. None: it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
