"""The limits of a principal are those of all entries that name it; entries for some tools count these by themselves."""

from __future__ import annotations

import math

from bridge.keys import Principal
from bridge.models.access_file import AccessLimit
from sidecar.quotas.plan import Bounds, Plan, Scope, plan_of

CI = Principal("k0000001", "ci", subjects=frozenset({"key:k0000001", "key:ci"}))
ADA = Principal("u1", "Ada", subjects=frozenset({"email:ada@example.com", "group:dev"}))


def test_the_lowest_of_each_kind() -> None:
    """Entries for everybody, for a group and for one's own address apply together; those of others do not."""
    entries = [
        AccessLimit(subject="*", requests_per_second=50, burst=100, concurrent=32, sessions=5, bytes_per_day=10**9),
        AccessLimit(subject="group:dev", requests_per_second=2.5, concurrent=64, calls_per_day=100),
        AccessLimit(subject="email:ada@example.com", concurrent=4, sessions=9),
        AccessLimit(subject="key:ci", concurrent=1, calls_per_day=1, bytes_per_day=1),
    ]
    general = Bounds(((2.5, 3), (50.0, 100)), 4, 100)
    assert plan_of(entries, ADA) == Plan(general, sessions=5, bytes_per_day=10**9)
    assert plan_of(entries, CI).general == Bounds(((50.0, 100),), 1, 1)
    assert not plan_of(entries[1:3], CI).limits


def test_entries_for_tools() -> None:
    """They are about the calls that servers and tools fit; entries with the same lists count together."""
    entries = [
        AccessLimit(subject="*", servers=("search",), tools=("*",), requests_per_second=2),
        AccessLimit(subject="group:dev", servers=("search",), tools=("*",), concurrent=1),
        AccessLimit(subject="*", tools=("delete_*",), calls_per_day=3),
    ]
    plan = plan_of(entries, ADA)
    assert plan.general == Bounds() and plan.limits
    search, deleting = Scope(("search",), ("*",)), Scope(None, ("delete_*",))
    assert dict(plan.scoped) == {search: Bounds(((2.0, 2),), 1), deleting: Bounds((), math.inf, 3)}
    assert search.fits("search", "find") and not search.fits("search", "") and not search.fits("find", "find")
    assert deleting.fits("a", "delete_it") and not deleting.fits("a", "Delete_it") and not deleting.fits("a", "")
    assert Scope(("a*",), None).fits("ab", "") and not Scope(("a*",), None).fits("b", "x")
