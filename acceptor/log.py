"""Log lines of this process, as those of the others (bridge/logs.py): one JSON object a line, on stderr."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from datetime import UTC, datetime

LEVELS = ("debug", "info", "warning", "error")
PERIOD = 10.0
"""Seconds between two lines about the same."""


class Log:
    """Writes lines of at least one level."""

    def __init__(self, level: str = "info") -> None:
        self._least = LEVELS.index(level)
        self._told: dict[str, float] = {}
        self._untold: dict[str, int] = {}

    def write(self, level: str, message: str, **fields: object) -> None:
        """Write a line."""
        if LEVELS.index(level) < self._least:
            return
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = {"time": now, "level": level, "process": "acceptor", "logger": "acceptor", "message": message}
        with contextlib.suppress(OSError):  # nobody reads it any more
            print(json.dumps(line | fields, default=str), file=sys.stderr, flush=True)

    def sometimes(self, code: str, message: str) -> None:
        """Write a warning at most once in `PERIOD`, however often it happens; `times` says how often it did."""
        self._untold[code] = self._untold.get(code, 0) + 1
        now = time.monotonic()
        if now - self._told.get(code, float("-inf")) >= PERIOD:
            self._told[code] = now
            self.write("warning", message, code=code, times=self._untold.pop(code))
