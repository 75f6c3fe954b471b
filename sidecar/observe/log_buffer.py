"""The newest log records, kept for `hubctl logs` and told to whoever listens; and a curb on chatty servers."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Any

import orjson

from bridge.logs import JsonFormatter

SERVER_LOGGER = "sidecar.server"
"""Logger for what servers themselves say (stderr, log messages), with `extra={"server": key}`."""


class LogRing(logging.Handler):
    """Keeps the newest records, as the fields that the log line has, secrets masked.

    `on_record` is called with each; what it logs itself is kept, but not told again.
    """

    def __init__(
        self, formatter: JsonFormatter, on_record: Callable[[dict[str, Any]], None] | None = None, capacity: int = 2000
    ) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self._formatter = formatter
        self._records: deque[dict[str, Any]] = deque(maxlen=capacity)
        self._on_record = on_record
        self._telling = False

    def emit(self, record: logging.LogRecord) -> None:
        """Keep and tell one record."""
        try:
            fields = self._fields(record)
            self._records.append(fields)
            if self._on_record is not None and not self._telling:
                self._telling = True
                try:
                    self._on_record(fields)
                finally:
                    self._telling = False
        except Exception:  # logging.Handler's contract: a record that cannot be handled never stops the program
            self.handleError(record)

    def newest(self, limit: int, server: str | None = None) -> tuple[dict[str, Any], ...]:
        """At most `limit` records, oldest first; only those of one server if that is named."""
        found = list(self._records) if server is None else [r for r in self._records if r.get("server") == server]
        return tuple(found[-limit:])

    def _fields(self, record: logging.LogRecord) -> dict[str, Any]:
        line = self._formatter.format(record)
        try:
            fields: dict[str, Any] = orjson.loads(line)
        except orjson.JSONDecodeError:  # a mask that took a bracket or a quote with it
            fields = {"level": record.levelname.lower(), "logger": record.name, "message": line}
        return fields


MOST_SERVERS = 1000
"""Servers whose records are counted at a time; where there are more, counting begins anew."""


class ChatterLimit(logging.Filter):
    """Lets at most `rate` records a second of each server pass; put it on the logger `SERVER_LOGGER`.

    The next record that passes says in `suppressed` how many were not let through.
    """

    def __init__(self, rate: int = 50) -> None:
        super().__init__()
        self._rate = rate
        self._windows: dict[str, _Window] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record may pass; one that belongs to no server always may."""
        server = getattr(record, "server", None)
        if not isinstance(server, str):
            return True
        if len(self._windows) >= MOST_SERVERS and server not in self._windows:
            self._windows.clear()
        window = self._windows.setdefault(server, _Window(record.created))
        if not 0 <= record.created - window.since < 1:
            window.since, window.passed = record.created, 0
        if window.passed >= self._rate:
            window.suppressed += 1
            return False
        window.passed += 1
        if window.suppressed:
            record.suppressed, window.suppressed = window.suppressed, 0
        return True


class _Window:
    """One server's present second."""

    __slots__ = ("passed", "since", "suppressed")

    def __init__(self, since: float) -> None:
        self.since = since
        self.passed = 0
        self.suppressed = 0
