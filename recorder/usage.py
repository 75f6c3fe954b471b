"""Figures of calls by interval and name: how they are counted when calls are stored, and how they are shown (pure).

Calls are counted when they are stored (`count`), by minute, hour and day, so that a question about a month reads some
thousands of rows and not all of its calls.
"""

from __future__ import annotations

import itertools
import math
import operator
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeVar

from bridge.history.durations import BUCKETS, quantiles
from bridge.models import ReadUsage, Usage, UsagePoint
from recorder.batch import NewCall

K = TypeVar("K")
MINUTE, HOUR, DAY = 60, 3600, 86400
RANGES: dict[str, tuple[int, int]] = {"hour": (MINUTE, 60), "day": (HOUR, 24), "month": (DAY, 30)}
"""For each range: the interval in seconds, and how many of them, the current one included."""
SCOPES = ("t", "n", "p", "r")
KEPT = {MINUTE: 2 * HOUR, HOUR: 2 * DAY}
"""Seconds for which figures of short intervals are kept; those of days are kept as long as calls."""
OTHERS = "(others)"
NONE = "(none)"
"""The name of calls that have none: of requests that were refused before a server, workspace or key was known."""


FIRST_BUCKET = 3
"""The place of the first bucket in a row of figures."""
ROW = FIRST_BUCKET + len(BUCKETS) + 1


KEYS = ("scope", "width", "at", "name", "workspace", "server")
"""What calls are counted by. `width` is the interval in seconds, `at` its begin (Unix time).

`scope`: `t` (total) by workspace and server; `n` (name) by these and tool; `p` by these and principal; `r` by these and
the hub's replica, if it has a name.
"""


class Figures(NamedTuple):
    """Calls, those that failed, the sum of their durations in seconds, and their number in each bucket."""

    calls: int
    failed: int
    seconds: float
    buckets: tuple[int, ...]

    @classmethod
    def of_call(cls, call: NewCall) -> Figures:
        """Those of one call."""
        bucket = bisect_left(BUCKETS, call.seconds)
        buckets = tuple(int(number == bucket) for number in range(len(BUCKETS) + 1))
        return cls(1, int(call.outcome != "ok"), call.seconds, buckets)

    def plus(self, other: Figures) -> Figures:
        """Those of both."""
        buckets = tuple(map(operator.add, self.buckets, other.buckets))
        return Figures(self.calls + other.calls, self.failed + other.failed, self.seconds + other.seconds, buckets)

    def without(self, other: Figures) -> Figures:
        """These without others, which are some of these."""
        buckets = tuple(map(operator.sub, self.buckets, other.buckets))
        seconds = max(0.0, self.seconds - other.seconds)
        return Figures(self.calls - other.calls, self.failed - other.failed, seconds, buckets)

    def point(self, at: float, name: str) -> UsagePoint:
        """These figures as they are shown."""
        p50, p95, p99 = quantiles(self.buckets, self.seconds, (0.5, 0.95, 0.99))
        return UsagePoint.model_construct(  # without validation, which takes longer than all of this
            at=at, name=name, calls=self.calls, failed=self.failed, seconds=self.seconds, p50=p50, p95=p95, p99=p99
        )


def tool_name(server: str, method: str, tool: str) -> str:
    """What a call counts for: server and tool; for requests other than tool calls, server and method."""
    return f"{server}/{tool if method == 'tools/call' else method}" if server else NONE


