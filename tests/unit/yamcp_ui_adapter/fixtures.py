"""A sidecar that accepts snapshots in memory, and the files of an adapter in a temporary directory."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from bridge.client import BridgeClient
from bridge.errors import HubError
from bridge.memory import MemoryBridge
from bridge.models import Accepted, KeyUses, ReadKeyUses, Snapshot
from bridge.server import BridgeServer
from bridge.settings import Settings
from yamcp_ui_adapter.app import run

PATIENCE = 100.0


class Sidecar:
    """Keeps what is published; `refusals` are raised first, one a snapshot."""

    def __init__(self, address: str = "actual", *refusals: HubError) -> None:
        self.bridge = MemoryBridge()
        self.address = address
        self.snapshots: list[Snapshot] = []
        self.refusals = list(refusals)
        self.uses: dict[str, float] = {}
        self.grants: dict[str, float] = {}
        self._news = asyncio.Condition()

    async def apply(self, snapshot: Snapshot) -> Accepted:
        """The handler of `apply`."""
        async with self._news:
            self.snapshots.append(snapshot)
            self._news.notify_all()
        if self.refusals:
            raise self.refusals.pop(0)
        return Accepted(id=snapshot.id)

    async def key_uses(self, _: ReadKeyUses) -> KeyUses:
        """The handler of `key_uses`."""
        return KeyUses(uses=self.uses, grants=self.grants)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """One run of it, with a session of its own."""
        started = asyncio.Event()
        handlers = {Snapshot: self.apply, ReadKeyUses: self.key_uses}
        task = asyncio.create_task(BridgeServer(self.address, handlers, transport=self.bridge).serve(started))
        await started.wait()
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def until(self, wanted: Callable[[Snapshot], bool], since: int = 0) -> Snapshot:
        """Wait for a snapshot, number `since` or later."""
        async with asyncio.timeout(PATIENCE), self._news:
            while True:
                for snapshot in self.snapshots[since:]:
                    if wanted(snapshot):
                        return snapshot
                await self._news.wait()

    async def count(self, number: int) -> None:
        """Wait until that many snapshots came."""
        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(lambda: len(self.snapshots) >= number)


def settings(directory: Path, **others: Any) -> Settings:
    """Settings with everything in that directory, and no demo."""
    return Settings(
        yamcp_dir=directory / "yamcp", data_dir=directory / "hub", runtime_dir=directory / "run",
        **{"seed_demo": False, **others},
    )  # fmt: skip


def server(*args: str, command: str = "c", namespace: str = "n") -> dict[str, Any]:
    """An entry of providers.json."""
    return {"namespace": namespace, "type": "stdio", "providerParameters": {"command": command, "args": list(args)}}


def in_place(path: Path, content: object) -> None:
    """Truncate, then write, as YAMCP-UI does."""
    with path.open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)


class Adapter:
    """The whole adapter in this process, its files, and a sidecar, over memory."""

    def __init__(self, directory: Path, **others: Any) -> None:
        self.settings = settings(directory, **others)
        self.sidecar = Sidecar(self.settings.actual_address)
        self.settings.yamcp_dir.mkdir(exist_ok=True)
        self.settings.data_dir.mkdir(exist_ok=True)
        self.providers = self.settings.yamcp_dir / "providers.json"
        self.workspaces = self.settings.yamcp_dir / "workspaces.json"
        self.hub = self.settings.data_dir / "hub.json"

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[BridgeClient]:
        """One run of it, and a client of its socket."""
        started = asyncio.Event()
        task = asyncio.create_task(run(self.settings, started, transport=self.sidecar.bridge))
        ready = asyncio.create_task(started.wait())
        await asyncio.wait([task, ready], return_when=asyncio.FIRST_COMPLETED)
        try:
            if task.done():
                ready.cancel()
                await task
            async with BridgeClient(self.settings.desired_address, transport=self.sidecar.bridge) as client:
                yield client
        finally:
            task.cancel()
            await asyncio.wait([task])


async def until(condition: Callable[[], bool]) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - of plain attributes, which tell nobody when they change
            await asyncio.sleep(0.005)


def keys(snapshot: Snapshot) -> set[str]:
    """The keys of its servers."""
    return {spec.key for spec in snapshot.servers}


def names(snapshot: Snapshot) -> set[str]:
    """The names of its workspaces."""
    return {spec.name for spec in snapshot.workspaces}
