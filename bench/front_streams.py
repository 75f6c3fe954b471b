"""Twenty browsers on the event stream and fifty MCP sessions through the front: nothing lost, nothing buffered."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import orjson
import psutil

from bench.figure import Figure
from bench.footprint import pss
from bench.load import open_sessions
from bench.session import Session
from bench.stats import percentile
from bridge.models import SetWorkspace
from tests.support.hub import Hub, running
from tests.support.yamcp import ROOT, mock

CLIENTS, PAGES, SESSIONS, SERVERS = 18, 2, 50, 10
EVENTS = 10_000
PACE = 0.16  # seconds between two lines of a session: 31 lines/s a server; the hub only counts what is beyond 40
WARM = 0.3  # of the events, after which the front's memory is looked at for the first time
GROWTH = 15.0  # MB that a heap may breathe


async def streams(quick: bool) -> list[Figure]:
    """Each session makes a server write lines, each an event for every browser, while a workspace goes off and on."""
    each = (1_000 if quick else EVENTS) // SESSIONS
    names = [f"s{number}" for number in range(SERVERS)]
    workspaces = {**{name: [name] for name in names}, "toggled": ["s0"]}
    async with running({name: mock(name) for name in names}, workspaces, front=True) as hub, AsyncExitStack() as stack:
        browsers = await stack.enter_async_context(_browsers(hub))
        sessions = await _open(hub, names, stack)
        front = psutil.Process(hub.pid("front"))
        warm = round(each * WARM)
        toggling = asyncio.create_task(_toggle(hub))
        await _write_lines(sessions, warm)
        before = pss(front)
        await _write_lines(sessions, each - warm)
        toggling.cancel()
        await asyncio.wait([toggling])
        await hub.wait_settled()
        got = await _told(browsers, {_line(number): each for number in range(SESSIONS)})
        return _figures(got, each * SESSIONS, before, pss(front))


@contextlib.asynccontextmanager
async def _browsers(hub: Hub) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        "node",
        str(ROOT / "bench" / "front_streams.mjs"),
        hub.settings.base_url,
        str(CLIENTS),
        str(PAGES),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**26,
    )
    try:
        await _line_of(process)
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()  # it ends by itself, and its browser with it
        try:
            await asyncio.wait_for(process.wait(), 15)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _line_of(process: asyncio.subprocess.Process) -> Any:
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), 90)
    if not line:
        raise RuntimeError("front_streams.mjs ended; see its error above")
    return orjson.loads(line)


async def _told(process: asyncio.subprocess.Process, texts: dict[str, int]) -> list[dict[str, Any]]:
    assert process.stdin is not None
    process.stdin.write(orjson.dumps({"texts": texts}) + b"\n")
    found: list[dict[str, Any]] = await _line_of(process)
    return found


async def _open(hub: Hub, names: list[str], stack: AsyncExitStack) -> list[tuple[Session, str]]:
    """As many sessions on each server, half of them over SSE, half over Streamable HTTP."""
    sessions: list[tuple[Session, str]] = []
    for number in range(SESSIONS):
        name, transport = names[number % SERVERS], ("sse", "http")[number // SERVERS % 2]
        url = f"{hub.settings.base_url}/mcp/{name}" + ("/sse" if transport == "sse" else "")
        [session] = await stack.enter_async_context(open_sessions(url, 1, transport=transport))
        sessions.append((session, f"{name}_stderr"))
    return sessions


def _line(number: int) -> str:
    return f"line of session {number}"


async def _write_lines(sessions: list[tuple[Session, str]], count: int) -> None:
    async def write(number: int, session: Session, tool: str) -> None:
        await asyncio.sleep(PACE * number / len(sessions))
        for _ in range(count):
            begin = asyncio.get_running_loop().time()
            await session.request("tools/call", {"name": tool, "arguments": {"text": _line(number)}})
            await asyncio.sleep(max(0, begin + PACE - asyncio.get_running_loop().time()))

    async with asyncio.TaskGroup() as tasks:
        for number, (session, tool) in enumerate(sessions):
            tasks.create_task(write(number, session, tool))


async def _toggle(hub: Hub) -> None:
    while True:
        for enabled in (False, True):
            await hub.desired.request(SetWorkspace(name="toggled", enabled=enabled), timeout=30)
            await asyncio.sleep(0.2)


def _figures(got: list[dict[str, Any]], events: int, before: float, after: float) -> list[Figure]:
    late = [value for each in got for value in each["late"]]
    title = f"{CLIENTS + PAGES} browsers, {SESSIONS} sessions, {events:,} events"
    changes = min(each["changes"] for each in got)
    lost = sum(each["missing"] for each in got)
    note = f"{PAGES} of them real pages; and {changes} changes of State to each"
    return [
        Figure(f"{title}: lost or told twice", lost, "events", "==", 0, note),
        Figure(f"{title}: gaps in seq", sum(each["gaps"] for each in got), "", "==", 0, note),
        Figure("different States at the end", len({each["state"] for each in got}) - 1, "", "==", 0, note),
        Figure(
            "an event made -> at the browser, p99",
            percentile(late, 0.99),
            "ms",
            "<=",
            250,
            f"p50 {percentile(late, 0.5):.0f} ms, max {max(late, default=0):.0f} ms",
        ),
        Figure(
            "front: PSS gained by the last 70 % of these events",
            after - before,
            "MB",
            "<=",
            GROWTH,
            f"{before:.0f} -> {after:.0f} MB",
        ),
    ]
