"""What the hub uses when nothing happens: memory, CPU, and what one more session costs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack

import psutil

from bench.figure import Figure, Sense
from bench.load import measure, open_sessions
from bench.session import Session
from tests.support.hub import Hub, Name, running
from tests.support.yamcp import Providers, Workspaces, mock

MB = 1e6
MOST_KB = 80.0
"""What an idle SSE session may cost."""
BUSY = 50


def pss(process: psutil.Process) -> float:
    """Proportional set size in MB."""
    return float(process.memory_full_info().pss) / MB


def five_workspaces() -> tuple[Providers, Workspaces]:
    """Five workspaces, each with two mock servers of its own."""
    names = [f"s{number}" for number in range(10)]
    return {name: mock(name) for name in names}, {f"w{n}": names[2 * n : 2 * n + 2] for n in range(5)}


async def idle(quick: bool) -> list[Figure]:
    """Memory and CPU at rest with 5 workspaces of 2 servers, one session connected to each at the public port."""
    async with running(*five_workspaces(), front=True) as hub, AsyncExitStack() as stack:
        for number in range(5):
            url = f"{hub.settings.base_url}/mcp/w{number}/sse"
            [session] = await stack.enter_async_context(open_sessions(url, 1))
            await session.request("tools/list")
        await asyncio.sleep(1 if quick else 5)
        return _memory(hub) + await _cpu(hub, 2 if quick else 10)


def _memory(hub: Hub) -> list[Figure]:
    sidecar, adapter, front, acceptor = own_processes(hub)
    children = hub.children()
    total = sum(pss(process) for process in (sidecar, adapter, front, acceptor, *children))
    return [
        Figure("sidecar with 5 workspaces, PSS without children", pss(sidecar), "MB", "<", 200),
        Figure("adapter with 5 workspaces, PSS", pss(adapter), "MB"),
        Figure("front, PSS", pss(front), "MB"),
        Figure("acceptor with 5 sessions, PSS", pss(acceptor), "MB"),
        Figure(
            "whole hub with 5 workspaces, PSS",
            total,
            "MB",
            "<",
            500,
            f"with front, acceptor, spawner and {len(children) - 1} servers",
        ),
    ]


def own_processes(hub: Hub) -> list[psutil.Process]:
    """Sidecar, adapter, front, acceptor."""
    names: tuple[Name, ...] = ("sidecar", "adapter", "front", "acceptor")
    return [psutil.Process(hub.pid(name)) for name in names]


async def _cpu(hub: Hub, seconds: float) -> list[Figure]:
    whole = [*own_processes(hub), *hub.children()]
    before, begin = [_used(process) for process in whole], time.monotonic()
    await asyncio.sleep(seconds)
    took = time.monotonic() - begin
    shares = [100 * (_used(process) - was) / took for process, was in zip(whole, before, strict=True)]
    note = f"over {took:.0f} s, 5 idle sessions, of one core"
    return [
        Figure("sidecar, idle CPU", shares[0], "%", "<", 1, note),
        Figure("front, idle CPU", shares[2], "%", "<", 1, note),
        Figure("whole hub with its servers, idle CPU", sum(shares), "%", "<", 5, note),
    ]


def _used(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def session_cost(quick: bool) -> list[Figure]:
    """What an idle session costs in the sidecar's memory; that 50 busy ones beside 1,000 idle ones lose nothing; that
    those of vanished clients are freed.
    """
    count = 50 if quick else 1000
    figures = []
    for transport in ("sse", "http"):
        async with running({"s0": mock("s0")}, {"w0": ["s0"]}, front=True, HUB_MAX_SESSIONS="2000") as hub:
            url = hub.public_sse("w0") if transport == "sse" else hub.public_http("w0")
            sidecar = psutil.Process(hub.pid("sidecar"))
            async with open_sessions(url, 50, transport=transport):  # what only the first ones cost
                before = pss(sidecar)
                async with open_sessions(url, count, transport=transport) as idle_ones:
                    cost = (pss(sidecar) - before) * 1e3 / count
                    note = f"PSS, mean of {count:,}"
                    target: tuple[Sense, float] | tuple[()] = ("<=", MOST_KB) if transport == "sse" else ()
                    figures.append(Figure(f"an idle {transport} session", cost, "KB", *target, note=note))
                    if transport == "sse":
                        figures += await _busy_beside(url, idle_ones, 2.0 if quick else 10.0)
            if transport == "sse":
                figures.append(await _freed(hub))
    return figures


async def _busy_beside(url: str, idle_ones: Sequence[Session], seconds: float) -> list[Figure]:
    """50 sessions that call as fast as they can; afterwards each of the idle ones is asked something."""
    report = await measure(url, clients=BUSY, seconds=seconds, tool="s0_echo", arguments={"text": "x"})
    asked = await asyncio.gather(*(session.request("ping") for session in idle_ones), return_exceptions=True)
    dead = sum(answer != {} for answer in asked)
    note = f"{report.calls:,} calls, {report.calls_per_s:,.0f} calls/s, p99 {report.p99_ms:.1f} ms"
    title = f"{BUSY} busy sessions beside {len(idle_ones):,} idle ones"
    return [
        Figure(f"{title}: calls lost or failed", report.errors, "", "==", 0, note),
        Figure(f"{title}: idle ones that do not answer afterwards", dead, "", "==", 0),
    ]


async def _freed(hub: Hub) -> Figure:
    """Streams are closed without a word, as a killed client does; HTTP sessions without a stream expire much later."""
    await hub.wait_status(lambda status: status.workspaces[0].sessions == 0, "no session left", 60)
    async with open_sessions(hub.public_sse("w0"), 20):
        await hub.wait_status(lambda status: status.workspaces[0].sessions == 20, "20 sessions")
        begin = time.perf_counter()
    await hub.wait_status(lambda status: status.workspaces[0].sessions == 0, "their sessions freed", 60)
    return Figure("20 vanished SSE clients: sessions freed after", time.perf_counter() - begin, "s", "<=", 5)
