"""JSON logging: one line per record, with the fields of `extra`, and secrets masked."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson

_LINE = "_json_line"
_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", _LINE}


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON line: time, level, process, logger, message, and the record's extra fields."""

    def __init__(self, process: str, redact: Callable[[str], str] = lambda text: text) -> None:
        super().__init__()
        self._process = process
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """The record's line with secrets masked. It is cached in the record, as several handlers may format it."""
        made: tuple[JsonFormatter, str] | None = getattr(record, _LINE, None)
        if made is None or made[0] is not self:
            made = self, self._line(record)
            setattr(record, _LINE, made)
        return made[1]

    def _line(self, record: logging.LogRecord) -> str:
        fields = self.fields(record)
        try:
            line = orjson.dumps(fields, default=str).decode()
        except TypeError:  # lone surrogates, large integers
            line = json.dumps(fields, default=str, skipkeys=True)
        return self._redact(line)

    def fields(self, record: logging.LogRecord) -> dict[str, Any]:
        """The fields of the record's line, before masking."""
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "process": self._process,
            "logger": record.name,
            "message": record.getMessage(),
        }
        fields.update({key: value for key, value in vars(record).items() if key not in _PLAIN})
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return fields


def configure(process: str, level: str, redact: Callable[[str], str] = lambda text: text) -> JsonFormatter:
    """Send all logging of this process to stderr as JSON lines; returns the formatter in use."""
    formatter = JsonFormatter(process, redact)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    return formatter
