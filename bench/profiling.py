"""Where a call's time goes in the sidecar: its event loop under cProfile while clients call through it.

python -m bench.profiling [--mode sse|http|modern] [--clients N] [--seconds N] [--idle N]

Prints the functions by their own time, per call, and what the process used; the profiler makes calls about twice as
slow, so that shares carry over, times do not. With --idle N instead: what N idle SSE sessions hold, by where it was
allocated.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import io
import pstats
import signal
import sys
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import uvloop

from bench.load import measure, open_sessions
from bench.ways import MODES
from tests.support.hub import COMMANDS, Hub, running
from tests.support.yamcp import ROOT, module

OUT = "PROFILE_OUT"
SHOWN = 32


@asynccontextmanager
async def _profiled(what: str) -> AsyncIterator[tuple[Hub, Path]]:
    """A hub whose sidecar runs below this module; it begins to record at SIGUSR1 and writes the record at SIGUSR2."""
    COMMANDS["sidecar"] = (sys.executable, "-m", "bench.profiling", f"--inside={what}")
    async with running({"raw": module("raw", "bench.echo_server")}, {"w": ["raw"]}, HUB_MAX_SESSIONS="5000") as hub:
        yield hub, hub.root / OUT


async def calls(mode: str, clients: int, seconds: float) -> str:
    """The profile of calls, as text."""
    transport, era = MODES[mode]
    async with _profiled("calls") as (hub, out):
        url = hub.sse("w") if transport == "sse" else hub.http("w")
        sidecar = psutil.Process(hub.pid("sidecar"))
        options = {"transport": transport, "era": era, "clients": clients, "tool": "raw_echo"}
        plain = await measure(url, seconds=seconds, **options)
        before = sidecar.cpu_times()
        plain = await measure(url, seconds=seconds, **options)
        used = sidecar.cpu_times()
        cpu = used.user + used.system - before.user - before.system
        sidecar.send_signal(signal.SIGUSR1)
        report = await measure(url, seconds=seconds, warmup=0, **options)
        await _written(sidecar, out)
        head = (
            f"{plain.calls_per_s:,.0f} calls/s without the profiler, {1e6 * cpu / plain.calls:.1f} us of CPU a call\n"
        )
        return head + _table(out, report.calls)


def _table(out: Path, count: int) -> str:
    text = io.StringIO()
    stats = pstats.Stats(str(out), stream=text)
    entries = sorted(stats.stats.items(), key=lambda entry: -entry[1][2])  # type: ignore[attr-defined]
    lines = [f"{'us a call':>9}  {'calls':>6}  function"]
    for (file, line, name), (_, times, own, _, _) in entries[:SHOWN]:
        where = file.rpartition("site-packages/")[2].removeprefix(f"{ROOT}/")
        lines.append(f"{1e6 * own / count:9.2f}  {times / count:6.2f}  {where}:{line} {name}")
    return "\n".join(lines)


async def idle(count: int) -> str:
    """What idle sessions hold, as text."""
    async with _profiled("idle") as (hub, out), open_sessions(hub.sse("w"), 20):
        sidecar = psutil.Process(hub.pid("sidecar"))
        sidecar.send_signal(signal.SIGUSR1)
        async with open_sessions(hub.sse("w"), count):
            await _written(sidecar, out)
        found = out.read_text().splitlines()
    lines = [f"{'bytes a session':>15}  allocated at"]
    for line in found:
        size, where = line.split(" ", 1)
        lines.append(f"{int(size) / count:15,.0f}  {where.rpartition('site-packages/')[2].removeprefix(f'{ROOT}/')}")
    return "\n".join(lines)


async def _written(sidecar: psutil.Process, out: Path) -> None:
    sidecar.send_signal(signal.SIGUSR2)
    async with asyncio.timeout(30):
        while not out.exists():  # noqa: ASYNC110, ASYNC240 - another process writes it
            await asyncio.sleep(0.05)


def _inside(what: str) -> None:
    """The sidecar's process."""
    from bridge.settings import load  # noqa: PLC0415 - after this module is set up as the main one
    from sidecar.app import App  # noqa: PLC0415

    settings = load()
    out = settings.data_dir.parent / OUT
    profile = cProfile.Profile()
    first: list[tracemalloc.Snapshot] = []

    def begin() -> None:
        if what == "calls":
            profile.enable()
        else:
            tracemalloc.start(1)

    def end() -> None:
        part = out.with_suffix(".part")
        if what == "calls":
            profile.disable()
            profile.dump_stats(part)
        else:
            first.append(tracemalloc.take_snapshot())
            found = first[0].statistics("lineno")[:SHOWN]
            part.write_text("\n".join(f"{each.size} {each.traceback}" for each in found))
        part.rename(out)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, begin)
        loop.add_signal_handler(signal.SIGUSR2, end)
        await App(settings).run()

    uvloop.run(run())


def main() -> None:
    """Profile and print."""
    parser = argparse.ArgumentParser(description="Where a call's time goes in the sidecar.")
    parser.add_argument("--mode", choices=list(MODES), default="sse")
    parser.add_argument("--clients", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--idle", type=int, default=0, help="profile the memory of that many idle SSE sessions instead")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        _inside(options.inside)
    elif options.idle:
        print(uvloop.run(idle(options.idle)))
    else:
        print(uvloop.run(calls(options.mode, options.clients, options.seconds)))


if __name__ == "__main__":
    main()
