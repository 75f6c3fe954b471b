"""How cost grows with sessions, servers and tools: curves, with bars on their slopes.

    python -m bench.growth [--quick] [--docs]

Cost is CPU time of the hub's processes, so that what else the machine does counts little; a bar compares what one
session, server or list costs among many with what it costs among few, in one run.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import orjson
import psutil
import uvloop

from bench import machine
from bench.bars import measure_all
from bench.figure import Figure
from bench.footprint import pss
from bench.load import drive, open_sessions
from bench.session import HttpSession, Session, SessionError
from bench.stats import median
from bench.tables import as_markdown, as_text, into_docs
from tests.support.hub import Hub, free_port, running
from tests.support.yamcp import ROOT, module

MARK = "growth"
NAMES = ("growth_sessions", "growth_servers", "growth_lists")
"""Its measurements, as `bench.bars` calls them."""
STEEPEST = 1.3
"""What one more may cost among many, over what it costs among few."""
WRITING = 1.5
"""What a list may cost, over writing the same bytes."""
TOOLS = 50
"""Of each server, where the number of servers grows."""
LISTS = 100
"""`tools/list` in one round; of more sessions the last ones ask."""
OFTEN = 5
"""Rounds of which the least counts."""
CHANGED = "notifications/tools/list_changed"
PATIENCE = 300.0


def cpu(*pids: int) -> float:
    """CPU time of processes in seconds, all threads (clock_getcpuclockid(3))."""
    return sum(time.clock_gettime((~pid << 3) | 2) for pid in pids)


def allow_descriptors() -> None:
    """Have as many open files as the system lets this process and its children have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def slope(title: str, unit: str, cost: Mapping[int, float], few: int, note: str = "") -> list[Figure]:
    """A curve, of costs of one at each size, and the bar on what one costs at the largest size over `few`."""
    many = max(cost)
    figures = [Figure(f"{title.format(f'{size:,}')}", each, unit) for size, each in cost.items()]
    ratio = cost[many] / cost[few]
    name = f"{title.format(f'{many:,}')} / {few:,}"
    return [*figures, Figure(name, ratio, "x", "<=", STEEPEST, note)]


async def least(work: Callable[..., Awaitable[float]], *arguments: Any, rounds: int = OFTEN) -> float:
    """The least of some measurements."""
    return min([await work(*arguments) for _ in range(rounds)])


# --- sessions --------------------------------------------------------------------------------------------------------


async def sessions(quick: bool) -> list[Figure]:
    """`tools/call` of ten busy clients beside idle sessions, and the memory of each of these."""
    allow_descriptors()
    counts, calls = ((10, 50, 200), 50) if quick else ((10, 100, 1000, 5000), 300)
    taken: dict[int, float] = {}
    memory: dict[int, float] = {}
    async with running({"e": module("e", "bench.echo_server")}, {"w": ["e"]}, HUB_MAX_SESSIONS="6000") as hub:
        url, pid = hub.sse("w"), hub.pid("sidecar")
        async with open_sessions(url, 10) as busy:
            await _cost_of_calls(busy, pid, calls)
            async with AsyncExitStack() as stack:
                before = pss(psutil.Process(pid))
                for few, many in zip((0, *counts), counts, strict=False):
                    await stack.enter_async_context(open_sessions(url, many - few))
                    taken[many] = await least(_cost_of_calls, busy, pid, calls)
                    memory[many] = (pss(psutil.Process(pid)) - before) * 1e3 / many
    few = counts[1]
    note = f"CPU of the sidecar, SSE, ten clients calling, least of {OFTEN} x {10 * calls:,} calls"
    kept = "PSS of the sidecar, mean of all"
    return [
        *slope("a call with {} sessions open", "us", taken, few, note),
        *slope("memory of a session, {} open", "KB", {size: memory[size] for size in counts[-2:]}, counts[-2], kept),
    ]


async def _cost_of_calls(busy: Sequence[Session], pid: int, calls: int) -> float:
    """Microseconds of the sidecar for one call."""
    before = cpu(pid)
    report = await drive(list(busy), "tools/call", {"name": "e_echo", "arguments": {"text": "x"}}, count=calls)
    if report.errors:
        raise RuntimeError(f"{report.errors} of {report.calls} calls failed: {report.first_errors}")
    return (cpu(pid) - before) / report.calls * 1e6


