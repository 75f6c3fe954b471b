"""The last hour of calls, by tool: what the counters of sidecar/observe/metrics.py grew by in each interval."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import NamedTuple

from bridge.models import History, ReadHistory
from sidecar.observe.metrics import BUCKETS, NOTHING, CallMeter, Metrics, Totals

INTERVAL = 10.0
KEPT = 3600.0
"""Seconds that samples are kept."""
MOST_FIGURES = 100
"""Tools of one sample that are told one by one, the busiest; so the answer of an hour fits into one message."""
OTHERS = "(others)"
"""Stands for the tools of a server beyond that; as a server, for servers that are too many even so."""


class Calls(NamedTuple):
    """The calls of one tool that ended within an interval."""

    server: str
    tool: str
    totals: Totals


class Row(NamedTuple):
    """A `Figure` that costs an eighth of the memory."""

    server: str
    tool: str
    calls: int
    errors: int
    seconds: float
    p50: float
    p95: float


class Recorder:
    """Keeps the samples. `clock` tells Unix time in seconds."""

    def __init__(self, metrics: Metrics, clock: Callable[[], float] = time.time) -> None:
        self._metrics = metrics
        self._clock = clock
        self._samples: deque[tuple[float, tuple[Row, ...]]] = deque()
        self._seen: dict[CallMeter, tuple[str, str, Totals]] = {}
        """What each meter that counted anything had counted when the last interval ended."""

    async def run(self) -> None:
        """End an interval every `INTERVAL` seconds, until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL - self._clock() % INTERVAL)
            self.sample()

    def sample(self) -> None:
        """End an interval: keep what was called in it, if anything was."""
        now, current = self._clock(), dict(self._counted())
        if grown := list(self._grown(current)):
            self._samples.append((now, rows(grown)))
        self._seen = current
        while self._samples and not now - KEPT < self._samples[0][0] <= now:  # or the clock was set back
            self._samples.popleft()

    def history(self, request: ReadHistory) -> History:
        """The samples that end after `since`; the last one, if it ends now, is of an interval that is not over."""
        now = self._clock()
        samples = [kept for kept in self._samples if max(request.since, now - KEPT) < kept[0]]
        if unfinished := list(self._grown(dict(self._counted()))):
            samples.append((now, rows(unfinished)))
        told = ((at, [row for row in each if request.server in (None, row.server)]) for at, each in samples)
        found = [{"at": at, "figures": [dict(zip(Row._fields, row, strict=True)) for row in each]} for at, each in told]
        return History.model_validate({"interval": INTERVAL, "now": now, "samples": [s for s in found if s["figures"]]})

    def _counted(self) -> Iterator[tuple[CallMeter, tuple[str, str, Totals]]]:
        for (server, tool), meter in self._metrics.meters():
            if totals := self._totals(meter):
                yield meter, (server, tool, totals)

    def _totals(self, meter: CallMeter) -> Totals | None:
        """What a meter has counted; the same object as the last time if it counted nothing since."""
        seen = self._seen.get(meter)
        if seen and seen[2].calls == meter.calls:
            return seen[2]
        return meter.totals() if meter.calls else None

    def _grown(self, current: dict[CallMeter, tuple[str, str, Totals]]) -> Iterator[Calls]:
        """What was called since the last interval ended, of tools that are gone by now too."""
        gone = ((meter, (*seen[:2], meter.totals())) for meter, seen in self._seen.items() if meter not in current)
        for meter, (server, tool, totals) in (*current.items(), *gone):
            before = self._seen[meter][2] if meter in self._seen else NOTHING
            if totals is not before and totals.calls > before.calls:
                yield Calls(server, tool, totals.since(before))


def rows(calls: Iterable[Calls]) -> tuple[Row, ...]:
    """The figures of an interval: of the busiest tools one by one, of the others together."""
    busiest = sorted(_together(calls), key=lambda each: -each.totals.calls)
    kept, rest = busiest[:MOST_FIGURES], busiest[MOST_FIGURES:]
    others = _together(each._replace(tool=OTHERS) for each in rest)
    kept, rest = kept + others[:MOST_FIGURES], others[MOST_FIGURES:]
    return tuple(map(_row, kept + _together(each._replace(server=OTHERS) for each in rest)))


def _together(calls: Iterable[Calls]) -> list[Calls]:
    found: dict[tuple[str, str], Totals] = {}
    for server, tool, totals in calls:
        found[server, tool] = found.get((server, tool), NOTHING).plus(totals)
    return [Calls(*names, totals) for names, totals in found.items()]


def _row(calls: Calls) -> Row:
    totals = calls.totals
    p50, p95 = (round(quantile(totals, share), 6) for share in (0.5, 0.95))
    return Row(calls.server, calls.tool, totals.calls, totals.errors, round(totals.seconds, 6), p50, p95)


def quantile(totals: Totals, share: float) -> float:
    """The time, in seconds, within which this share of the calls ended: interpolated within a bucket.

    Calls that are all in one bucket are taken to lie evenly around their mean, which is known: that tells 0.2 ms from
    0.8 ms, as no bucket does, and is exact for a single call. Beyond the last bucket's edge nothing is told apart.
    """
    filled = [index for index, count in enumerate(totals.buckets) if count]
    if len(filled) == 1:
        low, high = _edges(filled[0])
        mean = totals.seconds / totals.calls
        return mean + (2 * share - 1) * max(0.0, min(mean - low, high - mean)) * (1 - 1 / totals.calls)
    rank = share * totals.calls
    for index, reached in enumerate(accumulate(totals.buckets)):
        if reached >= rank and totals.buckets[index]:
            low, high = _edges(index)
            return high - (high - low) * (reached - rank) / totals.buckets[index]
    return BUCKETS[-1]


def _edges(bucket: int) -> tuple[float, float]:
    low = BUCKETS[bucket - 1] if bucket else 0.0
    return low, BUCKETS[bucket] if bucket < len(BUCKETS) else low
