"""What it costs that a replica hands a call to the one that has the session (docs/scaling.md).

`python -m bench.forwarding` runs two replicas before an echo server each, and calls sessions of the one directly and at
the other one, in alternating rounds. Ratios count: replicas, servers and clients share the machine's cores.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

from bench.load import drive, open_sessions
from bench.replicas import open_replicas
from bench.session import Session
from tests.support.hub import Hub, free_ports

CLIENTS, ROUNDS, SECONDS = 10, 5, 1.5
DIRECT, HANDED = "at its own replica", "handed over"
CALL = {"name": "e_echo", "arguments": {"text": "x"}}


@dataclass(frozen=True)
class Cost:
    """What one round took."""

    rate: float
    """Calls per second."""
    p50: float
    """Milliseconds."""
    cpu: float
    """Microseconds of CPU time of both sidecars for a call."""


async def costs(hubs: Sequence[Hub], sessions: list[Session], port: int) -> Cost:
    """Call in all sessions, whose requests go to this port. Raises RuntimeError when a call fails."""
    for session in sessions:
        await session.move(port)
    sidecars = [psutil.Process(hub.pid("sidecar")) for hub in hubs]
    await drive(sessions, "tools/call", CALL, seconds=0.2)
    before = sum(sum(each.cpu_times()[:2]) for each in sidecars)
    report = await drive(sessions, "tools/call", CALL, seconds=SECONDS)
    used = sum(sum(each.cpu_times()[:2]) for each in sidecars) - before
    if report.errors:
        raise RuntimeError(f"{report.errors} of {report.calls} calls failed: {report.first_errors}")
    return Cost(report.calls_per_s, report.p50_ms, used / report.calls * 1e6)


async def main() -> None:
    """Print a table."""
    ports = free_ports(2)
    async with contextlib.AsyncExitStack() as stack:
        hubs = await open_replicas(stack, ports)
        print("| transport | calls | calls/s | p50 | CPU of both sidecars for a call |")
        print("|---|---|---|---|---|")
        for transport, url in (("http", hubs[0].http("w")), ("sse", hubs[0].sse("w"))):
            async with open_sessions(url, CLIENTS, transport=transport) as sessions:
                rounds: dict[str, list[Cost]] = {DIRECT: [], HANDED: []}
                for _ in range(ROUNDS):
                    for name, port in zip(rounds, ports, strict=True):
                        rounds[name].append(await costs(hubs, sessions, port))
            _print(transport, rounds)


def _print(transport: str, rounds: dict[str, list[Cost]]) -> None:
    medians = {
        name: Cost(
            statistics.median(each.rate for each in found),
            statistics.median(each.p50 for each in found),
            statistics.median(each.cpu for each in found),
        )
        for name, found in rounds.items()
    }
    for name, cost in medians.items():
        print(f"| {transport} | {name} | {cost.rate:,.0f} | {cost.p50:.2f} ms | {cost.cpu:.0f} us |")
    own, handed = medians[DIRECT], medians[HANDED]
    ratios = handed.rate / own.rate, handed.p50 / own.p50, handed.cpu / own.cpu
    print(f"| {transport} | ratio | {ratios[0]:.2f} | {ratios[1]:.1f} | {ratios[2]:.1f} |")


if __name__ == "__main__":
    asyncio.run(main())
