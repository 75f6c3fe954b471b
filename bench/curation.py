"""What curation costs: calls/s and tools/list of a curated workspace beside a plain one. `python -m bench.curation`.

Both workspaces have the same server, and take turns in each round, so that other load on the machine meets both. The
curated one renames and describes each tool, switches a tenth of them off, asks about new ones, and has rules.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import psutil

from bench.history import cpu
from bench.load import drive, open_sessions
from bench.session import Session
from bench.stats import median
from bench.ways import MODES, TITLES
from bridge.models import Curation, ServerSpec, StdioLaunch
from tests.support.sidecar import Sidecar, running, workspace
from tests.support.yamcp import ROOT

CLIENTS, TOOLS = 10, 200
BAR = 1.05
"""Of the sidecar's CPU time of a call in the plain workspace, what a call without presets may take: the CPU time
depends less than calls/s on what else the machine does."""
ECHO: dict[str, Any] = {"arguments": {"text": "x"}}


def curation() -> Curation:
    """Everything but presets for all tools, and presets for one: `tool_0` has the argument `text` fixed."""
    items: dict[str, Any] = {f"tool_{n}": {"name": f"do_{n}", "description": f"Do {n}."} for n in range(1, TOOLS)}
    items["echo"] = {"name": "say", "description": "Say it.", "annotations": {"readOnlyHint": True}}
    items["blob"] = {"arguments": {"size": {"value": 1, "hidden": True}}}
    rules = [{"annotation": "destructiveHint", "on": False}, {"match": "*9", "on": False}]
    known = ["echo", "blob", *(f"tool_{n}" for n in range(TOOLS))]
    return Curation.model_validate(
        {"servers": {"e": {"tools": {"new": "ask", "known": known, "rules": rules, "items": items}}}}
    )


@dataclass
class Side:
    """A workspace, and what its clients ask."""

    slug: str
    asked: dict[str, tuple[str, dict[str, Any]]]
    """Method and params, by what is measured."""
    sessions: list[Session] = field(default_factory=list)
    rates: dict[str, list[float]] = field(default_factory=dict)
    micros: dict[str, list[float]] = field(default_factory=dict)
    """The sidecar's CPU time of a request, in us."""

    async def round(self, what: str, seconds: float, sidecar: psutil.Process) -> None:
        """Ask for so many seconds. Raises RuntimeError if a request fails."""
        method, params = self.asked[what]
        before = cpu(sidecar)
        report = await drive(self.sessions, method, params, seconds=seconds)
        if report.errors:
            raise RuntimeError(f"{report.errors} of {report.calls} failed in {self.slug}: {report.first_errors}")
        self.rates.setdefault(what, []).append(report.calls_per_s)
        self.micros.setdefault(what, []).append(1e6 * (cpu(sidecar) - before) / report.calls)

    def median(self, what: str) -> tuple[float, float]:
        """Requests/s, and the sidecar's CPU time of one; the first round is not counted."""
        return median(self.rates[what][1:]), median(self.micros[what][1:])


def sides() -> tuple[Side, Side]:
    """The plain and the curated workspace."""
    listing: tuple[str, dict[str, Any]] = ("tools/list", {})
    return (
        Side(
            "plain",
            {
                "calls": ("tools/call", {"name": "e_echo", **ECHO}),
                "calls with a fixed argument": ("tools/call", {"name": "e_blob", "arguments": {"size": 1}}),
                "tools/list": listing,
            },
        ),
        Side(
            "curated",
            {
                "calls": ("tools/call", {"name": "e_say", **ECHO}),
                "calls with a fixed argument": ("tools/call", {"name": "e_blob", "arguments": {}}),
                "tools/list": listing,
            },
        ),
    )


Measured = dict[str, tuple[float, float]]


async def measured(hub: Sidecar, transport: str, era: str, rounds: int, seconds: float) -> tuple[Measured, Measured]:
    """Requests/s and CPU time of one, of the plain and the curated workspace, by what is measured."""
    both = sides()
    plain = both[0]
    sidecar = psutil.Process(hub.pid("sidecar"))
    async with AsyncExitStack() as stack:
        for side in both:
            url = f"{hub.base}/mcp/{side.slug}" + "/sse" * (transport == "sse")
            opening = open_sessions(url, CLIENTS, transport=transport, era=era)
            side.sessions = await stack.enter_async_context(opening)
        for what in plain.asked:
            for number in range(rounds + 1):
                for side in both if number % 2 else reversed(both):
                    await side.round(what, seconds, sidecar)
    found = [{what: side.median(what) for what in plain.asked} for side in both]
    return found[0], found[1]


async def main(quick: bool) -> int:
    """Print a table; returns 1 if a bar is missed."""
    rounds, seconds = (3, 0.3) if quick else (11, 1.0)
    launch = StdioLaunch(command=sys.executable, args=("-m", "bench.echo_server", "--tools", str(TOOLS)), cwd=str(ROOT))
    server = ServerSpec(key="e", namespace="e", launch=launch)
    curated = workspace("curated", server).model_copy(update={"curation": curation()})
    missed = 0
    print("| way | what | plain, /s | curated, /s | ratio | sidecar's CPU, us | ratio |\n" + "|---" * 7 + "|")
    async with running(server, workspace("plain", server), curated) as hub:
        for mode, (transport, era) in MODES.items():
            plain, curated_figures = await measured(hub, transport, era, rounds, seconds)
            for what, (rate, micros) in plain.items():
                curated_rate, curated_micros = curated_figures[what]
                ratio = curated_micros / micros
                missed += what == "calls" and ratio > BAR
                rates = f"{rate:,.0f} | {curated_rate:,.0f} | {curated_rate / rate:.2f}"
                print(f"| {TITLES[mode]} | {what} | {rates} | {micros:.0f}, {curated_micros:.0f} | {ratio:.2f} |")
    return int(bool(missed))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short rounds")
    sys.exit(asyncio.run(main(parser.parse_args().quick)))
