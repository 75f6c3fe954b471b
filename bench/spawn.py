"""What the spawner costs: its memory, and the time from start to first reply against a plain asyncio subprocess.

    python -m bench.spawn

The server is `cat`, which answers each frame with itself and starts faster than any MCP server, so that what is
measured is the way to start it.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from asyncio.subprocess import PIPE
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import orjson
import uvloop

from bench.stats import median
from bridge.models import StdioLaunch
from sidecar.channels.stdio import open_stdio
from sidecar.spawner.client import Spawner

CAT = StdioLaunch(command="cat")
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


async def measure(rounds: int = 50, together: int = 30) -> dict[str, float]:
    """Medians of `rounds` starts, one after the other, in ms, and of `together` at once; memory (PSS) in MB."""
    with tempfile.TemporaryDirectory() as directory:
        async with Spawner(Path(directory)) as spawner:
            begun = time.perf_counter()
            (await spawner.spawn(["true"], os.environ, None, "first")).abandon()
            found = {"spawner_start_ms": 1000 * (time.perf_counter() - begun)}
            found["spawn_ms"] = await _each(rounds, lambda: _spawned(spawner))
            found["subprocess_ms"] = await _each(rounds, _subprocess)
            found["together_ms"] = await _together(spawner, together)
            found["close_ms"] = await _each(rounds, lambda: _closed(spawner))
            found["round_trip_ms"] = await _round_trip(spawner, rounds * 20)
            found["spawner_pss_mb"] = _pss(spawner.pid)
    return found


async def _each(rounds: int, job: Callable[[], Awaitable[float]]) -> float:
    return median([await job() for _ in range(rounds)])


async def _spawned(spawner: Spawner) -> float:
    """From nothing to the first reply, through the spawner."""
    reply = asyncio.Event()
    begun = time.perf_counter()
    async with open_stdio(spawner, CAT, on_frame=lambda frame: reply.set(), redact=str) as channel:
        await channel.send(PING)
        await reply.wait()
        return 1000 * (time.perf_counter() - begun)


async def _subprocess() -> float:
    """The same with what asyncio offers."""
    begun = time.perf_counter()
    process = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True)
    assert process.stdin and process.stdout
    process.stdin.write(orjson.dumps(PING) + b"\n")
    orjson.loads(await process.stdout.readline())
    took = 1000 * (time.perf_counter() - begun)
    process.stdin.close()
    await process.wait()
    return took


async def _together(spawner: Spawner, count: int) -> float:
    """Until the last of many that are started at once has replied."""
    async with AsyncExitStack() as stack:

        async def one() -> None:
            reply = asyncio.Event()
            channel = await stack.enter_async_context(
                open_stdio(spawner, CAT, on_frame=lambda frame: reply.set(), redact=str)
            )
            await channel.send(PING)
            await reply.wait()

        begun = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(count)))
        return 1000 * (time.perf_counter() - begun)


async def _closed(spawner: Spawner) -> float:
    """From closing a polite server to nothing left of it."""
    async with open_stdio(spawner, CAT, on_frame=lambda frame: None, redact=str):
        begun = time.perf_counter()
    return 1000 * (time.perf_counter() - begun)


async def _round_trip(spawner: Spawner, count: int) -> float:
    times, reply = [], asyncio.Event()
    async with open_stdio(spawner, CAT, on_frame=lambda frame: reply.set(), redact=str) as channel:
        for _ in range(count):
            begun = time.perf_counter()
            await channel.send(PING)
            await reply.wait()
            times.append(1000 * (time.perf_counter() - begun))
            reply.clear()
    return median(times)


def _pss(pid: int | None) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def main() -> None:
    """Print the figures of both event loops."""
    runs: dict[str, Any] = {"uvloop": uvloop.run, "asyncio": asyncio.run}
    for name, run in runs.items():
        for key, value in run(measure()).items():
            sys.stdout.write(f"{name:8} {key:18} {value:8.2f}\n")


if __name__ == "__main__":
    main()
