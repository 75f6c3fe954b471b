"""From an edit of YAMCP's files to what clients are served."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from bench.figure import Figure
from bench.footprint import five_workspaces
from bench.load import open_sessions
from bench.session import SessionError
from bench.stats import percentile
from tests.support.hub import Hub, running
from tests.support.yamcp import Workspaces, mock, module


def _edits() -> Iterator[Workspaces]:
    """Workspaces that lose a server, win it back, are renamed and renamed back; no server starts or stops."""
    all_of = ["a", "b", "c"]
    while True:
        yield {"kept": all_of, "edited": ["a", "b"]}
        yield {"kept": all_of, "edited": ["a", "b", "c"]}
        yield {"kept": all_of, "renamed": ["a", "b", "c"]}
        yield {"kept": all_of, "edited": ["a", "b", "c"], "new": ["c"]}


async def applied(quick: bool) -> list[Figure]:
    """File closed -> revision applied, over 50 edits that are each awaited."""
    names = ["a", "b", "c"]
    count = 10 if quick else 50
    took: list[float] = []
    async with running(
        {name: module(name, "bench.echo_server") for name in names}, {"kept": names, "edited": names}
    ) as hub:
        for workspaces, _ in zip(_edits(), range(count), strict=False):
            since = len(hub.events)
            closed = hub.write(workspaces=workspaces)
            took.append(await hub.wait_event(lambda event: event.topic == "applied", since) - closed)
            await _serves(hub, workspaces)
    ms = [seconds * 1e3 for seconds in took]
    note = f"{count} edits; max {max(ms):.0f} ms"
    return [
        Figure("edit: file closed -> applied, p50", percentile(ms, 0.5), "ms", note=note),
        Figure("edit: file closed -> applied, p95", percentile(ms, 0.95), "ms", "<=", 150, note=note),
    ]


async def _serves(hub: Hub, workspaces: Workspaces) -> None:
    """What was applied is what was written."""
    served = {workspace.name: list(workspace.servers) for workspace in (await hub.status()).workspaces}
    if served != workspaces:
        raise RuntimeError(f"applied {served} after writing {workspaces}")


async def start(quick: bool) -> list[Figure]:
    """From starting the hub's processes to serving, and from configuring a workspace to using it."""
    providers, workspaces = five_workspaces()
    begin = time.perf_counter()
    async with running(providers, workspaces) as hub:
        started = time.perf_counter() - begin
        new = ["x", "y", "z"]
        begin = hub.write(
            providers={**providers, **{name: mock(name) for name in new}}, workspaces={**workspaces, "new": new}
        )
        await usable(hub, "new", {f"{name}_echo" for name in new})
        return [
            Figure("start of the hub to settled, 5 workspaces of 2 servers", started, "s", "<", 10),
            Figure(
                "workspace of 3 new servers usable after it is configured", time.perf_counter() - begin, "s", "<=", 10
            ),
        ]


async def usable(hub: Hub, slug: str, tools: set[str], timeout: float = 30) -> None:
    """Connect until a client is served all these tools. Raises TimeoutError."""
    async with asyncio.timeout(timeout):
        while True:
            try:
                async with open_sessions(hub.sse(slug), 1) as [session]:
                    listed = await session.request("tools/list")
                    if tools <= {tool["name"] for tool in listed["tools"]}:
                        return
            except (SessionError, OSError):
                pass
            await asyncio.sleep(0.01)
