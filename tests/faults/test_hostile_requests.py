"""Malformed and hostile requests: no traceback, no growth, and nobody else notices (issue 14)."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Iterable

import psutil
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from bench.session import HttpSession
from tests.faults.load import Caller
from tests.faults.requests import framings, hostile, odd_heads
from tests.faults.results import record
from tests.faults.scene import WAYS, stdio
from tests.support import sidecar
from tests.support.sidecar import Sidecar

COUNT = int(os.environ.get("HUB_HOSTILE_REQUESTS", "500"))
"""How many requests are sent; the first of them are made by hand."""
AT_ONCE = 64
PATIENCE = 1.0
"""Seconds after which a connection is left on which nothing comes: many of these requests are not complete."""
GROWTH = 1.25
"""By which memory may have grown: the first requests fill caches."""


def generated(count: int) -> list[bytes]:
    """So many requests of hypothesis."""
    found: list[bytes] = []

    @settings(max_examples=count, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(hostile)
    def collect(request: bytes) -> None:
        found.append(request)

    collect()
    return found


async def send(port: int, request: bytes) -> int:
    """Send one request on a connection of its own; the status of the first response, 0 if there is none."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        async with asyncio.timeout(PATIENCE):
            line = await reader.readline()
        return int(line.split()[1]) if line.startswith(b"HTTP/1.") else 0
    except (TimeoutError, OSError):
        return 0
    finally:
        writer.transport.abort()


async def send_all(port: int, requests: Iterable[bytes]) -> Counter[int]:
    """Send requests, `AT_ONCE` at a time; returns how many got which status."""
    statuses: Counter[int] = Counter()
    rest = iter(requests)

    async def worker() -> None:
        for request in rest:
            statuses[await send(port, request)] += 1

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    return statuses


def memory(hub: Sidecar) -> float:
    """The sidecar's resident memory, in MB."""
    return float(psutil.Process(hub.pid("sidecar")).memory_info().rss) / 1e6


@pytest.mark.timeout(1800)
async def test_hostile_requests() -> None:
    """Each is answered below 500 or closed, and other sessions go on.

    All go to the sidecar's own port, and a quarter also to the public one, which has no front here.
    """
    framed = framings()
    random.Random(14).shuffle(framed)
    made = [*odd_heads(), *framed][: COUNT // 2]
    requests = [*made, *generated(COUNT - len(made))]
    spec = stdio("a")
    async with sidecar.running(spec, sidecar.workspace("w", spec), public=True, HUB_SESSION_IDLE_TIMEOUT="3") as hub:
        session = HttpSession(hub.http("w"))
        await session.open()
        named = [each.replace(b"{session}", session.headers["Mcp-Session-Id"].encode()) for each in requests]
        callers = [Caller(hub.sse("w") if way[0] == "sse" else hub.http("w"), way, ("a",), 0.2) for way in WAYS * 2]
        tasks = [asyncio.create_task(caller.run()) for caller in callers]
        statuses = await send_all(hub.settings.sidecar_port, named[: COUNT // 4])
        before, descriptors = memory(hub), psutil.Process(hub.pid("sidecar")).num_fds()
        statuses += await send_all(hub.settings.sidecar_port, named[COUNT // 4 :])
        statuses += await send_all(hub.settings.port, named[::4])
        for caller in callers:
            caller.end()
        await asyncio.gather(*tasks)
        await session.close()
        outcomes = [outcome for caller in callers for outcome in caller.take().values()]
        assert [outcome.errors + outcome.wrong for outcome in outcomes] == [[]] * len(callers)
        assert all(outcome.latencies for outcome in outcomes)
        refused = {status: count for status, count in statuses.items() if status >= 500}
        assert set(refused) <= {501, 503, 505}, statuses
        assert statuses[200] and statuses[400]
        assert "Traceback" not in hub.log("sidecar")
        assert "Traceback" not in hub.log("acceptor")
        await hub.wait_status(lambda status: all(not each.calls_in_flight for each in status.servers), "no calls")
        async with asyncio.timeout(100):
            while psutil.Process(hub.pid("sidecar")).num_fds() > descriptors + 2:  # noqa: ASYNC110 (no event tells)
                await asyncio.sleep(0.1)
        assert memory(hub) < before * GROWTH + 10
        record(
            {
                "hostile": sum(statuses.values()),
                "statuses": {str(status): count for status, count in sorted(statuses.items())},
                "memory": [round(before, 1), round(memory(hub), 1)],
            }
        )
