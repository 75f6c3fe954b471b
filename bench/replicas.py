"""What one, two and three replicas carry out per second of CPU time behind nginx (docs/scaling.md).

`python -m bench.replicas`: replicas, servers, nginx and clients share the machine's cores, so that calls per second do
not grow with the number of replicas; what counts is that calls per second of CPU time of the sidecars stay the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import psutil

from bench.load import drive, open_sessions
from tests.integration.proxies.proxies import started
from tests.replicas.balancers import nginx
from tests.support.hub import Hub, free_port, free_ports, running
from tests.support.yamcp import module

MOST, CLIENTS, ROUNDS, SECONDS = 3, 12, 5, 1.5
CALL = {"name": "e_echo", "arguments": {"text": "x"}}
WAYS = (("sse", "legacy"), ("http", "legacy"), ("http", "modern"))


def cpu_seconds(hubs: Sequence[Hub]) -> float:
    """CPU time of all sidecars so far."""
    return float(sum(sum(psutil.Process(hub.pid("sidecar")).cpu_times()[:2]) for hub in hubs))


async def measure(hubs: Sequence[Hub], port: int, transport: str, era: str) -> tuple[float, float]:
    """Calls per second, and per second of CPU time of these hubs' sidecars. Raises RuntimeError when a call fails."""
    url = f"http://127.0.0.1:{port}/mcp/w" + ("/sse" if transport == "sse" else "")
    async with open_sessions(url, CLIENTS, transport=transport, era=era) as sessions:
        await drive(sessions, "tools/call", CALL, seconds=0.2)
        before = cpu_seconds(hubs)
        report = await drive(sessions, "tools/call", CALL, seconds=SECONDS)
        used = cpu_seconds(hubs) - before
    if report.errors:
        raise RuntimeError(f"{report.errors} of {report.calls} calls failed: {report.first_errors}")
    return report.calls_per_s, report.calls / used


async def open_replicas(stack: contextlib.AsyncExitStack, ports: Sequence[int]) -> list[Hub]:
    """Start a hub on each port that hands requests to the others, with the workspace `w` of an echo server."""
    addresses = ",".join(f"r{number}=http://127.0.0.1:{port}" for number, port in enumerate(ports))
    common = {"HUB_REPLICAS": addresses, "HUB_REPLICAS_SECRET": "s" * 32}
    return [
        await stack.enter_async_context(
            running(
                {"e": module("e", "bench.echo_server")},
                {"w": ["e"]},
                HUB_REPLICA=f"r{number}",
                HUB_SIDECAR_PORT=str(port),
                **common,
            )
        )
        for number, port in enumerate(ports)
    ]


async def main() -> None:
    """Print a table."""
    ports = free_ports(MOST)
    found: defaultdict[tuple[str, str, int], list[tuple[float, float]]] = defaultdict(list)
    async with contextlib.AsyncExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        hubs = await open_replicas(stack, ports)
        fronts = []
        for count in range(1, MOST + 1):
            (place := root / str(count)).mkdir()
            fronts.append(port := free_port())
            words = nginx(place, port, ports[:count])
            whole = place / "nginx.conf"  # the load client keeps its connections; nginx ends them after 1000 requests
            whole.write_text(whole.read_text().replace("http {", "http { keepalive_requests 1000000000;", 1))
            await stack.enter_async_context(started(words, place, port))
        for _ in range(ROUNDS):
            for way in WAYS:
                for count, port in enumerate(fronts, 1):
                    found[*way, count].append(await measure(hubs[:count], port, *way))
        print("| transport | replicas | calls/s | calls per second of CPU time of the sidecars |\n|---|---|---|---|")
        for (transport, era, count), rounds in found.items():
            rate, per_cpu = (statistics.median(each[index] for each in rounds) for index in (0, 1))
            print(f"| {transport} {era} | {count} | {rate:,.0f} | {per_cpu:,.0f} |")


if __name__ == "__main__":
    asyncio.run(main())
