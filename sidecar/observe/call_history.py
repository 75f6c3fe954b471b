"""Call figures of the last hour by tool, sampled every INTERVAL from the counters of observe/metrics.py."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from bridge.history import durations
from bridge.models import History, ReadHistory
from sidecar.observe.metrics import NOTHING, CallMeter, Metrics, Totals

INTERVAL = 10.0
"""Seconds between samples."""
RETENTION = 3600.0
"""Seconds for which samples are kept."""
MAX_FIGURES = 100
"""Figures per sample: those of the busiest tools. It bounds the history of an hour to the size of one message."""
OTHERS = "(others)"
"""Stands for a server's other tools, and as a server for all further servers."""


class Calls(NamedTuple):
    """The calls of one tool that ended within an interval."""

    server: str
    tool: str
    totals: Totals


class Row(NamedTuple):
    """The fields of a `Figure` (bridge/models), in an eighth of its memory."""

    server: str
    tool: str
    calls: int
    errors: int
    seconds: float
    p50: float
    p95: float


class Recorder:
    """Takes and keeps the samples. `clock` returns Unix time in seconds."""

    def __init__(self, metrics: Metrics, clock: Callable[[], float] = time.time) -> None:
        self._metrics = metrics
        self._clock = clock
        self._samples: deque[tuple[float, tuple[Row, ...]]] = deque()
        self._seen: dict[CallMeter, tuple[str, str, Totals]] = {}
        """The totals of each meter at the end of the last interval, for meters with any calls."""

    async def run(self) -> None:
        """Take a sample every INTERVAL seconds, until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL - self._clock() % INTERVAL)
            self.sample()

    def sample(self) -> None:
        """Add a sample of the calls since the last one, if there were any, and remove samples older than RETENTION."""
        now, current = self._clock(), dict(self._counted())
        if grown := list(self._grown(current)):
            self._samples.append((now, rows(grown)))
        self._seen = current
        while self._samples and not now - RETENTION < self._samples[0][0] <= now:  # or the clock was set back
            self._samples.popleft()

    def history(self, request: ReadHistory) -> History:
        """The samples that end after `request.since`, and one of the current, unfinished interval that ends now."""
        now = self._clock()
        samples = [sample for sample in self._samples if max(request.since, now - RETENTION) < sample[0]]
        if unfinished := list(self._grown(dict(self._counted()))):
            samples.append((now, rows(unfinished)))
        wanted = ((at, [row for row in each if request.server in (None, row.server)]) for at, each in samples)
        found = [
            {"at": at, "figures": [dict(zip(Row._fields, row, strict=True)) for row in each]} for at, each in wanted
        ]
        return History.model_validate({"interval": INTERVAL, "now": now, "samples": [s for s in found if s["figures"]]})

    def _counted(self) -> Iterator[tuple[CallMeter, tuple[str, str, Totals]]]:
        for (server, tool), meter in self._metrics.meters():
            if totals := self._totals(meter):
                yield meter, (server, tool, totals)

    def _totals(self, meter: CallMeter) -> Totals | None:
        """A meter's totals, None if it has no calls; the same object as in the last sample if nothing has changed."""
        seen = self._seen.get(meter)
        if seen and seen[2].calls == meter.calls:
            return seen[2]
        return meter.totals() if meter.calls else None

    def _grown(self, current: dict[CallMeter, tuple[str, str, Totals]]) -> Iterator[Calls]:
        """The calls since the last sample, including those of tools that have been removed meanwhile."""
        gone = ((meter, (*seen[:2], meter.totals())) for meter, seen in self._seen.items() if meter not in current)
        for meter, (server, tool, totals) in (*current.items(), *gone):
            before = self._seen[meter][2] if meter in self._seen else NOTHING
            if totals is not before and totals.calls > before.calls:
                yield Calls(server, tool, totals.since(before))


def rows(calls: Iterable[Calls]) -> tuple[Row, ...]:
    """The figures of an interval: one row for each of the busiest tools; the others are added up under OTHERS."""
    busiest = sorted(_merged(calls), key=lambda each: -each.totals.calls)
    kept, rest = busiest[:MAX_FIGURES], busiest[MAX_FIGURES:]
    others = _merged(each._replace(tool=OTHERS) for each in rest)
    kept, rest = kept + others[:MAX_FIGURES], others[MAX_FIGURES:]
    return tuple(map(_row, kept + _merged(each._replace(server=OTHERS) for each in rest)))


def _merged(calls: Iterable[Calls]) -> list[Calls]:
    found: dict[tuple[str, str], Totals] = {}
    for server, tool, totals in calls:
        found[server, tool] = found.get((server, tool), NOTHING).plus(totals)
    return [Calls(*names, totals) for names, totals in found.items()]


def _row(calls: Calls) -> Row:
    totals = calls.totals
    p50, p95 = (round(quantile(totals, share), 6) for share in (0.5, 0.95))
    return Row(calls.server, calls.tool, totals.calls, totals.errors, round(totals.seconds, 6), p50, p95)


def quantile(totals: Totals, share: float) -> float:
    """Estimate a quantile of the call durations, in seconds; `share` is between 0 and 1."""
    return durations.quantile(totals.buckets, totals.seconds, share)
