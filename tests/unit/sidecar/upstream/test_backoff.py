"""How long is waited before a server is tried again."""

from __future__ import annotations

import pytest

from sidecar.upstream import backoff
from sidecar.upstream.backoff import Backoff


class Clock:
    """Time that passes only when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that the backoff reads."""
    clock = Clock()
    monkeypatch.setattr(backoff, "time", clock)
    return clock


def test_growth(clock: Clock) -> None:
    """Waits double, and stay below the time in which a mended server must be back."""
    waits = Backoff()
    assert [waits.next_delay(0.01) for _ in range(7)] == [0.25, 0.5, 1, 2, 4, 4, 4]
    assert waits.attempts == 7
    assert not waits.failing_for_long


def test_rarely(clock: Clock) -> None:
    """What has failed for long is tried the more rarely the longer an attempt takes, within limits."""
    waits = Backoff()
    waits.next_delay(0.01)
    clock.now += backoff.LONG_FAILURE_SECONDS + 1
    assert waits.next_delay(0.01) == backoff.MAX_DELAY
    assert waits.next_delay(1) == backoff.LATE_DELAY_FACTOR
    assert waits.next_delay(60) == backoff.MAX_LATE_DELAY
    assert waits.failing_for_long
    waits.reset()
    assert waits.next_delay(0.01) == backoff.FIRST_DELAY


def test_ready_for_a_while(clock: Clock) -> None:
    """A server that was ready for a while starts from the shortest wait; one that crashes at once does not."""
    waits = Backoff()
    waits.next_delay(0.01)
    waits.next_delay(0.01)
    waits.ready()
    clock.now += backoff.STABLE_SECONDS - 1
    assert waits.next_delay(0.01) == 1
    waits.ready()
    clock.now += backoff.STABLE_SECONDS
    assert waits.next_delay(0.01) == backoff.FIRST_DELAY
    assert waits.attempts == 1


def test_useful() -> None:
    """A server that answered something before it ended is tried again as at first, however soon it ends each time."""
    backoff = Backoff()
    for _ in range(10):
        backoff.ready()
        backoff.has_answered = True
        assert backoff.next_delay(0.1) == 0.25
    backoff.ready()
    assert backoff.next_delay(0.1) == 0.5