# --- servers ---------------------------------------------------------------------------------------------------------


async def servers(quick: bool) -> list[Figure]:
    """Start of servers, an edit among them, and the memory of each; real processes, `TOOLS` tools each."""
    counts, edits = ((2, 5, 10), 4) if quick else ((10, 50, 200), 20)
    started: dict[int, float] = {}
    edited: dict[int, float] = {}
    memory: dict[int, float] = {}
    waited: list[str] = []
    for count in counts:
        names = [f"s{number}" for number in range(count)]
        providers = {name: module(name, "bench.echo_server", "--tools", str(TOOLS - 2)) for name in names}
        async with running({}, {}) as hub:
            sidecar = hub.pid("sidecar")
            kept, before, begin = pss(psutil.Process(sidecar)), cpu(sidecar), time.perf_counter()
            hub.write(providers, {"all": names, "edited": names})
            await _ready(hub, count)
            started[count] = (cpu(sidecar) - before) * 1e3 / count
            waited.append(f"{count}: {time.perf_counter() - begin:.1f} s")
            memory[count] = (pss(psutil.Process(sidecar)) - kept) * 1e3 / count
            seconds, took = await _edits(hub, names, edits)
            edited[count] = seconds * 1e3 / count
            waited[-1] += f", an edit {took * 1e3:.0f} ms"
    few = counts[1]
    title = f"servers of {TOOLS} tools"
    until = f"CPU of the sidecar; file closed -> all ready, and applied: {'; '.join(waited)}"
    note = f"CPU of sidecar and adapter, mean of {edits} edits of a workspace that has them all"
    return [
        *slope(f"start of one of {{}} {title}", "ms", started, few, until),
        *slope(f"an edit beside {{}} {title}, for each", "ms", edited, few, note),
        *slope(f"memory of one of {{}} {title}", "KB", memory, few, "PSS of the sidecar"),
    ]


async def _ready(hub: Hub, count: int) -> None:
    """Wait until so many servers are ready; asks seldom, as each answer costs the sidecar time."""
    async with asyncio.timeout(PATIENCE):
        while sum(server.state == "ready" for server in (await hub.status()).servers) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.25)


async def _edits(hub: Hub, names: list[str], count: int) -> tuple[float, float]:
    """Seconds of CPU for an edit, and the median of those until it is applied."""
    pids, took = (hub.pid("sidecar"), hub.pid("adapter")), []
    before = cpu(*pids)
    for number in range(count):
        since = len(hub.events)
        closed = hub.write(None, {"all": names, "edited": names[: len(names) - (number + 1) % 2]})
        took.append(await hub.wait_event(lambda event: event.topic == "applied", since) - closed)
    await hub.status()  # what the last one left to do is done
    return (cpu(*pids) - before) / count, median(took)


# --- lists -----------------------------------------------------------------------------------------------------------


async def lists(quick: bool) -> list[Figure]:
    """`tools/list` and `list_changed` to many sessions of a workspace of 5,000 tools, and the memory of each tool."""
    allow_descriptors()
    each, counts = (100, (5, 20, 50)) if quick else (1000, (10, 100, 500))
    names = [f"s{number}" for number in range(5)]
    providers = {name: module(name, "bench.echo_server", "--tools", str(each - 2)) for name in names}
    listed: dict[int, float] = {}
    told: dict[int, float] = {}
    async with running({}, {}, HUB_MAX_SESSIONS="2000") as hub:
        pid = hub.pid("sidecar")
        memory = pss(psutil.Process(pid))
        hub.write(providers, {"all": names, "some": names[:2]})
        await _ready(hub, len(names))
        memory = (pss(psutil.Process(pid)) - memory) * 1e3 / (5 * each)
        async with AsyncExitStack() as stack:
            opened: list[Session] = []
            for count in counts:
                url = hub.sse("all")
                opened += await stack.enter_async_context(open_sessions(url, count - len(opened)))
                listed[count] = await least(_cost_of_lists, opened[-LISTS:], pid, rounds=2)
                told[count] = await least(_cost_of_change, hub, opened, names, rounds=4) / count
        against = await _beside_a_writer(hub, each)
    tools, few = f"{5 * each:,} tools", counts[1]
    return [
        *slope(f"tools/list of {tools}, {{}} sessions", "ms", listed, few, "CPU of the sidecar for one list, SSE"),
        *slope(
            f"list_changed of {tools} to {{}} sessions, each", "ms", told, few, "CPU of the sidecar, the edit included"
        ),
        *against,
        Figure("memory of a tool", memory, "KB", note=f"PSS of the sidecar, mean of {tools}, in two workspaces"),
    ]


