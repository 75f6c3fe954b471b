"""Which requests are traced."""

from __future__ import annotations

import random

import pytest

from sidecar.admission.context import CallContext, RequestContext, Visitor
from sidecar.tracing.sampler import MAX_POSTPONED, Sampler
from sidecar.tracing.trace_context import TraceContext

WAITING = RequestContext(Visitor(), "tools/call", {}, "w", 1, 0.0)
DIRECT = CallContext()


@pytest.mark.parametrize("share", [0, 0.5, 1])
@pytest.mark.parametrize("sampled", [True, False])
@pytest.mark.parametrize("call", [WAITING, DIRECT])
def test_the_client_decides_about_its_own_trace(share: float, sampled: bool, call: CallContext) -> None:
    """Whatever the share is."""
    assert Sampler(share).chooses(call, TraceContext(1, 2, sampled)) is sampled


@pytest.mark.parametrize("share", [0, 1])
def test_none_or_all(share: int) -> None:
    """Without any chance."""
    sampler = Sampler(share)
    assert {sampler.chooses(call, None) for call in (WAITING, DIRECT) * 100} == {bool(share)}


def test_a_share_of_direct_calls() -> None:
    """A call that is chosen comes again on the waiting way, where it is traced."""
    sampler, traced = Sampler(0.1, random.Random(5).random), 0
    for _ in range(10_000):
        if sampler.chooses(DIRECT, None):
            traced += sampler.chooses(WAITING, None)
    assert 900 < traced < 1_100


def test_a_share_of_waiting_requests() -> None:
    """Which were never on the direct way."""
    sampler = Sampler(0.1, random.Random(5).random)
    assert 900 < sum(sampler.chooses(WAITING, None) for _ in range(10_000)) < 1_100


def test_calls_that_never_come_again_are_forgotten() -> None:
    """As their clients are gone: no more than so many requests are chosen in their place."""
    sampler = Sampler(0.999, lambda: 0.5)
    assert all(sampler.chooses(DIRECT, None) for _ in range(2 * MAX_POSTPONED))
    sampler._random = lambda: 0.9999
    assert sum(sampler.chooses(WAITING, None) for _ in range(2 * MAX_POSTPONED)) == MAX_POSTPONED
