"""What the hub's processes log that somebody should see without a look into files: warnings, errors, tracebacks."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from hubctl.render import clean

FILES = ("acceptor.log", "adapter.log", "sidecar.log", "front.log")
SIZES_VARIABLE = "YAMCP_HUB_LOG_SIZES"
"""JSON: how long each file was when the hub was started, so that what was logged before is not told again."""
LEVELS = ("warning", "error", "critical")
LARGEST = 256 * 1024
"""Bytes that are read at once of what was logged meanwhile; what is before is left out."""
STEP, SETTLE = 50, 500
"""Milliseconds between looks for changes that were told, and those that changes are collected for."""


def sizes(logs: Path) -> str:
    """The value of `SIZES_VARIABLE`."""
    return json.dumps({name: _size(logs / name) for name in FILES})


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


class Troubles:
    """The files, and how far each was read."""

    def __init__(self, logs: Path, known: Mapping[str, int]) -> None:
        self._logs = logs
        self._read = {name: known.get(name, 0) for name in FILES}
        self._inodes: dict[str, int] = {}

    def news(self) -> list[str]:
        """The lines that came since the last time and that somebody should see."""
        return [line for name in FILES for line in self._lines(name) if matters(line)]

    def _lines(self, name: str) -> list[str]:
        try:
            with (self._logs / name).open("rb") as file:
                found = os.fstat(file.fileno())
                if found.st_size < self._read[name] or self._inodes.get(name, found.st_ino) != found.st_ino:
                    self._read[name] = 0  # supervisord has begun another file
                self._inodes[name] = found.st_ino
                file.seek(max(self._read[name], found.st_size - LARGEST))
                start, raw = file.tell(), file.read(LARGEST)
        except OSError:
            return []
        whole = raw.rfind(b"\n") + 1  # a line that is still being written is for the next time
        self._read[name] = start + whole
        return [clean(line) for line in raw[:whole].decode("utf-8", "replace").splitlines()]


def matters(line: str) -> bool:
    """Whether a line is a record of a warning or worse, or no record: a traceback, or what a process dies with."""
    try:
        record = json.loads(line)
    except ValueError:
        return bool(line.strip())
    return not isinstance(record, dict) or record.get("level") in LEVELS


async def follow(logs: Path, tell: Callable[..., None]) -> None:
    """Tell of each such line, until cancelled."""
    from watchfiles import awatch  # noqa: PLC0415  # for those that want it: it is not small

    troubles = Troubles(logs, json.loads(os.environ.get(SIZES_VARIABLE) or "{}"))
    tell(*troubles.news())
    async for _ in awatch(logs, step=STEP, debounce=SETTLE, recursive=False):
        tell(*troubles.news())
