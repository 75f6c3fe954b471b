"""This checkout beside another one: calls per second of each way to call, in alternating rounds.

    python -m bench.versions DIRECTORY [--rounds 5] [--seconds 3]

DIRECTORY is a checkout of another version whose environments are set up (`make lint` there does that). Both hubs run at
once, each served by its own code; only the load client is this checkout's. Exit code 1: a way is slower than LEAST.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop

from bench.load import measure
from bench.stats import median
from bench.ways import MODES, TITLES
from tests.support.yamcp import ROOT

LEAST = 0.97
"""Share of the other version's calls per second that every way must reach."""
CLIENTS = 10
TOOL = "raw_echo"
SERVE = """
import asyncio, sys
from tests.support.hub import running
from tests.support.yamcp import module

async def main():
    async with running({"raw": module("raw", "bench.echo_server")}, {"w": ["raw"]}) as hub:
        print(hub.sse("w"), hub.http("w"), flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""
"""Run in a checkout: prints the URLs of a hub before an echo server, and serves until stdin ends."""


@asynccontextmanager
async def served(checkout: Path) -> AsyncIterator[dict[str, str]]:
    """A hub of a checkout's own code; its URLs by transport."""
    pipe = asyncio.subprocess.PIPE
    python = checkout / ".venv/bin/python"
    process = await asyncio.create_subprocess_exec(python, "-c", SERVE, cwd=checkout, stdin=pipe, stdout=pipe)
    assert process.stdin
    assert process.stdout
    try:
        words = (await process.stdout.readline()).decode().split()
        if len(words) != 2:
            raise RuntimeError(f"the hub of {checkout} did not start; see above")
        yield dict(zip(("sse", "http"), words, strict=True))
    finally:
        process.stdin.close()
        await process.wait()


async def rates(url: str, mode: str, seconds: float, into: list[float]) -> None:
    """Load one hub in one way. Raises RuntimeError when a call fails."""
    transport, era = MODES[mode]  # type: ignore[index]
    report = await measure(url, transport=transport, era=era, clients=CLIENTS, seconds=seconds, tool=TOOL)
    if report.errors:
        raise RuntimeError(f"{report.errors} of {report.calls} calls failed: {report.first_errors}")
    into.append(report.calls_per_s)


async def compare(other: Path, rounds: int, seconds: float) -> bool:
    """Print a line for each way; whether all are fast enough."""
    fast = True
    async with served(ROOT) as ours, served(other) as theirs:
        for mode, (transport, _) in MODES.items():
            here: list[float] = []
            there: list[float] = []
            for number in range(rounds):
                turns = [(ours[transport], here), (theirs[transport], there)]
                for url, into in reversed(turns) if number % 2 else turns:
                    await rates(url, mode, seconds, into)
            ratio = median(here) / median(there)
            each = sorted(mine / other for mine, other in zip(here, there, strict=True))
            fast &= ratio >= LEAST
            print(
                f"{TITLES[mode]}: {median(here):,.0f} calls/s, the other {median(there):,.0f}: {ratio:.3f}"
                f" (rounds {each[0]:.3f} to {each[-1]:.3f}; at least {LEAST}){'' if ratio >= LEAST else ' MISSED'}"
            )
    return fast


def main() -> int:
    """Measure and judge."""
    parser = argparse.ArgumentParser(description="This checkout beside another one.")
    parser.add_argument("other", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    return int(not uvloop.run(compare(options.other.absolute(), options.rounds, options.seconds)))


if __name__ == "__main__":
    sys.exit(main())
