"""How long is waited before a server is tried again."""

from __future__ import annotations

import pytest

from sidecar.errors import (
    CommandMissing,
    DirectoryMissing,
    Refused,
    ServerExited,
    SidecarError,
    VariableMissing,
)
from sidecar.supervision import backoff
from sidecar.supervision.backoff import Backoff
from sidecar.supervision.permanent_failures import permanent_after


class Clock:
    """Time that passes only when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that the backoff reads; delays are not shortened at random."""
    clock = Clock()
    monkeypatch.setattr(backoff, "JITTER", 0)
    monkeypatch.setattr(backoff, "time", clock)
    return clock


def test_growth(clock: Clock) -> None:
    """Waits double, and stay below the time in which a mended server must be back."""
    waits = Backoff()
    assert [waits.next_delay(0.01) for _ in range(7)] == [0.25, 0.5, 1, 2, 3, 3, 3]
    assert waits.attempts == 7
    assert not waits.failing_for_long


def test_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers that failed together are not all tried at the same moment: a delay is up to a quarter shorter."""
    monkeypatch.setattr(backoff, "JITTER", 0.25)
    delays = {Backoff().next_delay(0.1) for _ in range(50)}
    assert len(delays) > 40
    assert all(0.1875 <= delay <= 0.25 for delay in delays)


def test_down() -> None:
    """After three failed starts in a row a server counts as down, until it is reset."""
    waits, down = Backoff(), []
    for _ in range(4):
        waits.next_delay(0.1)
        down.append(waits.down)
    assert down == [False, False, True, True]
    waits.reset()
    assert not waits.down


@pytest.mark.parametrize(
    ("error", "delays"),
    [
        (VariableMissing("x"), [180, 180, 180, 180]),
        (CommandMissing("x"), [0.25, 0.5, 180, 180]),
        (DirectoryMissing("x"), [0.25, 0.5, 180, 180]),
        (Refused("x", data={"status": 401}), [0.25, 0.5, 180, 180]),
        (Refused("x", data={"status": 403}), [0.25, 0.5, 180, 180]),
        (Refused("x", data={"status": 404}), [0.25, 0.5, 180, 180]),
        (Refused("x", data={"status": 503}), [0.25, 0.5, 1, 2]),
        (ServerExited("x"), [0.25, 0.5, 1, 2]),
    ],
)
def test_what_does_not_mend_itself(error: SidecarError, delays: list[float]) -> None:
    """It is tried every few minutes only, after some quick attempts where it may be over soon; and is hopeless then."""
    waits = Backoff()
    assert [waits.next_delay(0.1, permanent_after(error)) for _ in delays] == delays
    assert waits.hopeless == (180 in delays)
    assert waits.next_delay(0.1, permanent_after(ServerExited("x"))) == 3  # another fault, which may mend itself
    assert not waits.hopeless


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
