"""The generic cell rate algorithm admits what a token bucket of the same rate and burst admits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sidecar.quotas.gcra import Gcra
from tests.support.properties import examples

MOMENTS = st.lists(st.floats(0, 20, allow_nan=False), min_size=1, max_size=60).map(sorted)


def admitted(gcra: Gcra, moments: list[float]) -> list[float]:
    """Those of the moments at which a request conforms; each is counted."""
    found = []
    for moment in moments:
        if gcra.wait(moment) <= 0:
            gcra.charge(moment)
            found.append(moment)
    return found


def test_a_burst_then_the_rate() -> None:
    """Of ten requests at once three are admitted, and one more each half second."""
    gcra = Gcra(2, 3)
    assert admitted(gcra, [100.0] * 10) == [100.0] * 3
    assert 0.49 < gcra.wait(100.0) <= 0.5
    assert admitted(gcra, [100.4, 100.5, 100.6, 100.9, 101.0]) == [100.5, 101.0]
    assert admitted(gcra, [200.0] * 10) == [200.0] * 3, "the burst is full again"


@examples(150)
@given(rate=st.floats(0.1, 50), burst=st.integers(1, 20), moments=MOMENTS)
def test_as_a_token_bucket(rate: float, burst: int, moments: list[float]) -> None:
    """In no interval are more admitted than the burst and what the rate allows, and none is refused while the bucket
    has a token."""
    gcra, tokens, last = Gcra(rate, burst), float(burst), 0.0
    for moment in moments:
        tokens, last = min(float(burst), tokens + (moment - last) * rate), moment
        fits = gcra.wait(moment) <= 0
        if abs(tokens - 1) > 1e-3:
            assert fits == (tokens >= 1)
        if fits:
            gcra.charge(moment)
            tokens = max(0.0, tokens - 1)


@examples(150)
@given(
    rate=st.floats(0.5, 5),
    burst=st.integers(1, 5),
    steps=st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.floats(0, 1)), max_size=60),
)
def test_what_is_taken_back_admits_no_more(rate: float, burst: int, steps: list[tuple[float, bool, float]]) -> None:
    """The rate holds for the requests that began, however many others were taken back, and how late."""
    gcra, now, began = Gcra(rate, burst), 0.0, []
    pending: list[tuple[float, float]] = []  # when it is taken back, when it was charged
    for pause, stays, later in steps:
        now += pause
        for due, charged in [each for each in pending if each[0] <= now]:
            gcra.refund(due, charged)
        pending = [each for each in pending if each[0] > now]
        if gcra.wait(now) <= 0:
            gcra.charge(now)
            if stays:
                began.append(now)
            else:
                pending.append((now + later, now))
    for first, start in enumerate(began):
        for last in range(first, len(began)):
            assert last - first + 1 <= burst + (began[last] - start) * rate + 1e-3


def test_taken_back_at_once() -> None:
    """It is as if the request had never been."""
    gcra = Gcra(1, 2)
    for _ in range(20):
        assert gcra.wait(5.0) <= 0
        gcra.charge(5.0)
        gcra.refund(5.0, 5.0)
    assert admitted(gcra, [5.0] * 5) == [5.0, 5.0]
