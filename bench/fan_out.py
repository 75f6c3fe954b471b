"""Fan-out and what the hub's own tools cost other calls. `python -m bench.fan_out`."""

from __future__ import annotations

import asyncio
import statistics
import time

import mcp

from tests.support.clients import sdk
from tests.support.sidecar import demo, mock, running, workspace

CALLS, SECONDS, BAR = 20, 0.1, 0.5
ROUNDS, REPEATS = 5, 300


async def fan_out(client: mcp.Client) -> float:
    """The seconds that the calls take together, 8 at a time: the median. Raises AssertionError if one fails."""
    times = []
    calls = [{"name": "clock_countdown", "arguments": {"seconds": SECONDS}}] * CALLS
    for _ in range(ROUNDS):
        began = time.perf_counter()
        done = await client.call_tool("hub_call_many", {"calls": calls, "at_once": 8})
        times.append(time.perf_counter() - began)
        assert done.structured_content is not None and done.structured_content["ok"] == CALLS, done
    return statistics.median(times)


async def one_call(client: mcp.Client) -> float:
    """The milliseconds of a call: the median."""
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        await client.call_tool("mock_echo", {"text": "x"})
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


async def main() -> None:
    """Print what was measured; fails if the fan-out takes longer than promised."""
    clock, echo = demo("clock"), mock("mock")
    with_tools = workspace("with", clock, echo).model_copy(update={"hub_tools": True})
    async with running(clock, echo, with_tools, workspace("without", clock, echo)) as hub:
        async with sdk(f"{hub.base}/mcp/without", "http") as client:
            await one_call(client)
            without = await one_call(client)
        async with sdk(f"{hub.base}/mcp/with", "http") as client:
            await one_call(client)
            print(f"one call: {without:.2f} ms in a workspace without hub tools, {await one_call(client):.2f} ms with")
            taken = await fan_out(client)
    print(f"{CALLS} calls of {SECONDS:g} s, 8 at a time: {taken:.3f} s (bar: {BAR} s)")
    assert taken <= BAR


if __name__ == "__main__":
    asyncio.run(main())
