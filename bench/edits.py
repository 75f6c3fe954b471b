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
from tests.support.yamcp import Providers, Workspaces, mock, module

SERVERS = ["a", "b", "c"]
CHANGED = "notifications/tools/list_changed"


def _edits() -> Iterator[tuple[Providers | None, Workspaces]]:
    """A workspace loses a server, wins it back, is renamed; a server is renamed, in both files; and all back again.

    No server's process starts or stops by any of these.
    """
    servers = {name: module(name, "bench.echo_server") for name in SERVERS}
    renamed = {"a": servers["a"], "b": servers["b"], "d": servers["c"]}
    while True:
        yield None, {"kept": SERVERS, "edited": ["a", "b"]}
        yield None, {"kept": SERVERS, "edited": ["a", "b", "c"]}
        yield None, {"kept": SERVERS, "renamed": ["a", "b", "c"]}
        yield renamed, {"kept": ["a", "b", "d"], "renamed": ["a", "b", "d"]}
        yield servers, {"kept": SERVERS, "edited": SERVERS}


async def applied(quick: bool) -> list[Figure]:
    """File closed -> revision applied, over 50 edits that are each awaited."""
    count = 10 if quick else 50
    took: list[float] = []
    async with running(
        {name: module(name, "bench.echo_server") for name in SERVERS}, {"kept": SERVERS, "edited": SERVERS}
    ) as hub:
        for (providers, workspaces), _ in zip(_edits(), range(count), strict=False):
            since = len(hub.events)
            closed = hub.write(providers, workspaces)
            took.append(await _served(hub, workspaces, since) - closed)
    ms = [seconds * 1e3 for seconds in took]
    note = f"{count} edits; max {max(ms):.0f} ms"
    return [
        Figure("edit: file closed -> applied, p50", percentile(ms, 0.5), "ms", note=note),
        Figure("edit: file closed -> applied, p95", percentile(ms, 0.95), "ms", "<=", 150, note=note),
    ]


async def _served(hub: Hub, workspaces: Workspaces, since: int) -> float:
    """When the revision that says what was written was applied. Raises TimeoutError."""
    while True:
        at = await hub.wait_event(lambda event: event.topic == "applied", since)
        since = len(hub.events)
        if {workspace.name: list(workspace.servers) for workspace in (await hub.status()).workspaces} == workspaces:
            return at


async def list_changed(quick: bool) -> list[Figure]:
    """File closed -> a connected client is told that its tools changed, over edits that add and remove a server."""
    count = 6 if quick else 40
    ms: list[float] = []
    providers = {name: module(name, "bench.echo_server") for name in SERVERS}
    async with (
        running(providers, {"kept": SERVERS, "edited": SERVERS}, front=True) as hub,
        open_sessions(hub.public_sse("edited"), 1) as [session],
    ):
        for number in range(count):
            told = session.notices[CHANGED]
            closed = hub.write(None, {"kept": SERVERS, "edited": SERVERS[: 2 + number % 2]})
            async with asyncio.timeout(10):
                while session.notices[CHANGED] == told:
                    session.noticed.clear()
                    await session.noticed.wait()
            ms.append((time.perf_counter() - closed) * 1e3)
    note = f"{count} edits; p50 {percentile(ms, 0.5):.0f} ms, max {max(ms):.0f} ms"
    return [Figure("edit: file closed -> a client has list_changed, p95", percentile(ms, 0.95), "ms", note=note)]


async def start(quick: bool) -> list[Figure]:
    """From starting the hub's processes to serving, and from configuring a workspace to using it."""
    providers, workspaces = five_workspaces()
    begin = time.perf_counter()
    async with running(providers, workspaces, front=True) as hub:
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
                async with open_sessions(hub.public_sse(slug), 1) as [session]:
                    listed = await session.request("tools/list")
                    if tools <= {tool["name"] for tool in listed["tools"]}:
                        return
            except (SessionError, OSError):
                pass
            await asyncio.sleep(0.01)