def count(calls: Iterable[NewCall], now: float, replica: str = "") -> list[tuple[Any, ...]]:
    """The figures of these calls, by all that they are counted by: KEYS, and the fields of `Figures`.

    Minutes that end before the figures of an interval are kept are not counted in it. Calls are counted by minute, and
    these figures are added up for each interval and scope: a batch has thousands of calls, of few tools and minutes.
    `replica` has recorded them.
    """
    of_replica = (("r", replica),) if replica else ()
    found: dict[tuple[Any, ...], list[Any]] = {}
    for (minute, workspace, server, tool, principal), figures in _by_minute(calls).items():
        names = (("t", ""), ("n", tool), ("p", principal), *of_replica)
        for interval in (MINUTE, HOUR, DAY):
            if minute + MINUTE < now - KEPT.get(interval, math.inf):
                continue
            start = begin(minute, interval)
            for scope, name in names:
                key = (scope, interval, start, name, workspace, server)
                known = found.get(key)
                found[key] = list(map(operator.add, known, figures)) if known else figures
    return [(*key, *row) for key, row in found.items()]


def _by_minute(calls: Iterable[NewCall]) -> dict[tuple[int, str, str, str, str], list[Any]]:
    """The figures of calls by minute, workspace, server, `tool_name` and principal."""
    durations: dict[tuple[Any, ...], list[float]] = {}
    for call in calls:
        key = (call.at // MINUTE, call.workspace, call.server, call.method, call.tool, call.principal, call.outcome)
        durations.setdefault(key, []).append(call.seconds)
    found: dict[tuple[int, str, str, str, str], list[Any]] = {}
    for (minute, workspace, server, method, tool, principal, outcome), seconds in durations.items():
        group = (int(minute) * MINUTE, workspace, server, tool_name(server, method, tool), principal)
        row = found.setdefault(group, [0] * ROW)
        row[0] += len(seconds)
        row[1] += len(seconds) if outcome != "ok" else 0
        row[2] += sum(seconds)
        for bucket, number in Counter(map(bisect_left, itertools.repeat(BUCKETS), seconds)).items():
            row[FIRST_BUCKET + bucket] += number
    return found


def begin(at: float, interval: int) -> int:
    """The begin of the interval that a time is in."""
    return int(at // interval) * interval


class Span(NamedTuple):
    """The time that a question is about."""

    interval: int
    since: int
    until: int


def span(request: ReadUsage, now: float) -> Span:
    """The intervals up to the one that `now` is in."""
    interval, number = RANGES[request.range]
    until = begin(now, interval) + interval
    return Span(interval, until - number * interval, until)


Found = Iterable[tuple[int, str, Figures]]
"""Figures by interval and name."""


def busiest(found: Found, limit: int) -> list[str]:
    """The names with most calls."""
    names = _summed((name, figures) for _, name, figures in found)
    return sorted(names, key=lambda name: (-names[name].calls, name))[:limit]


def answer(span: Span, names: list[str], found: Found, totals: dict[int, Figures]) -> Usage:
    """The answer, with the figures of `names`, most calls first, and those of all calls by interval."""
    points = _summed(((at, name), figures) for at, name, figures in found)
    told = _summed((at, figures) for (at, _), figures in points.items())
    for at, total in totals.items():
        if at not in told:
            points[at, OTHERS] = total
        elif total.calls > told[at].calls:
            points[at, OTHERS] = total.without(told[at])
    order = {name: number for number, name in enumerate([*names, OTHERS])}
    sums = _summed((name, figures) for (_, name), figures in points.items())
    whole = _summed(("", figures) for figures in totals.values())
    return Usage(
        interval=span.interval,
        points=tuple(points[key].point(*key) for key in sorted(points, key=lambda key: (key[0], order[key[1]]))),
        all=tuple(totals[at].point(at, "") for at in sorted(totals)),
        totals=tuple(
            {**whole, **sums}[name].point(span.since, name) for name in (*whole, *sorted(sums, key=order.__getitem__))
        ),
    )


def totals(found: Found) -> dict[int, Figures]:
    """The figures of all names, by interval."""
    return _summed((at, figures) for at, _, figures in found)


def _summed(found: Iterable[tuple[K, Figures]]) -> dict[K, Figures]:
    sums: dict[K, Figures] = {}
    for key, figures in found:
        known = sums.get(key)
        sums[key] = known.plus(figures) if known else figures
    return sums
