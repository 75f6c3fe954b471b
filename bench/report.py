"""The comparison of `make bench` as tables and as a plot."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.compare import DIRECT, Row, Scenario, Table
from bench.figure import Figure, number
from bench.plot import bars
from bench.stats import median
from bench.tables import DOCS, aligned, facts_list, piped, rows
from bench.ways import HUB, MODES, TITLES

MARK = "comparison"
PLOT = DOCS.parent / "images" / "benchmarks.svg"
Value = float | str


@dataclass
class Comparison:
    """All that was measured; a value is a number, or the reason why there is none."""

    facts: dict[str, str]
    ways: tuple[str, ...]
    tables: dict[Scenario, Table] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    """Why a way is not measured at all."""
    start: dict[str, Value] = field(default_factory=dict)
    rest: dict[str, float] = field(default_factory=dict)
    loaded: dict[str, float] = field(default_factory=dict)
    session: dict[str, Value] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)

    def as_text(self) -> str:
        """For a terminal."""
        lines = [f"{name + ':':10}{value}" for name, value in self.facts.items()]
        for title, header, cells in self._parts():
            lines += ["", title, "", *aligned(header, cells)]
        return "\n".join(lines)

    def as_markdown(self) -> str:
        """For docs/benchmarks.md."""
        lines = facts_list(self.facts)
        lines += ["", f"![calls/s with 10 clients, by transport](images/{PLOT.name})"]
        for title, header, cells in self._parts():
            lines += ["", f"**{title}**", "", *piped(header, cells)]
        return "\n".join(lines)

    def plot(self) -> str:
        """The calls/s with 10 clients and small results, of each mode."""
        groups = {}
        for scenario, table in self.tables.items():
            if scenario.clients == 10 and scenario.size < 1024:
                groups[TITLES[scenario.mode]] = {row.way: row.rate for row in table.values() if row.works}
        return bars("Calls/s, 10 clients, results of 20 B", groups, "/s", HUB)

    def as_json(self) -> dict[str, object]:
        """For a script."""
        return {
            "machine": self.facts,
            "scenarios": {
                scenario.title: {row.way: _json(row) for row in table.values()}
                for scenario, table in self.tables.items()
            },
            "start_s": self.start,
            "memory_at_rest_mb": self.rest,
            "memory_after_load_mb": self.loaded,
            "idle_session_kb": self.session,
            "hub": {figure.name: figure.value for figure in self.figures},
            "notes": self.notes,
        }

    def _parts(self) -> list[tuple[str, tuple[str, ...], list[tuple[str, ...]]]]:
        parts = [self._mode(mode) for mode in MODES if any(scenario.mode == mode for scenario in self.tables)]
        header = (
            "",
            "start to first answer, s",
            "at rest, MB",
            "after the load, MB",
            "an idle SSE session, KB",
            "note",
        )
        parts.append(("Start and memory (PSS, without the echo servers)", header, [self._cost(n) for n in self.ways]))
        own = [(name, value, note) for name, _, value, _, note in rows(self.figures)]
        return [*parts, ("The hub alone", ("", "measured", "note"), own)]

    def _mode(self, mode: str) -> tuple[str, tuple[str, ...], list[tuple[str, ...]]]:
        tables = {scenario: table for scenario, table in self.tables.items() if scenario.mode == mode}
        names = [scenario.title.removeprefix(f"{TITLES[mode]}, ") for scenario in tables]
        cells = []
        for way in (*self.ways, DIRECT):
            found = [table.get(way) for table in tables.values()]
            hub = [table[HUB].rate for table in tables.values()]
            note = self.notes.get(way) or next((row.note for row in found if row and row.note), "")
            cells.append((way, *(_cell(row, of) for row, of in zip(found, hub, strict=True)), note))
        title = f"{TITLES[mode]}: calls/s (times the hub's), p50 / p95 / p99 in ms"
        return title, ("", *names, "note"), cells

    def _cost(self, way: str) -> tuple[str, ...]:
        values = [column.get(way, "") for column in (self.start, self.rest, self.loaded, self.session)]
        note = self.notes.get(way) or "; ".join(value for value in values if isinstance(value, str) and value)
        return (way, *(number(value) if isinstance(value, float) else "-" for value in values), note)


def _cell(row: Row | None, hub: float) -> str:
    if row is None or not row.works:
        return "-"
    times = f" ({row.rate / hub:.2f})" if not math.isnan(hub) else ""
    return f"{row.rate:,.0f}{times}, {median(row.p50):.2f} / {median(row.p95):.2f} / {median(row.p99):.2f}"


def _json(row: Row) -> Mapping[str, object]:
    if not row.works:
        return {"note": row.note}
    return {"calls_per_s": row.rates, "p50_ms": row.p50, "p95_ms": row.p95, "p99_ms": row.p99}
