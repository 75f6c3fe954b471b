"""`make bench`: the hub beside every other way of doing it, in one run.

    python -m bench [--json] [--quick] [--docs]

What is not installed or does not start is told in the tables and left out.
"""

from __future__ import annotations

import argparse
import sys

import orjson
import uvloop

from bench import edits, machine, scale, throughput
from bench.alone import first_answers, session_kb
from bench.compare import SCENARIOS, compare
from bench.report import MARK, PLOT, Comparison
from bench.tables import into_docs
from bench.ways import STARTS, side_by_side, versions


async def measure(quick: bool) -> Comparison:
    """Everything, one after the other; tells on stderr what it is at."""
    rounds, seconds = (1, 0.2) if quick else (3, 0.7)
    it = Comparison(machine.describe(), tuple(STARTS))
    it.facts["peers"] = versions()
    _tell("starting them all")
    async with side_by_side(it.ways) as (ways, it.notes):
        it.rest = {way.name: way.memory() for way in ways}
        for scenario in SCENARIOS:
            _tell(scenario.title)
            it.tables[scenario] = await compare(ways, scenario, rounds, seconds)
        it.loaded = {way.name: way.memory() for way in ways}
        for way in ways:
            _tell(f"idle sessions: {way.name}")
            it.session[way.name] = await session_kb(way, quick)
    _tell("start to first answer")
    it.start = await first_answers(it.ways, 1 if quick else 3)
    for figures in (edits.list_changed, scale.twenty_by_five, throughput.many_tools):
        _tell(figures.__name__)
        it.figures += await figures(quick)
    it.facts["load"] += f", {machine.load()} at the end"
    return it


def _tell(what: str) -> None:
    print(f"bench: {what}", file=sys.stderr, flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="The hub beside other ways of doing it.")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--quick", action="store_true", help="shortest rounds: does every measurement run?")
    parser.add_argument("--docs", action="store_true", help="put tables and plot into docs/benchmarks.md, too")
    options = parser.parse_args()
    it = uvloop.run(measure(options.quick))
    print(orjson.dumps(it.as_json(), option=orjson.OPT_INDENT_2).decode() if options.json else it.as_text())
    if options.docs:
        PLOT.write_text(it.plot(), "utf-8")
        into_docs(MARK, it.as_markdown())


if __name__ == "__main__":
    main()
