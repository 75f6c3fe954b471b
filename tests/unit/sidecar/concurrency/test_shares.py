"""The share of a resource that one holder may have."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.concurrency.shares import may_take


def fill(held: dict[str, int], holder: str, capacity: int) -> None:
    """Have a holder take as much as it may."""
    while may_take(held.get(holder, 0), sum(held.values()), capacity, contested=True):
        held[holder] = held.get(holder, 0) + 1


@pytest.mark.parametrize(("holders", "each"), [(1, 50), (2, [50, 25]), (3, [50, 25, 13])])
def test_what_is_left_is_halved(holders: int, each: int | list[int]) -> None:
    """Holders that come one after the other, and let nothing go, have half of what each found."""
    held: dict[str, int] = {}
    for number in range(holders):
        fill(held, f"h{number}", 100)
    assert list(held.values()) == (each if isinstance(each, list) else [each])


@given(st.integers(1, 200), st.integers(1, 8))
def test_greedy_holders_at_once_have_equal_shares(capacity: int, holders: int) -> None:
    """Holders that take in turn end with the same share, but for one, and room is left for one more of them."""
    held = dict.fromkeys(map(str, range(holders)), 0)
    grown = True
    while grown:
        grown = False
        for holder in held:
            if may_take(held[holder], sum(held.values()), capacity, contested=True):
                held[holder] += 1
                grown = True
    assert max(held.values()) - min(held.values()) <= 1
    assert sum(held.values()) <= capacity
    if capacity > 2 * holders:
        assert capacity - sum(held.values()) >= capacity // (holders + 1) - 1


@given(st.integers(1, 50), st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=300))
def test_nobody_starves(capacity: int, steps: list[tuple[int, bool]]) -> None:
    """Whatever holders take and let go: only one that had nothing takes the last, so that a newcomer finds room."""
    held = dict.fromkeys(range(10), 0)
    for holder, takes in steps:
        if takes and may_take(held[holder], sum(held.values()), capacity, contested=True):
            held[holder] += 1
            assert held[holder] == 1 or may_take(0, sum(held.values()), capacity, contested=True)
        elif not takes and held[holder]:
            held[holder] -= 1
        assert sum(held.values()) <= capacity


@given(st.integers(1, 300), st.integers(0, 400))
def test_alone(capacity: int, used: int) -> None:
    """Where there is one holder only it may have everything."""
    assert may_take(used, used, capacity, contested=False) is (used < capacity)
