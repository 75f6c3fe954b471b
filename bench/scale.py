"""Many workspaces and many clients at once."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from bench.figure import Figure
from bench.load import Report, drive, open_sessions
from tests.support.hub import running
from tests.support.yamcp import module

WORKSPACES, CLIENTS = 20, 5


async def twenty_by_five(quick: bool) -> list[Figure]:
    """20 workspaces, each with a server of its own, 5 clients on each, all calling at once."""
    names = [f"s{number}" for number in range(WORKSPACES)]
    count = 5 if quick else 50
    async with (
        running(
            {name: module(name, "bench.echo_server") for name in names}, {name: [name] for name in names}, front=True
        ) as hub,
        AsyncExitStack() as stack,
    ):
        groups = [await stack.enter_async_context(open_sessions(hub.public_sse(name), CLIENTS)) for name in names]
        reports: list[Report] = await asyncio.gather(
            *(
                drive(sessions, "tools/call", {"name": f"{name}_echo", "arguments": {"text": name}}, count=count)
                for name, sessions in zip(names, groups, strict=True)
            )
        )
    served = sum(report.calls - report.errors for report in reports)
    wanted = WORKSPACES * CLIENTS * count
    note = f"{wanted:,} calls, {sum(report.calls_per_s for report in reports):,.0f} calls/s"
    return [
        Figure(
            f"{WORKSPACES} workspaces x {CLIENTS} clients: calls answered", 100 * served / wanted, "%", "==", 100, note
        ),
        Figure(f"{WORKSPACES} workspaces x {CLIENTS} clients: worst p95", max(r.p95_ms for r in reports), "ms"),
    ]
