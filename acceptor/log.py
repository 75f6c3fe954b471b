"""The log of this process: JSON lines on stderr, in the format of bridge/logs.py."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from datetime import UTC, datetime

LEVELS = ("debug", "info", "warning", "error")
WARNING_INTERVAL = 10.0
"""Minimum number of seconds between two warnings with the same code."""


class Log:
    """Writes log lines of a minimum level."""

    def __init__(self, level: str = "info") -> None:
        self._minimum = LEVELS.index(level)
        self._written_at: dict[str, float] = {}
        self._suppressed: dict[str, int] = {}

    def write(self, level: str, message: str, **fields: object) -> None:
        """Write a line, with further fields."""
        if LEVELS.index(level) < self._minimum:
            return
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = {"time": now, "level": level, "process": "acceptor", "logger": "acceptor", "message": message}
        with contextlib.suppress(OSError):  # the reader of stderr has gone
            print(json.dumps(line | fields, default=str), file=sys.stderr, flush=True)

    def sometimes(self, code: str, message: str) -> None:
        """Write a warning at most once per `WARNING_INTERVAL`; its field `times` tells how often it has happened."""
        self._suppressed[code] = self._suppressed.get(code, 0) + 1
        now = time.monotonic()
        if now - self._written_at.get(code, float("-inf")) >= WARNING_INTERVAL:
            self._written_at[code] = now
            self.write("warning", message, code=code, times=self._suppressed.pop(code))
