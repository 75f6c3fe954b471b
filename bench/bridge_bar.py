"""What the project promises of the bridge, measured between two processes: `python -m bench.bridge_bar` prints it.

A round trip, acknowledged messages/s, what a burst of 10,000 adds to memory, order, losses over a restart of the
other side.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvloop

from bench.stats import percentile
from bridge.client import BridgeClient
from bridge.models import Accepted, Snapshot
from bridge.server import BridgeServer

DEADLINE = 60.0
BURST = 10_000


async def serve(address: str, log: Path) -> None:
    """Accept every snapshot, and note its revision as a line of `log`."""
    with log.open("a", buffering=1) as file:

        async def apply(body: Snapshot) -> Accepted:
            file.write(f"{body.id.revision}\n")
            return Accepted(id=body.id)

        started = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(BridgeServer(address, {Snapshot: apply}).serve(started))
            await started.wait()
            print("ready", flush=True)


@asynccontextmanager
async def server(address: str, log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A server in a process of its own; killed at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.bridge_bar", address, str(log), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        if await process.stdout.readline() != b"ready\n":
            raise RuntimeError("the server did not start")
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def apply(client: BridgeClient, revision: int) -> int:
    """Have a snapshot acknowledged; returns the revision that was."""
    return (await client.request(Snapshot.of(1, revision, (), ()), DEADLINE)).id.revision


async def speed(client: BridgeClient, count: int) -> dict[str, float]:
    """Round trips of empty snapshots, one by one and then all at once."""
    times = []
    for revision in range(count):
        begin = time.perf_counter()
        await apply(client, revision)
        times.append((time.perf_counter() - begin) * 1e3)
    begin = time.perf_counter()
    await asyncio.gather(*(apply(client, revision) for revision in range(count, 6 * count)))
    rate = 5 * count / (time.perf_counter() - begin)
    return {"p50_ms": percentile(times, 0.5), "p99_ms": percentile(times, 0.99), "per_second": rate}


async def burst(client: BridgeClient, server_pid: int, count: int) -> dict[str, float]:
    """What `count` requests made at once add to the peak memory of both processes, in MB.

    Beyond what as many tasks take that hold the same bodies and await a future each, in a call as `request` is one:
    that much any asking costs the caller.
    """
    futures: list[asyncio.Future[int]] = []

    async def ask(body: Snapshot, timeout: float) -> int:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        futures.append(future)
        return await future

    async def wait(revision: int) -> int:
        return await ask(Snapshot.of(1, revision, (), ()), DEADLINE)

    waiting = asyncio.gather(*(wait(revision) for revision in range(count)))
    await asyncio.sleep(0)
    for future in futures:
        future.set_result(0)
    await waiting
    futures.clear()
    del waiting
    gc.collect()
    before = _peak(os.getpid()), _peak(server_pid)
    await asyncio.gather(*(apply(client, revision) for revision in range(count)))
    client_mb, server_mb = (_peak(pid) - was for pid, was in zip((os.getpid(), server_pid), before, strict=True))
    return {"burst_client_mb": client_mb, "burst_server_mb": server_mb}


def _peak(pid: int) -> float:
    """The most memory that a process ever had, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1000


async def over_a_restart(address: str, log: Path, count: int) -> int:
    """`count` snapshots at once, with kill -9 of the server halfway; how many were acknowledged."""
    async with BridgeClient(address) as client:
        asked = [asyncio.create_task(apply(client, revision)) for revision in range(count)]
        async with server(address, log):
            await asked[count // 2]
        async with server(address, log):
            answers = await asyncio.gather(*asked, return_exceptions=True)
    return sum(isinstance(answer, int) for answer in answers)


async def measure(quick: bool = False) -> dict[str, Any]:
    """The figures of the bridge.

    `p50_ms`, `p99_ms`: round trip; `per_second`: acknowledged, pipelined; `burst_*`: see `burst`; `ordered`: handled in
    the order in which they were asked, over a restart too; `lost`: asked and never acknowledged, `repeated`: handled
    twice, over a restart.
    """
    count = 200 if quick else 2000
    with tempfile.TemporaryDirectory() as directory:
        address = f"ipc://{directory}/run/x.sock"
        steady, restarted = Path(directory, "steady"), Path(directory, "restarted")
        async with server(address, steady), BridgeClient(address) as client:
            await client.peer()
            figures: dict[str, Any] = await speed(client, count)
        async with server(address, Path(directory, "burst")) as process, BridgeClient(address) as client:
            await asyncio.gather(*(apply(client, revision) for revision in range(500)))
            figures |= await burst(client, process.pid, BURST // 10 if quick else BURST)
        acknowledged = await over_a_restart(address, restarted, 2 * count)
        handled = [[int(line) for line in log.read_text().split()] for log in (steady, restarted)]
    first = list(dict.fromkeys(handled[1]))
    figures["ordered"] = handled[0] == list(range(6 * count)) and first == list(range(2 * count))
    figures["lost"] = 2 * count - acknowledged
    figures["repeated"] = len(handled[1]) - len(first)
    return figures


if __name__ == "__main__":
    if len(sys.argv) == 3:
        uvloop.run(serve(sys.argv[1], Path(sys.argv[2])))
    else:
        print(json.dumps(uvloop.run(measure()), indent=2))
