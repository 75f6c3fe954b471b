"""Coverage data of killed processes: `python -m tests.coverage_files DIRECTORY` removes the files that are incomplete.

Tests kill processes. One that is killed while it writes its coverage data leaves a part of an SQLite database. Of such
a file `coverage combine` and pytest-cov say "database disk image is malformed", and fail the whole run.
"""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from collections.abc import Iterable
from pathlib import Path

from coverage import CoverageData
from coverage.exceptions import CoverageException


def is_complete(path: Path) -> bool:
    """Whether a file is a coverage database, and each of its pages can be read."""
    try:
        with contextlib.closing(sqlite3.connect(path)) as database:
            sound = database.execute("pragma quick_check").fetchall() == [("ok",)]
        CoverageData(str(path), read_only=True).read()
    except (sqlite3.Error, CoverageException):
        return False
    return sound


def remove_incomplete(paths: Iterable[Path]) -> list[Path]:
    """Remove the files that are not complete, and say so on stderr; returns their paths."""
    incomplete = [path for path in paths if not is_complete(path)]
    for path in incomplete:
        print(f"coverage: {path.name} is left out: its process was killed while it wrote", file=sys.stderr)
        path.unlink()
    return incomplete


if __name__ == "__main__":
    remove_incomplete(Path(sys.argv[1]).glob(".coverage.*"))
