"""A ring buffer of the newest log records, for `hubctl logs`; and a rate limit for records of servers."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Any

import orjson

from bridge.logs import JsonFormatter
from bridge.models import Logs

SERVER_LOGGER = "sidecar.server"
"""Logger for output of the servers (stderr lines, log messages); records have `extra={"server": key}`."""

CALL_FIELDS = ("correlation", "request_id")
"""The fields of a record with the ids of the request that it is about: the hub's, and the client's."""


class LogBuffer(logging.Handler):
    """Keeps the newest `capacity` records, as the fields of their JSON log lines with secrets masked.

    `on_record` is called with each record, except for records that it logs itself, which would recurse.
    """

    def __init__(
        self, formatter: JsonFormatter, on_record: Callable[[dict[str, Any]], None] | None = None, capacity: int = 2000
    ) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self._formatter = formatter
        self._records: deque[dict[str, Any]] = deque(maxlen=capacity)
        self._on_record = on_record
        self._notifying = False

    def emit(self, record: logging.LogRecord) -> None:
        """Store one record, and pass it to `on_record`."""
        try:
            fields = self._fields(record)
            self._records.append(fields)
            if self._on_record is not None and not self._notifying:
                self._notifying = True
                try:
                    self._on_record(fields)
                finally:
                    self._notifying = False
        except Exception:  # logging.Handler's contract: a record that cannot be handled never stops the program
            self.handleError(record)

    def newest(self, limit: int, server: str | None = None, call: str | None = None) -> tuple[dict[str, Any], ...]:
        """The newest `limit` records, oldest first: those of this server, and about this request, where it is given."""
        return self.find(Logs(limit=limit, server=server, call=call))

    def find(self, request: Logs) -> tuple[dict[str, Any], ...]:
        """Return the newest records that the request asks for, oldest first."""
        return tuple([record for record in self._records if _wanted(record, request)][-request.limit :])

    def _fields(self, record: logging.LogRecord) -> dict[str, Any]:
        line = self._formatter.format(record)
        try:
            fields: dict[str, Any] = orjson.loads(line)
        except orjson.JSONDecodeError:  # masking replaced a bracket or quote of the JSON
            fields = {"level": record.levelname.lower(), "logger": record.name, "message": line}
        return fields


def _wanted(record: dict[str, Any], request: Logs) -> bool:
    """Return whether a request for records asks for this one."""
    if request.call is not None and request.call not in map(record.get, CALL_FIELDS):
        return False
    if request.server is not None and record.get("server") != request.server:
        return False
    if request.since is None and request.until is None:
        return True
    try:
        at = datetime.fromisoformat(str(record.get("time"))).timestamp()
    except ValueError:  # masking replaced a part of it
        return False
    return (request.since is None or at >= request.since) and (request.until is None or at <= request.until)


MAX_SERVERS = 1000
"""Servers with a counter. Beyond that all counters are reset."""


class RateLimit(logging.Filter):
    """Drops records of a server beyond `rate` per second. For the logger SERVER_LOGGER.

    The next record that passes has the number of dropped ones in `suppressed`.
    """

    def __init__(self, rate: int = 50) -> None:
        super().__init__()
        self._rate = rate
        self._windows: dict[str, _Window] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record passes. Records without a server always do."""
        server = getattr(record, "server", None)
        if not isinstance(server, str):
            return True
        if len(self._windows) >= MAX_SERVERS and server not in self._windows:
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
    """The counters of one server for the current second."""

    __slots__ = ("passed", "since", "suppressed")

    def __init__(self, since: float) -> None:
        self.since = since
        self.passed = 0
        self.suppressed = 0
