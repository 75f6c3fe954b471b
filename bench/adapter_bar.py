"""What the project promises of the adapter, measured: `python -m bench.adapter_bar` prints it.

Configuration of 100 workspaces loaded in < 10 ms; a change seen in < 100 ms, from the file's close to the snapshot in
the sidecar's hands, over real sockets; < 50 MB more memory for 100 workspaces.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil

from bench.stats import percentile
from bridge.models import Accepted, Snapshot
from bridge.server import BridgeServer
from bridge.settings import Settings
from yamcp_ui_adapter.desired.last_good import apply_readings
from yamcp_ui_adapter.desired.translate import translate
from yamcp_ui_adapter.files.reader import FileReader
from yamcp_ui_adapter.format.entries import HUB, PROVIDERS, WORKSPACES, LastGood

WORKSPACE_COUNT = 100
SERVERS_EACH = 3
DEADLINE = 20.0


def files(workspaces: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Content of both files: that many workspaces, each of three servers of its own."""
    keys = {f"workspace-{n}": [f"server-{n}-{m}" for m in range(SERVERS_EACH)] for n in range(workspaces)}
    providers = {
        key: {
            "namespace": key.replace("-", "_"),
            "type": "stdio",
            "providerParameters": {"command": "npx", "args": ["-y", "some-package", key], "env": {"TOKEN": "${TOKEN}"}},
        }
        for members in keys.values()
        for key in members
    }
    return providers, keys


def write(directory: Path, workspaces: int) -> None:
    """Write both files."""
    for name, content in zip((PROVIDERS, WORKSPACES), files(workspaces), strict=True):
        in_place(directory / name, content)


def in_place(path: Path, content: object) -> float:
    """Truncate and write, as YAMCP-UI does; returns when the file was closed."""
    text = json.dumps(content, indent=2)
    with path.open("w") as file:
        file.write(text)
    return time.perf_counter()


def load_ms(directory: Path, rounds: int) -> list[float]:
    """Read, parse, translate and hash, in ms, each round from nothing."""
    source = FileReader({PROVIDERS: directory / PROVIDERS, WORKSPACES: directory / WORKSPACES, HUB: directory / HUB})
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        desire = translate(apply_readings(LastGood(), source.read(())).good)
        Snapshot.of(1, 1, desire.servers, desire.workspaces)
        times.append((time.perf_counter() - begin) * 1e3)
    return times


class Adapter:
    """An adapter as a process, and in this one a sidecar that only takes note of snapshots."""

    def __init__(self, directory: Path) -> None:
        self.yamcp = directory / "yamcp"
        self.yamcp.mkdir()
        self.settings = Settings(data_dir=directory / "hub", yamcp_dir=self.yamcp)
        self._news = asyncio.Condition()
        self._last: tuple[float, Snapshot] | None = None

    async def _apply(self, snapshot: Snapshot) -> Accepted:
        async with self._news:
            self._last = time.perf_counter(), snapshot
            self._news.notify_all()
        return Accepted(id=snapshot.id)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[psutil.Process]:
        """The process, while the block runs."""
        server = asyncio.create_task(BridgeServer(self.settings.actual_address, {Snapshot: self._apply}).serve())
        env = {**os.environ, "HUB_DATA_DIR": str(self.settings.data_dir), "HUB_YAMCP_DIR": str(self.yamcp)}
        env |= {"HUB_SETTINGS_FILE": os.devnull, "HUB_SEED_DEMO": "false", "HUB_LOG_LEVEL": "error"}
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "yamcp_ui_adapter", env=env)
        try:
            yield psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            await process.wait()
            server.cancel()
            await asyncio.wait([server])

    async def until(self, workspaces: int) -> float:
        """Wait for a snapshot of that many workspaces; returns when it came."""
        async with asyncio.timeout(DEADLINE), self._news:
            while self._last is None or len(self._last[1].workspaces) != workspaces:
                await self._news.wait()
            return self._last[0]


async def seen_ms(adapter: Adapter, edits: int) -> list[float]:
    """File closed -> snapshot received, in ms, for edits that add and remove a workspace of 100."""
    content = files(WORKSPACE_COUNT)[1]
    times = []
    for number in range(edits):
        edited = content | ({"one more": []} if number % 2 == 0 else {})
        closed = in_place(adapter.yamcp / WORKSPACES, edited)
        times.append((await adapter.until(len(edited)) - closed) * 1e3)
    return times


async def measure(quick: bool = False) -> dict[str, Any]:
    """Every figure of the adapter: times in ms, memory (RSS) in MB."""
    gc.freeze()  # as the adapter does when it starts; and this process's collections are none of its time
    with tempfile.TemporaryDirectory() as place:
        adapter = Adapter(Path(place))
        async with adapter.running() as process:
            await adapter.until(0)
            empty = process.memory_info().rss
            write(adapter.yamcp, WORKSPACE_COUNT)
            await adapter.until(WORKSPACE_COUNT)
            seen = await seen_ms(adapter, 10 if quick else 60)
            full = process.memory_info().rss
            before, began = process.cpu_times(), time.perf_counter()
            await asyncio.sleep(1 if quick else 5)
            used, took = process.cpu_times(), time.perf_counter() - began
        loads = load_ms(adapter.yamcp, 10 if quick else 100)
    gc.unfreeze()
    return {
        "load_p50_ms": percentile(loads, 0.5),
        "load_p95_ms": percentile(loads, 0.95),
        "seen_p50_ms": percentile(seen, 0.5),
        "seen_p95_ms": percentile(seen, 0.95),
        "memory_mb": (full - empty) / 1e6,
        "whole_process_mb": full / 1e6,
        "idle_cpu_percent": 100 * (used.user + used.system - before.user - before.system) / took,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure()), indent=2))
