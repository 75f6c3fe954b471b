"""What it costs that a replica hands a call to the one that has the session (docs/scaling.md).

`python -m bench.forwarding` runs two replicas before an echo server each, and calls sessions of the one directly and at
the other one, in alternating rounds. Ratios count: replicas, servers and clients share the machine's cores.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import psutil

from bench.load import drive, open_sessions
from bench.replicas import open_replicas
from bench.session import Session
from bench.tables import piped
from tests.support.hub import Hub, free_ports

CLIENTS, ROUNDS, SECONDS = 10, 5, 1.5
DIRECT, HANDED = "at its own replica", "handed over"
CALL = {"name": "e_echo", "arguments": {"text": "x"}}


class Cost(NamedTuple):
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


Found = Mapping[str, Mapping[str, Sequence[Cost]]]
"""Rounds by transport and way of the calls."""


async def measure_all() -> Found:
    """All rounds."""
    ports = free_ports(2)
    found: dict[str, dict[str, list[Cost]]] = {}
    async with contextlib.AsyncExitStack() as stack:
        hubs = await open_replicas(stack, ports)
        for transport, url in (("http", hubs[0].http("w")), ("sse", hubs[0].sse("w"))):
            async with open_sessions(url, CLIENTS, transport=transport) as sessions:
                rounds: dict[str, list[Cost]] = {DIRECT: [], HANDED: []}
                for _ in range(ROUNDS):
                    for name, port in zip(rounds, ports, strict=True):
                        rounds[name].append(await costs(hubs, sessions, port))
            found[transport] = rounds
    return found


def summed_up(rounds: Sequence[Cost]) -> Cost:
    """The medians of rate and p50, and the least CPU time: what else the machine does only adds to it."""
    rate, p50 = (statistics.median(values) for values in ([each[index] for each in rounds] for index in (0, 1)))
    return Cost(rate, p50, min(each.cpu for each in rounds))


def table(found: Found) -> str:
    """In Markdown."""
    rows = []
    for transport, rounds in found.items():
        own, handed = summed_up(rounds[DIRECT]), summed_up(rounds[HANDED])
        for name, cost in ((DIRECT, own), (HANDED, handed)):
            rows.append([transport, name, f"{cost.rate:,.0f}", f"{cost.p50:.2f} ms", f"{cost.cpu:.0f} us"])
        ratios = handed.rate / own.rate, handed.p50 / own.p50, handed.cpu / own.cpu
        rows.append([transport, "ratio", *(f"{ratio:.2f}" for ratio in ratios)])
    return "\n".join(piped(("transport", "calls", "calls/s", "p50", "CPU of both sidecars for a call"), rows))


def dearest_call(found: Found) -> float:
    """Microseconds of CPU time of both sidecars for a call that is handed over, of the dearest transport."""
    return max(summed_up(rounds[HANDED]).cpu for rounds in found.values())


if __name__ == "__main__":
    print(table(asyncio.run(measure_all())))
