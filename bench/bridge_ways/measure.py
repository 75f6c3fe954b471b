"""Measure one way, with its server in another process: `python -m bench.bridge_ways.measure WAY` prints JSON."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import uvloop

from bench.bridge_ways.clients import FAILURES, Client, connect
from bench.stats import median, percentile
from bridge.models import ListTools, Logs, Restart

NOW = Logs(limit=1)
IN_FLIGHT = 512
ROUNDS = 5


@asynccontextmanager
async def server(way: str, address: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A server that listens; killed at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.bridge_ways.servers", way, address, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        if await process.stdout.readline() != b"ready\n":
            raise RuntimeError(f"the {way} server did not start")
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def ask_all(client: Client, count: int, body: Any, timeout: float = 60) -> list[Any]:
    """`count` requests at once; answers or exceptions."""
    requests = (client.ask(body, timeout) for _ in range(count))
    return await asyncio.gather(*requests, return_exceptions=True)


async def latency(client: Client, count: int) -> list[float]:
    """Times of `count` requests, one after the other, in ms."""
    times = []
    for _ in range(count):
        begin = time.perf_counter()
        await client.ask(NOW, 5)
        times.append((time.perf_counter() - begin) * 1e3)
    return times


async def throughput(client: Client, count: int) -> float:
    """Answered requests/s with IN_FLIGHT of them under way (HTTP: as many as it has connections)."""
    left = iter(range(count))

    async def ask() -> None:
        for _ in left:
            await client.ask(NOW, 30)

    begin = time.perf_counter()
    await asyncio.gather(*(ask() for _ in range(IN_FLIGHT)))
    return count / (time.perf_counter() - begin)


async def steady(way: str, address: str, quick: bool) -> dict[str, float]:
    """Latency and throughput: medians of ROUNDS rounds."""
    count = 200 if quick else 2000
    async with server(way, address), connect(way, address) as client:
        await latency(client, 200)
        times = [await latency(client, count) for _ in range(ROUNDS)]
        rates = [await throughput(client, 5 * count) for _ in range(ROUNDS)]
    return {
        "p50_ms": median(percentile(each, 0.5) for each in times),
        "p99_ms": median(percentile(each, 0.99) for each in times),
        "per_second": median(rates),
        "per_second_least": min(rates),
        "per_second_most": max(rates),
    }


async def death(way: str, address: str) -> dict[str, Any]:
    """kill -9 with requests under way: when the client learns of it, and from the next server's start to an answer."""
    async with connect(way, address) as client, asyncio.TaskGroup() as tasks:
        async with server(way, address) as process:
            change = tasks.create_task(_outcome(client.ask(Restart(key="x"), 10)))
            question = tasks.create_task(_outcome(client.ask(Logs(limit=1000), 10)))
            await latency(client, 20)
            begin = time.perf_counter()
            process.kill()
            await process.wait()
            await change
            learned = (time.perf_counter() - begin) * 1e3
        async with server(way, address):
            begin = time.perf_counter()
            await _until_answered(client)
            recovered = (time.perf_counter() - begin) * 1e3
            return {
                "learned_ms": learned,
                "recovered_ms": recovered,
                "change": await change,
                "question": await question,
            }


async def _outcome(request: Coroutine[Any, Any, Any]) -> str:
    try:
        await request
    except FAILURES:
        return "fails"
    return "answered by the next server"


async def _until_answered(client: Client) -> None:
    while True:
        try:
            await client.ask(NOW, 1)
        except FAILURES:
            await asyncio.sleep(0.001)
        else:
            return


async def slow(way: str, address: str) -> dict[str, float]:
    """The latency of quick requests while 100 slow ones are under way, in ms."""
    async with server(way, address), connect(way, address) as client:
        await client.ask(NOW, 5)
        asked = asyncio.create_task(ask_all(client, 100, Logs(limit=1500)))
        await asyncio.sleep(0.2)
        times = await latency(client, 200)
        await asked
    return {"beside_slow_p50_ms": percentile(times, 0.5), "beside_slow_worst_ms": max(times)}


async def stopped(way: str, address: str) -> dict[str, Any]:
    """A server that stands still (SIGSTOP) is sent 8,000 requests of 10 kB: memory, and when it answers afterwards."""
    me, body = psutil.Process(), ListTools(workspace="x" * 10_000)
    async with server(way, address) as process, connect(way, address) as client:
        await client.ask(NOW, 5)
        os.kill(process.pid, signal.SIGSTOP)
        before = me.memory_info().rss
        asked = asyncio.create_task(ask_all(client, 8000, body, timeout=3))
        peak = before
        while not asked.done():
            await asyncio.sleep(0.05)
            peak = max(peak, me.memory_info().rss)
        failed = sum(isinstance(result, FAILURES) for result in asked.result())
        os.kill(process.pid, signal.SIGCONT)
        begin = time.perf_counter()
        await _until_answered(client)
        resumed = (time.perf_counter() - begin) * 1e3
        held = psutil.Process(process.pid).memory_info().rss
    return {
        "stopped_growth_mb": (peak - before) / 2**20,
        "failed": failed,
        "resumed_ms": resumed,
        "server_mb": held / 2**20,
    }


async def measure(way: str, quick: bool = False) -> dict[str, Any]:
    """Everything of one way."""
    with tempfile.TemporaryDirectory() as directory:
        address = _address(way, Path(directory))
        found: dict[str, Any] = await steady(way, address, quick)
        found |= await slow(way, address)
        found |= await death(way, address)
        found |= await stopped(way, address)
    return found


def _address(way: str, directory: Path) -> str:
    if way.startswith("http"):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            return str(free.getsockname()[1])
    path = directory / "run" / "x.sock"
    path.parent.mkdir(mode=0o700)
    return f"ipc://{path}" if way == "zmq" else str(path)


if __name__ == "__main__":
    print(json.dumps(uvloop.run(measure(sys.argv[1], "--quick" in sys.argv))))
