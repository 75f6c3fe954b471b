"""bridge.logs: one JSON line an event, after the secrets filter."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.logs import JsonFormatter, configure


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, put back afterwards."""
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    yield logger
    logger.handlers[:] = handlers
    logger.setLevel(level)


def record(message: str = "hello %s", *args: object, **extra: object) -> logging.LogRecord:
    return logging.getLogger("hub.test").makeRecord(
        "hub.test", logging.INFO, "x.py", 1, message, args, None, "f", extra
    )


def test_a_record_is_one_line_of_json_with_its_extra_fields() -> None:
    """Time, level, process, logger and message, then the fields that `extra` gave; nothing else."""
    line = JsonFormatter("sidecar").format(record("hello %s", "there\nnow", server="time", path=Path("/x")))
    assert "\n" not in line
    fields = json.loads(line)
    assert fields.pop("time").endswith("+00:00")
    assert fields == {
        "level": "info",
        "process": "sidecar",
        "logger": "hub.test",
        "message": "hello there\nnow",
        "server": "time",
        "path": "/x",
    }


def test_an_exception_is_a_field() -> None:
    """A traceback stays in the one line of its record."""
    entry = record("failed")
    try:
        int("why")
    except ValueError:
        entry.exc_info = sys.exc_info()
    fields = json.loads(JsonFormatter("sidecar").format(entry))
    assert fields["exception"].endswith("with base 10: 'why'")


def test_secrets_are_masked_wherever_they_are() -> None:
    """The filter sees the whole line, extra fields included."""
    formatter = JsonFormatter("sidecar", lambda text: text.replace("hunter2", "***"))
    line = formatter.format(record("key is hunter2", env={"KEY": "hunter2"}))
    assert "hunter2" not in line
    assert json.loads(line)["env"] == {"KEY": "***"}


def test_configure_sends_everything_to_stderr(root: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    """After `configure` there is one handler, of the level asked for, and other handlers are gone."""
    root.addHandler(logging.NullHandler())
    configure("adapter", "warning")
    assert len(root.handlers) == 1
    logging.getLogger("hub").info("too little")
    logging.getLogger("hub").warning("enough")
    out, err = capsys.readouterr()
    assert out == ""
    assert [json.loads(line)["message"] for line in err.splitlines()] == ["enough"]


def test_what_orjson_refuses() -> None:
    """Lone surrogates and large integers do not cost the line."""
    record = logging.makeLogRecord({"msg": "m", "data": {"a": "\ud800", "b": 2**70}})
    assert json.loads(JsonFormatter("p").format(record))["data"] == {"a": "\ud800", "b": 2**70}


def test_a_record_is_masked_once() -> None:
    """However many handlers write it; another formatter makes its own line."""
    masked: list[str] = []

    def mask(line: str) -> str:
        masked.append(line)
        return line.replace("secret", "***")

    record = logging.makeLogRecord({"msg": "a secret"})
    formatter = JsonFormatter("p", mask)
    first, second = formatter.format(record), formatter.format(record)
    assert first == second
    assert len(masked) == 1
    assert json.loads(first)["message"] == "a ***"
    assert json.loads(JsonFormatter("q").format(record)) == {**json.loads(first), "process": "q", "message": "a secret"}
