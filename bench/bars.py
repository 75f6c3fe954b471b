"""`make bars`: every figure that the project promises, measured here and now; passed or failed.

    python -m bench.bars [--json | --markdown | --docs] [--quick] [--only NAME ...]

Exits with 0 whether bars pass or fail, and with 1 when one could not be measured.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict

import orjson
import uvloop

from bench import machine
from bench.figure import Figure
from bench.tables import as_markdown, as_text, into_docs

Measure = Callable[[bool], Awaitable[list[Figure]]]

BARS: dict[str, str] = {
    "calls": "bench.throughput:ratio",
    "peers": "bench.peers_bar:peers",
    "latency": "bench.throughput:latency",
    "lists": "bench.throughput:lists",
    "workspaces": "bench.throughput:workspaces",
    "idle": "bench.footprint:idle",
    "sessions": "bench.footprint:session_cost",
    "edits": "bench.edits:applied",
    "list_changed": "bench.edits:list_changed",
    "start": "bench.edits:start",
    "imports": "bench.starting:started",
    "recovery": "bench.recovery:server",
    "restart": "bench.recovery:sidecar",
    "processes": "bench.recovery:processes",
    "churn": "bench.churn:cycles",
    "scale": "bench.scale:twenty_by_five",
    "growth_sessions": "bench.growth:sessions",
    "growth_servers": "bench.growth:servers",
    "growth_lists": "bench.growth:lists",
    "toggle": "bench.front:toggle",
    "render": "bench.front:render",
    "streams": "bench.front_streams:streams",
    "proxy": "bench.front_proxy:added",
    "public": "bench.public_port:calls",
    "oauth": "bench.oauth:calls",
    "connections": "bench.public_port:connections",
    "history": "bench.history:history",
    "bridge": "bench.parts:bridge",
    "adapter": "bench.parts:adapter",
    "spawner": "bench.parts:spawner",
    "history_queries": "bench.history_queries:queries",
}
"""Where each measurement is: module:function. Imported one by one, so that a broken one hides no other."""

MARK = "figures"


async def measure(name: str, quick: bool) -> list[Figure]:
    """The figures of one measurement; one that failed is a figure with an error."""
    module, _, function = BARS[name].partition(":")
    try:
        found: Measure = getattr(importlib.import_module(module), function)
        return await found(quick)
    except Exception as error:  # whatever it is, the others are still measured
        traceback.print_exc()
        return [Figure(name, 0.0, "", error=f"{type(error).__name__}: {error}".splitlines()[0][:200])]


async def measure_all(names: Iterable[str], quick: bool) -> list[Figure]:
    """The figures of these measurements, one after the other; tells on stderr what it is at."""
    figures = []
    for name in names:
        begin = time.monotonic()
        print(f"measuring {name} ...", end="", file=sys.stderr, flush=True)
        figures += await measure(name, quick)
        print(f" {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)
    return figures


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure every figure that the project promises.")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object")
    form.add_argument("--markdown", action="store_true", help="a table in Markdown")
    form.add_argument("--docs", action="store_true", help="put that table into docs/benchmarks.md, too")
    parser.add_argument("--quick", action="store_true", help="shorter rounds: does it run at all?")
    parser.add_argument("--only", nargs="+", choices=BARS, default=list(BARS), metavar="NAME", help=", ".join(BARS))
    return parser.parse_args()


def main() -> int:
    """Measure, print, and tell by the exit code whether all could be measured."""
    options = _arguments()
    facts = machine.describe()
    figures = uvloop.run(measure_all(options.only, options.quick))
    facts["load"] += f", {machine.load()} at the end"
    if options.json:
        output = {"machine": facts, "figures": [{**asdict(figure), "verdict": figure.verdict} for figure in figures]}
        print(orjson.dumps(output, option=orjson.OPT_INDENT_2).decode())
    else:
        print((as_markdown if options.markdown else as_text)(facts, figures))
    if options.docs:
        into_docs(MARK, as_markdown(facts, figures))
    return int(any(figure.error for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