async def _cost_of_lists(opened: Sequence[Session], pid: int) -> float:
    """Milliseconds of the sidecar for one list; some at a time, as each is of a megabyte."""
    before, count = cpu(pid), 0
    for start in range(0, len(opened), 10):
        report = await drive(list(opened[start : start + 10]), "tools/list", {}, count=LISTS // len(opened))
        if report.errors:
            raise RuntimeError(f"{report.errors} of {report.calls} lists failed: {report.first_errors}")
        count += report.calls
    return (cpu(pid) - before) / count * 1e3


async def _cost_of_change(hub: Hub, opened: Sequence[Session], names: list[str]) -> float:
    """Milliseconds of the sidecar from an edit until all sessions are told: a server leaves, or comes back."""
    pid, before = hub.pid("sidecar"), [session.notices[CHANGED] for session in opened]
    shown = next(space for space in (await hub.status()).workspaces if space.name == "all").servers
    began = cpu(pid)
    hub.write(None, {"all": names if len(shown) < len(names) else names[:-1], "some": names[:2]})
    async with asyncio.timeout(PATIENCE):
        for session, count in zip(opened, before, strict=True):
            while session.notices[CHANGED] == count:
                session.noticed.clear()
                await session.noticed.wait()
    return (cpu(pid) - began) * 1e3


async def _beside_a_writer(hub: Hub, each: int) -> list[Figure]:
    """`tools/list` over Streamable HTTP beside a server that only writes the same bytes."""
    async with open_sessions(hub.http("some"), 1, transport="http") as [ours]:
        answer = await ours.request("tools/list")
        async with _writer(answer) as (url, pid), open_sessions(url, 1, transport="http") as [other]:
            rounds: dict[str, list[float]] = {"hub": [], "writer": []}
            for _ in range(2 * OFTEN):
                rounds["hub"].append(await _cost_of_lists([ours], hub.pid("sidecar")))
                rounds["writer"].append(await _cost_of_lists([other], pid))
    took, bare = min(rounds["hub"]), min(rounds["writer"])
    note = f"CPU of one list over Streamable HTTP: {took:.2f} ms, and {bare:.2f} ms; alternating rounds"
    name = f"tools/list of {2 * each:,} tools / a server that only writes the same bytes"
    return [Figure(name, took / bare, "x", "<=", WRITING, note)]


@asynccontextmanager
async def _writer(answer: object) -> AsyncIterator[tuple[str, int]]:
    """Where `bare_writer.py` serves this result to each request, and its process."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.bare_writer", str(port), cwd=ROOT, stdin=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdin is not None
        process.stdin.write(orjson.dumps(answer))
        process.stdin.close()
        await _listens(f"http://127.0.0.1:{port}/")
        yield f"http://127.0.0.1:{port}/", process.pid
    finally:
        process.kill()
        await process.wait()


async def _listens(url: str) -> None:
    async with asyncio.timeout(30):
        while True:
            session = HttpSession(url)
            try:
                await session.open()
            except (SessionError, OSError):
                await asyncio.sleep(0.05)
            else:
                return
            finally:
                await session.close()


def main() -> int:
    """Measure all, print, and with --docs put the table into docs/benchmarks.md."""
    facts = machine.describe()
    figures = uvloop.run(measure_all(NAMES, "--quick" in sys.argv))
    facts["load"] += f", {machine.load()} at the end"
    print(as_text(facts, figures))
    if "--docs" in sys.argv:
        into_docs(MARK, as_markdown(facts, figures))
    return int(any(figure.error for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
