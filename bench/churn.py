"""Starting and stopping again and again: nothing may stay behind."""

from __future__ import annotations

import psutil

from bench.figure import Figure
from bench.footprint import pss
from bridge.models import SetWorkspace
from tests.support.hub import Hub, running
from tests.support.yamcp import module


async def cycles(quick: bool) -> list[Figure]:
    """100 times a workspace is switched off and on, with its two servers."""
    count = 10 if quick else 100
    providers = {name: module(name, "bench.echo_server") for name in ("a", "b")}
    async with running(providers, {"w": ["a", "b"]}) as hub:
        for _ in range(3):
            await _cycle(hub)
        sidecar = psutil.Process(hub.pid("sidecar"))
        before = _state(hub, sidecar)
        for _ in range(count):
            await _cycle(hub)
        after = _state(hub, sidecar)
    processes, descriptors, memory = (new - old for new, old in zip(after, before, strict=True))
    note = f"after {count} start/stop cycles of a workspace of 2 servers"
    return [
        Figure("processes more", processes, "", "==", 0, note),
        Figure("descriptors of the sidecar more", descriptors, "", "<=", 0, note),
        Figure("memory of the sidecar more, PSS", memory, "MB", "<=", 10, note),
    ]


async def _cycle(hub: Hub) -> None:
    await _switch(hub, False)
    await hub.wait_status(lambda status: all(server.state == "stopped" for server in status.servers), "servers stopped")
    await _switch(hub, True)
    await hub.wait_status(lambda status: all(server.state == "ready" for server in status.servers), "servers ready")


async def _switch(hub: Hub, enabled: bool) -> None:
    changed = await hub.desired.request(SetWorkspace(name="w", enabled=enabled))
    await hub.wait_applied(changed.snapshot)


def _state(hub: Hub, sidecar: psutil.Process) -> tuple[float, float, float]:
    return len(hub.children()), sidecar.num_fds(), pss(sidecar)
