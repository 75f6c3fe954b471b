"""How soon things are back after a crash."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
import urllib.request

import psutil

from bench.edits import usable
from bench.figure import Figure
from bench.footprint import five_workspaces
from tests.support.hub import Hub, running
from tests.support.run import prepared
from tests.support.yamcp import mock


async def server(quick: bool) -> list[Figure]:
    """kill -9 of a server's process -> the server is ready again, with another process."""
    took = []
    async with running({"s": mock("s")}, {"w": ["s"]}) as hub:
        for _ in range(1 if quick else 5):
            took.append(await _crash(hub))
    note = f"kill -9, worst of {len(took)} in a row, each as soon as it was ready; the first {took[0]:.2f} s"
    return [Figure("a crashed server is ready again", max(took), "s", "<=", 5, note)]


async def _crash(hub: Hub) -> float:
    [pid] = (await hub.server("s")).pids[:1]
    begin = time.perf_counter()
    psutil.Process(pid).kill()
    await hub.wait_status(
        lambda status: status.servers[0].state == "ready" and pid not in status.servers[0].pids, "ready again"
    )
    return time.perf_counter() - begin


async def sidecar(quick: bool) -> list[Figure]:
    """Restart of the sidecar -> the configuration that it had serves again; with the adapter there, and without."""
    providers, workspaces = five_workspaces()
    tools = {"s8_echo", "s9_echo"}
    async with running(providers, workspaces, front=True) as hub:
        await hub.kill("sidecar")
        with_adapter = await _restart(hub, tools)
        await hub.kill("sidecar")
        await hub.kill("adapter")
        alone = await _restart(hub, tools)
    return [
        Figure("sidecar killed and started again: a workspace serves after", with_adapter, "s", "<=", 5),
        Figure("the same with the adapter dead, from its own copy", alone, "s", "<=", 10, "waits 2 s for the adapter"),
    ]


async def processes(quick: bool) -> list[Figure]:
    """kill -9 of each process of a hub that `hubctl run` started -> /healthz at the public port is 200 again."""
    names = ("acceptor", "adapter", "front", "sidecar")
    took = {}
    async with prepared() as hub:
        await hub.start()
        await hub.until("Streamable HTTP")
        for name in names[-1:] if quick else names:
            pid = (await hub.running(*names))[name]
            begin = time.perf_counter()
            psutil.Process(pid).kill()
            await asyncio.to_thread(_well, f"http://127.0.0.1:{hub.port}/healthz", pid)
            took[name] = time.perf_counter() - begin
        await hub.end(signal.SIGTERM)
    note = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in took.items())
    return [Figure("a killed process of the hub: all is well again, worst", max(took.values()), "s", "<=", 3, note)]


def _well(url: str, gone: int) -> None:
    """Wait until a process is gone, and then until /healthz is 200."""
    while psutil.pid_exists(gone):
        time.sleep(0.005)
    while True:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.02)


async def _restart(hub: Hub, tools: set[str]) -> float:
    begin = time.perf_counter()
    await hub.start("sidecar")
    await usable(hub, "w4", tools)
    return time.perf_counter() - begin
