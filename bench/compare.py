"""The same load on every way: interleaved rounds, so that whatever else the machine does falls on all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.direct import call_stdio
from bench.load import Report, measure
from bench.peers.peer import Mode
from bench.stats import median, percentile
from bench.ways import MODES, TITLES, Way

DIRECT = "direct stdio, nothing between"
BIG = 64 * 1024


@dataclass(frozen=True)
class Scenario:
    """So many clients in closed loops, in one mode, on a tool of the echo server."""

    mode: Mode
    clients: int
    size: int
    """Characters of each result."""

    @property
    def title(self) -> str:
        """As in the tables."""
        size = f"{self.size} B" if self.size < 1024 else f"{self.size // 1024} kB"
        return f"{TITLES[self.mode]}, {self.clients} client{'s' if self.clients > 1 else ''}, {size}"

    @property
    def call(self) -> tuple[str, dict[str, Any]]:
        """The tool and its arguments; a big result comes from a small request."""
        return ("echo", {"text": "x" * self.size}) if self.size < 1024 else ("blob", {"size": self.size})


SCENARIOS = tuple(
    Scenario(mode, clients, size) for mode in MODES for clients, size in ((1, 20), (10, 20), (50, 20), (10, BIG))
)


@dataclass
class Row:
    """What one way did in one scenario: of each round the rate and the latencies in ms, or why there is none."""

    way: str
    rates: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p95: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    errors: int = 0
    note: str = ""

    def take(self, report: Report) -> None:
        """Add a round."""
        self.rates.append(report.calls_per_s)
        self.p50.append(report.p50_ms)
        self.p95.append(report.p95_ms)
        self.p99.append(report.p99_ms)
        self.errors += report.errors
        if report.errors and not self.note:
            self.note = f"{report.errors} of {report.calls} calls failed: {report.first_errors[0][:80]}"

    @property
    def rate(self) -> float:
        """The median of its rounds, in calls/s; NaN without any, or when calls failed."""
        return median(self.rates) if self.rates and not self.errors else math.nan

    @property
    def works(self) -> bool:
        """Whether there is a figure."""
        return not math.isnan(self.rate)


Table = dict[str, Row]


async def compare(ways: Sequence[Way], scenario: Scenario, rounds: int, seconds: float, direct: bool = True) -> Table:
    """Each way loaded in turn, `rounds` times, for `seconds` each; the order turns round with each round."""
    table = {way.name: Row(way.name) for way in ways}
    if direct:
        table[DIRECT] = Row(DIRECT)
    for number in range(rounds):
        for way in ways if number % 2 == 0 else reversed(ways):
            await _round(way, scenario, seconds, table[way.name])
        if direct:
            await _direct(scenario, seconds, table[DIRECT])
    return table


async def _round(way: Way, scenario: Scenario, seconds: float, row: Row) -> None:
    tools = way.tools.get(scenario.mode)
    if tools is None or row.errors:
        row.note = row.note or way.notes.get(scenario.mode, "not served")
        return
    transport, era = MODES[scenario.mode]
    tool, arguments = scenario.call
    options = {"clients": scenario.clients, "seconds": seconds, "warmup": 20, "bearer": way.started.bearer}
    try:
        url = way.started.urls[scenario.mode]
        row.take(await measure(url, transport=transport, era=era, tool=tools[tool], arguments=arguments, **options))
    except RuntimeError as error:  # its sessions cannot be opened: that many are too many for it
        row.errors, row.note = row.errors + 1, str(error).replace(url, "it")[:120]


async def _direct(scenario: Scenario, seconds: float, row: Row) -> None:
    rate, taken = await call_stdio("bench.echo_server", inflight=scenario.clients, seconds=seconds, call=scenario.call)
    row.rates.append(rate)
    for values, share in ((row.p50, 0.5), (row.p95, 0.95), (row.p99, 0.99)):
        values.append(percentile(taken, share) * 1e3)


def fastest(table: Table, names: Sequence[str]) -> Row | None:
    """The one of these with the most calls/s, if any has figures."""
    rows = [table[name] for name in names if name in table and table[name].works]
    return max(rows, key=lambda row: row.rate, default=None)
