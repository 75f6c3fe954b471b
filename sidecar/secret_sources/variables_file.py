"""The values of variables.json, which the adapter writes; `${NAME}` in definitions takes them before those of the hub's
environment.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from bridge.masking.names import SHORTEST, is_secret
from bridge.settings.variables import MAX_FILE_BYTES, VARIABLES_FILE, parse_variables
from sidecar.observe.redaction import Redactor

log = logging.getLogger(__name__)


class VariablesFile(Mapping[str, str]):
    """The values of the file as it was last read, and behind them the environment. Secret values are masked."""

    def __init__(self, path: Path, redactor: Redactor, environ: Mapping[str, str] = os.environ) -> None:
        self._path = path
        self._redactor = redactor
        self._environ = environ
        self._stamp: tuple[int, int, int] | None = None
        self.in_file: dict[str, str] = {}
        """The values of the file alone; the object stays the same."""

    def __getitem__(self, name: str) -> str:
        return self.in_file[name] if name in self.in_file else self._environ[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._environ, **self.in_file})

    def __len__(self) -> int:
        return len({**self._environ, **self.in_file})

    def look(self) -> frozenset[str]:
        """Read the file again if it changed; returns the names whose values are others now.

        A file that cannot be read or parsed leaves the values as they are.
        """
        stamp = self._stamp_now()
        if stamp == self._stamp:
            return frozenset()
        self._stamp = stamp
        values = self._read() if stamp else {}
        if values is None:
            return frozenset()
        before = dict(self.in_file)
        self.in_file.clear()
        self.in_file.update(values)
        self._redactor.retire(VARIABLES_FILE)
        self._redactor.add(VARIABLES_FILE, (value for name, value in values.items() if _masked(name, value)))
        return frozenset(name for name in {*before, *values} if before.get(name) != values.get(name))

    def _stamp_now(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _read(self) -> dict[str, str] | None:
        try:
            with self._path.open("rb") as file:
                return parse_variables(file.read(MAX_FILE_BYTES + 1))
        except OSError as error:
            why = error.strerror or "it cannot be read"
        except ValueError as error:
            why = str(error)
        log.error("variables.json cannot be used; the last values stay in force", extra={"why": why})
        return None


def _masked(name: str, value: str) -> bool:
    """Whether a value is masked wherever it occurs: all but short ones under names that no secret has."""
    return len(value) >= SHORTEST or is_secret(name, value)
