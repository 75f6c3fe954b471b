"""Figures of calls by interval and name: how they are counted when calls are stored, and how they are shown (pure).

Calls are counted when they are stored (`count`), by minute, hour and day, so that a question about a month reads some
thousands of rows and not all of its calls.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple, TypeVar

from bridge.history.durations import BUCKETS, quantile
from bridge.models import ReadUsage, Usage, UsagePoint
from recorder.batch import NewCall

K = TypeVar("K")
MINUTE, HOUR, DAY = 60, 3600, 86400
RANGES: dict[str, tuple[int, int]] = {"hour": (MINUTE, 60), "day": (HOUR, 24), "month": (DAY, 30)}
"""For each range: the interval in seconds, and how many of them, the current one included."""
SCOPES = ("t", "w", "p")
KEPT = {MINUTE: 2 * HOUR, HOUR: 2 * DAY}
"""Seconds for which figures of short intervals are kept; those of days are kept as long as calls."""
OTHERS = "(others)"
NONE = "(none)"
"""The name of calls that have none: of requests that were refused before a server, workspace or key was known."""


class Key(NamedTuple):
    """What calls are counted by.

    `scope`: `t` by server and tool; `w` by these and workspace; `p` by workspace, server and principal.
    """

    scope: str
    interval: int
    at: int
    """The begin of the interval (Unix time)."""
    workspace: str
    server: str
    name: str


class Figures:
    """Calls, those that failed, the sum of their durations in seconds, and their number in each bucket."""

    __slots__ = ("buckets", "calls", "failed", "seconds")

    def __init__(self) -> None:
        self.calls = self.failed = 0
        self.seconds = 0.0
        self.buckets = [0] * (len(BUCKETS) + 1)

    def count(self, call: NewCall) -> None:
        """Add one call."""
        self.calls += 1
        self.failed += call.outcome != "ok"
        self.seconds += call.seconds
        self.buckets[bisect_left(BUCKETS, call.seconds)] += 1

    def add(self, other: Figures) -> None:
        """Add the calls of others."""
        self.calls += other.calls
        self.failed += other.failed
        self.seconds += other.seconds
        self.buckets = [one + two for one, two in zip(self.buckets, other.buckets, strict=True)]

    @classmethod
    def of(cls, calls: int, failed: int, seconds: float, *buckets: int) -> Figures:
        """Those with these values."""
        made = cls()
        made.calls, made.failed, made.seconds, made.buckets = calls, failed, seconds, list(buckets)
        return made

    def row(self) -> tuple[float, ...]:
        """The values in the order of `of`."""
        return (self.calls, self.failed, self.seconds, *self.buckets)

    def point(self, at: float, name: str) -> UsagePoint:
        """These figures as they are shown."""
        p50, p95, p99 = (quantile(self.buckets, self.seconds, share) for share in (0.5, 0.95, 0.99))
        return UsagePoint(
            at=at, name=name, calls=self.calls, failed=self.failed, seconds=self.seconds, p50=p50, p95=p95, p99=p99
        )


def tool_name(call: NewCall) -> str:
    """The tool that a call counts for; for requests other than tool calls, the method."""
    return (call.tool if call.method == "tools/call" else call.method) if call.server else ""


def count(calls: Iterable[NewCall]) -> dict[Key, Figures]:
    """The figures of these calls, by all that they are counted by."""
    found: dict[Key, Figures] = {}
    for call in calls:
        tool = tool_name(call)
        for interval in (MINUTE, HOUR, DAY):
            at = begin(call.at, interval)
            for key in (
                Key("t", interval, at, "", call.server, tool),
                Key("w", interval, at, call.workspace, call.server, tool),
                Key("p", interval, at, call.workspace, call.server, call.principal),
            ):
                found.setdefault(key, Figures()).count(call)
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


def answer(span: Span, found: Iterable[tuple[int, str, Figures]], limit: int) -> Usage:
    """The answer made of figures by interval and name, of which the `limit` busiest names are told apart."""
    rows = list(found)
    names = _summed((name, figures) for _, name, figures in rows if name != OTHERS)
    busiest = sorted(names, key=lambda name: (-names[name].calls, name))[:limit]
    told = {name: name for name in busiest}
    rows = [(at, told.get(name, OTHERS), figures) for at, name, figures in rows]
    points = _summed(((at, name), figures) for at, name, figures in rows)
    totals = _summed((name, figures) for _, name, figures in rows)
    order = [name for name in (*busiest, OTHERS) if name in totals]
    place = {name: number for number, name in enumerate(order)}
    all_calls = _summed((at, figures) for at, _, figures in rows)
    whole = _summed(("", figures) for figures in totals.values())
    return Usage(
        interval=span.interval,
        points=tuple(points[key].point(*key) for key in sorted(points, key=lambda key: (key[0], place[key[1]]))),
        all=tuple(all_calls[at].point(at, "") for at in sorted(all_calls)),
        totals=tuple({**whole, **totals}[name].point(span.since, name) for name in (*whole, *order)),
    )


def _summed(found: Iterable[tuple[K, Figures]]) -> dict[K, Figures]:
    sums: dict[K, Figures] = {}
    for key, figures in found:
        sums.setdefault(key, Figures()).add(figures)
    return sums
