"""The newest records, and the curb on chatty servers."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from bridge.logs import JsonFormatter
from bridge.models import Logs
from sidecar.observe.log_buffer import MAX_SERVERS, LogBuffer, RateLimit
from sidecar.observe.redaction import Redactor


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """A logger of its own for each test."""
    logger = logging.getLogger("tests.logring")
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    yield logger
    logger.handlers.clear()
    logger.filters.clear()


def ring(logger: logging.Logger, **options: Any) -> LogBuffer:
    """A ring that gets what is logged."""
    redactor = Redactor()
    redactor.add("s", ["hunter22"])
    handler = LogBuffer(JsonFormatter("sidecar", redactor), **options)
    logger.addHandler(handler)
    return handler


def record(created: float, server: str | None = "s") -> logging.LogRecord:
    """A record of that time."""
    made = logging.makeLogRecord({"msg": "x", "created": created})
    if server:
        made.server = server
    return made


def test_records_are_kept_masked(logger: logging.Logger) -> None:
    """A record is kept with its fields, after the secrets filter."""
    kept = ring(logger)
    logger.info("password is %s", "hunter22", extra={"server": "s", "env": {"PASSWORD": "hunter22"}})
    (found,) = kept.newest(10)
    assert found["message"] == "password is ***"
    assert found["env"] == {"PASSWORD": "***"}
    assert (found["server"], found["level"], found["process"]) == ("s", "info", "sidecar")


def test_records_of_one_call_are_found(logger: logging.Logger) -> None:
    """By the hub's id or the client's, at any time; all that is asked for has to apply to a record."""
    kept = ring(logger)
    for message, at, extra in (
        ("stderr", 9.0, {"server": "s", "line": "before"}),
        ("stderr", 10.5, {"server": "s", "line": "meanwhile"}),
        ("stderr", 10.6, {"server": "t", "line": "of another"}),
        ("call failed", 12.0, {"correlation": "ab-1", "request_id": "mine"}),
        ("call failed", 10.5, {"correlation": "ab-10"}),
    ):
        record = logger.makeRecord("sidecar", logging.INFO, "", 0, message, (), None, extra=extra)
        record.created = at
        logger.handle(record)
    for id_ in ("ab-1", "mine"):
        assert [each["correlation"] for each in kept.newest(10, call=id_)] == ["ab-1"]
    assert kept.find(Logs(limit=10, since=10.0, until=11.0, call="ab-1")) == kept.newest(10, "s", "ab-1") == ()
    assert [each["line"] for each in kept.find(Logs(limit=10, server="s", since=10.0, until=11.0))] == ["meanwhile"]
    assert len(kept.find(Logs(limit=10, since=10.0))) == 4
    assert kept.find(Logs(limit=1, server="s", until=11.0))[0]["line"] == "meanwhile"


def test_only_the_newest_are_kept(logger: logging.Logger) -> None:
    """Oldest first, bounded, and by server when asked."""
    kept = ring(logger, capacity=3)
    for index in range(5):
        logger.info("%d", index, extra={"server": f"s{index % 2}"})
    assert [found["message"] for found in kept.newest(10)] == ["2", "3", "4"]
    assert [found["message"] for found in kept.newest(2)] == ["3", "4"]
    assert [found["message"] for found in kept.newest(10, "s0")] == ["2", "4"]
    assert kept.newest(10, "none") == ()


def test_listeners_are_told_once(logger: logging.Logger) -> None:
    """A listener that logs does not call itself."""
    told: list[str] = []

    def tell(fields: dict[str, Any]) -> None:
        told.append(fields["message"])
        logger.info("told %s", fields["message"])

    kept = ring(logger, on_record=tell)
    logger.info("a")
    logger.info("b")
    assert told == ["a", "b"]
    assert [found["message"] for found in kept.newest(10)] == ["a", "told a", "b", "told b"]


def test_a_listener_that_fails_stops_nothing(logger: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Logging goes on; the fault is handled as logging handles its own."""
    failed: list[logging.LogRecord] = []

    def fail(_: dict[str, Any]) -> None:
        raise RuntimeError("no")

    kept = ring(logger, on_record=fail)
    monkeypatch.setattr(kept, "handleError", failed.append)
    logger.info("a")
    logger.info("b")
    assert len(failed) == 2
    assert [found["message"] for found in kept.newest(10)] == ["a", "b"]


def test_a_mask_that_breaks_the_line(logger: logging.Logger) -> None:
    """A line that is no JSON any more is kept as text."""
    handler = LogBuffer(JsonFormatter("sidecar", lambda line: line.replace('"', "")))
    logger.addHandler(handler)
    logger.warning("text")
    (found,) = handler.newest(1)
    assert (found["level"], found["logger"]) == ("warning", "tests.logring")
    assert "message:text" in found["message"]


def test_chatter_is_limited_per_server() -> None:
    """So many a second pass; the next second says how many did not; other servers and the hub are not touched."""
    limit = RateLimit(rate=2)
    assert [limit.filter(record(10.0 + i / 10)) for i in range(5)] == [True, True, False, False, False]
    assert limit.filter(record(10.5, "other"))
    assert all(limit.filter(record(10.5, None)) for _ in range(5))
    following = record(11.1)
    assert limit.filter(following)
    assert vars(following)["suppressed"] == 3
    assert "suppressed" not in vars(record(11.2))


def test_a_clock_set_back_does_not_silence() -> None:
    """A window that lies in the future is begun anew."""
    limit = RateLimit(rate=1)
    assert [limit.filter(record(at)) for at in (100.0, 100.1, 50.0, 50.1)] == [True, False, True, False]


def test_as_many_servers_as_come_and_go() -> None:
    """What is kept of servers is bounded: with one too many, counting begins anew."""
    limit = RateLimit(rate=1)
    assert all(limit.filter(record(1.0, str(number))) for number in range(MAX_SERVERS))
    assert not limit.filter(record(1.1, "0"))
    assert limit.filter(record(1.1, "one more"))
    assert limit.filter(record(1.1, "0"))
