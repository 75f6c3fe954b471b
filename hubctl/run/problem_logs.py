"""Follow the logs of the hub's processes for lines that the user should see: warnings, errors, tracebacks."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from hubctl.render import clean

FILES = ("acceptor.log", "adapter.log", "sidecar.log", "front.log", "recorder.log")
SIZES_VARIABLE = "YAMCP_HUB_LOG_SIZES"
"""JSON: the size of each log file when the hub was started; older records are not printed."""
LEVELS = ("warning", "error", "critical")
MAX_NEW_BYTES = 256 * 1024
"""Maximum number of new bytes that are read of a file at once; older ones are skipped."""
POLL_MS, DEBOUNCE_MS = 50, 500
"""Interval between two checks for changes, and the time over which changes are collected, in milliseconds."""


def sizes(logs: Path) -> str:
    """Return the value of `SIZES_VARIABLE` for the present log files."""
    return json.dumps({name: _size(logs / name) for name in FILES})


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


class ProblemLogs:
    """The log files, and the position up to which each was read."""

    def __init__(self, logs: Path, known: Mapping[str, int]) -> None:
        self._logs = logs
        self._read = {name: known.get(name, 0) for name in FILES}
        self._inodes: dict[str, int] = {}

    def news(self) -> list[str]:
        """Return the new lines that the user should see."""
        return [line for name in FILES for line in self._lines(name) if is_problem(line)]

    def _lines(self, name: str) -> list[str]:
        try:
            with (self._logs / name).open("rb") as file:
                found = os.fstat(file.fileno())
                if found.st_size < self._read[name] or self._inodes.get(name, found.st_ino) != found.st_ino:
                    self._read[name] = 0  # supervisord has begun another file
                self._inodes[name] = found.st_ino
                file.seek(max(self._read[name], found.st_size - MAX_NEW_BYTES))
                start, raw = file.tell(), file.read(MAX_NEW_BYTES)
        except OSError:
            return []
        whole = raw.rfind(b"\n") + 1  # a line that is still being written is for the next time
        self._read[name] = start + whole
        return [clean(line) for line in raw[:whole].decode("utf-8", "replace").splitlines()]


def is_problem(line: str) -> bool:
    """Return whether a line is a log record from warning up, or no record: part of a traceback, or a crash message."""
    try:
        record = json.loads(line)
    except ValueError:
        return bool(line.strip())
    return not isinstance(record, dict) or record.get("level") in LEVELS


async def follow(logs: Path, tell: Callable[..., None]) -> None:
    """Pass each such line to `tell`, until cancelled."""
    from watchfiles import awatch  # noqa: PLC0415  # for those that want it: it is not small

    troubles = ProblemLogs(logs, json.loads(os.environ.get(SIZES_VARIABLE) or "{}"))
    tell(*troubles.news())
    async for _ in awatch(logs, step=POLL_MS, debounce=DEBOUNCE_MS, recursive=False):
        tell(*troubles.news())
