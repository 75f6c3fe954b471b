"""What the history costs: calls/s with and without it on both ways of a call, memory, CPU at rest, and the start."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import psutil

from bench.figure import Figure
from bench.footprint import pss
from bench.load import drive, open_sessions
from bench.session import Session
from bench.stats import median, percentile
from bridge.models import ReadRecordsStatus, SetServer
from tests.support.hub import Hub, running
from tests.support.yamcp import module

CLIENTS = 10
SHARE = 0.95
"""Of the calls/s without a history, what has to be left with it."""
WAYS = {"direct way": "shared", "waiting way": "per_client"}
"""Calls to a server with this session mode take this way."""
START_MS = 50.0
"""What the start of the hub may take longer."""


@dataclass
class Side:
    """A hub with or without a history, and its clients."""

    hub: Hub
    sessions: list[Session]
    tool: str
    rates: list[float] = field(default_factory=list)
    micros: list[float] = field(default_factory=list)
    """The sidecar's CPU time of each call, by round, in us."""

    async def round(self, seconds: float) -> None:
        """Call for so many seconds."""
        sidecar = psutil.Process(self.hub.pid("sidecar"))
        before = cpu(sidecar)
        params = {"name": self.tool, "arguments": {"text": "x"}}
        report = await drive(self.sessions, "tools/call", params, seconds=seconds)
        if report.errors:
            raise RuntimeError(f"{report.errors} of {report.calls} calls failed: {report.first_errors}")
        self.rates.append(report.calls_per_s)
        self.micros.append(1e6 * (cpu(sidecar) - before) / report.calls)


def cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def _side(stack: AsyncExitStack, history: bool, mode: str) -> Side:
    hub = await stack.enter_async_context(
        running({"e": module("e", "bench.echo_server")}, {"w": ["e"]}, history=history)
    )
    await hub.desired.request(SetServer(key="e", settings={"session": mode}), timeout=60)
    await hub.wait_settled()
    sessions = await stack.enter_async_context(open_sessions(hub.sse("w"), CLIENTS))
    listed = (await sessions[0].request("tools/list"))["tools"]
    return Side(hub, sessions, next(tool["name"] for tool in listed if tool["name"].endswith("echo")))


async def history(quick: bool) -> list[Figure]:
    """All figures. The two hubs take turns, so that other load on the machine meets both."""
    rounds, seconds = (3, 0.3) if quick else (11, 1.0)
    figures = []
    for way, mode in WAYS.items():
        async with AsyncExitStack() as stack:
            off, on = [await _side(stack, history, mode) for history in (False, True)]
            for number in range(rounds + 1):
                for side in (off, on) if number % 2 else (on, off):
                    await side.round(seconds)
            figures += _figures(way, off, on)
            if mode == "shared":
                figures += await _recorder(on.hub, 2 if quick else 10)
    return [*figures, await _start(1 if quick else 9)]


def _figures(way: str, off: Side, on: Side) -> list[Figure]:
    rates = [median(side.rates[1:]) for side in (off, on)]
    micros = [median(side.micros[1:]) for side in (off, on)]
    note = f"{rates[1]:,.0f} of {rates[0]:,.0f} calls/s, {CLIENTS} clients"
    return [
        Figure(f"calls/s with the history, as a share, {way}", rates[1] / rates[0], "", ">=", SHARE, note),
        Figure(f"the sidecar's CPU of a call for the history, {way}", micros[1] - micros[0], "us"),
    ]


async def _recorder(hub: Hub, seconds: float) -> list[Figure]:
    """The recorder's memory and CPU at rest, once it has stored what waits and deleted what is too much."""
    while (await hub.records.request(ReadRecordsStatus(), timeout=60)).spooled:  # noqa: ASYNC110 (no event tells of it)
        await asyncio.sleep(0.2)
    recorder, used = psutil.Process(hub.pid("recorder")), -1.0
    while used != (used := cpu(recorder)):  # noqa: ASYNC110 (no event tells of it)
        await asyncio.sleep(3)
    before, begin = cpu(recorder), time.monotonic()
    await asyncio.sleep(seconds)
    share = 100 * (cpu(recorder) - before) / (time.monotonic() - begin)
    return [
        Figure("recorder, PSS", pss(recorder), "MB", "<", 60),
        Figure("recorder, idle CPU", share, "%", "<", 0.2, f"over {seconds:.0f} s, of one core"),
    ]


async def _start(times: int) -> Figure:
    """How much longer adapter and sidecar take to be ready beside a recorder that starts at the same time.

    Lower quartiles are compared: starts vary by 200 ms with what else the machine does.
    """
    took: dict[bool, list[float]] = {False: [], True: []}
    for number in range(2 * times):
        history = bool(number % 2)
        begin = time.perf_counter()
        async with running({"e": module("e", "bench.echo_server")}, {"w": ["e"]}, history=history):
            took[history].append(1000 * (time.perf_counter() - begin))
    off, on = (percentile(took[history], 0.25) for history in (False, True))
    return Figure("start of the hub, longer with the history", on - off, "ms", "<=", START_MS, f"{off:.0f} ms without")
