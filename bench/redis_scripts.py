"""What a call with limits costs Redis, where several hubs count together (docs/scaling.md)."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import psutil

from sidecar.quotas.account import Meter
from sidecar.quotas.plan import Bounds
from sidecar.quotas.shared import SharedCounts
from tests.support.redis import redis

ROUNDS, CALLS, AT_ONCE = 5, 8000, 16


async def measure() -> float:
    """Microseconds of CPU time of Redis for the script of a call with a rate and a limit of calls at once; the least of
    the rounds."""
    meter = Meter("bench")
    meter.configure(Bounds(((1e6, 1_000_000),), AT_ONCE * CALLS))
    with tempfile.TemporaryDirectory(prefix="redis") as name:
        async with redis(Path(name)) as server:
            counts = SharedCounts(f"unix://{name}/redis.sock", list, lambda _: 0, lambda _: None)
            process, costs = psutil.Process(server.pid), []

            async def call(number: int) -> None:
                for _ in range(number):
                    kind, _, member = await counts.enter(meter, is_call=True)
                    if kind:
                        raise RuntimeError(f"a call was refused: {kind}")
                    counts.leave(member)

            for _ in range(ROUNDS):
                before = sum(process.cpu_times()[:2])
                await asyncio.gather(*(call(CALLS // AT_ONCE) for _ in range(AT_ONCE)))
                costs.append((sum(process.cpu_times()[:2]) - before) / CALLS * 1e6)
                await counts.flush()
            await counts.close()
    return min(costs)


if __name__ == "__main__":
    print(f"{asyncio.run(measure()):.1f} us of Redis for a call with limits")
