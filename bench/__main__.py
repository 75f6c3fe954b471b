"""`make bench`: the hub beside other ways of doing it, and what the load client itself can do."""

from __future__ import annotations

import asyncio

import uvloop

from bench import machine
from bench.bars import as_text
from bench.direct import serving
from bench.figure import Figure
from bench.load import measure
from bench.throughput import CLIENTS, PLAIN, RAW, SAME, side_by_side

SECONDS = 3.0


async def compare() -> list[Figure]:
    """Calls/s and p50 over SSE of each way, with 10 clients and with one."""
    figures = []
    async with (
        side_by_side("sse") as columns,
        serving("bench.fastmcp_proxy", path="/sse") as proxy,
        serving("bench.ceiling", path="/sse") as ceiling,
    ):
        ways = {
            "FastMCP create_proxy before two echo servers": (proxy, "raw_echo"),
            **{name: columns[name] for name in (PLAIN, SAME, RAW)},
            "the load client's own ceiling": (ceiling, "echo"),
        }
        for name, (url, tool) in ways.items():
            many = await measure(url, tool=tool, clients=CLIENTS, seconds=SECONDS, warmup=2)
            one = await measure(url, tool=tool, clients=1, seconds=SECONDS, warmup=2)
            note = f"{CLIENTS} clients; p50 of one client {one.p50_ms:.3g} ms; {many.errors + one.errors} errors"
            figures.append(Figure(name, many.calls_per_s, "calls/s", note=note))
            await asyncio.sleep(0.5)
    return figures


if __name__ == "__main__":
    print(as_text(machine.describe(), uvloop.run(compare())))
