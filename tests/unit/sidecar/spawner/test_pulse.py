"""When a spawner that does not answer is hung, and when it only waits."""

from __future__ import annotations

import pytest

from sidecar.spawner.pulse import Look, Pulse

PERIOD = 2.0


def silent(*looks: Look | None, limit: float = 6.0) -> list[float | None]:
    """What each beat finds when it sees these, `PERIOD` seconds apart, and nothing is heard."""
    pulse, found, now = Pulse(limit, 0.0), [], 0.0
    for look in looks:
        now += PERIOD
        found.append(pulse.beat(now, look))
    return found


def test_hung_after_the_limit() -> None:
    """A process that sleeps or is stopped has no excuse; nor has one of which nothing is known."""
    assert silent(*[Look("S", 0.0)] * 3) == [None, None, 6.0]
    assert silent(*[Look("T", 0.0)] * 3) == [None, None, 6.0]
    assert silent(*[None] * 3) == [None, None, 6.0]


def test_an_answer_begins_anew() -> None:
    """Only silence without a break counts."""
    pulse = Pulse(3.0, 0.0)
    for round_ in range(1, 10):
        assert pulse.beat(round_ * PERIOD, Look("S", 0.0)) is None
        pulse.heard()


@pytest.mark.parametrize("state", ["D", "t"])
def test_a_disk_and_a_debugger_are_excuses(state: str) -> None:
    """Such a process cannot answer."""
    assert silent(*[Look(state, 0.0)] * 9) == [None] * 9


def test_waiting_for_a_processor_is_an_excuse() -> None:
    """The seconds that it waited do not count; the rest does."""
    assert silent(*(Look("R", PERIOD * n) for n in range(9))) == [None] * 9
    assert silent(*(Look("R", n * PERIOD / 2) for n in range(1, 9)))[-2:] == [8.0, 9.0]


def test_a_pause_of_the_sidecar_is_an_excuse() -> None:
    """Who did not run has heard nothing: all begins anew."""
    pulse = Pulse(6.0, 0.0)
    assert pulse.beat(5.9, Look("S", 0.0)) is None
    assert pulse.beat(60.0, Look("S", 0.0)) is None
    assert pulse.beat(62.0, Look("S", 0.0)) is None
