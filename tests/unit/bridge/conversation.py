"""A server of the bridge under test, and the transports that every test of a conversation runs over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from bridge.errors import PeerUnavailable
from bridge.models import Accepted, Done, LogRecords, Logs, Restart, Snapshot, SnapshotId
from bridge.server import BridgeServer, Handlers
from bridge.transport import Transport


@dataclass(frozen=True)
class Place:
    """Where a conversation takes place."""

    transport: Transport
    address: str

    @asynccontextmanager
    async def serving(self, handlers: Handlers | None = None, **options: Any) -> AsyncIterator[BridgeServer]:
        """A server that answers until the context ends."""
        server = BridgeServer(self.address, handlers or {}, transport=self.transport, **options)
        async with running(server):
            yield server


@asynccontextmanager
async def running(server: BridgeServer) -> AsyncIterator[None]:
    """Serve until the context ends."""
    started = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(server.serve(started))
        await started.wait()
        yield
        task.cancel()


class Gate:
    """A handler of `restart`, `logs` or `apply` that waits until it is opened, and notes what it was asked."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.begun: list[Any] = []
        self.ended: list[Any] = []
        self._progress = asyncio.Condition()

    async def logs(self, body: Logs) -> LogRecords:
        await self._pass(body.limit)
        return LogRecords(records=({"n": body.limit},))

    async def restart(self, body: Restart) -> Done:
        await self._pass(int(body.key))
        return Done()

    async def apply(self, body: Snapshot) -> Accepted:
        await self._pass(body.id.revision)
        return Accepted(id=body.id)

    async def wait_begun(self, count: int) -> None:
        """Wait until `count` requests have reached the handler."""
        async with self._progress:
            await self._progress.wait_for(lambda: len(self.begun) >= count)

    async def _pass(self, what: int) -> None:
        async with self._progress:
            self.begun.append(what)
            self._progress.notify_all()
        await self.open.wait()
        self.ended.append(what)


def snapshot(revision: int, epoch: int = 1) -> Snapshot:
    """An empty snapshot."""
    return Snapshot.of(epoch, revision, (), ())


async def refuse(_: Restart) -> Done:
    """A handler that raises an error with data."""
    raise PeerUnavailable("Not now.", hint="Later.", data={"in_force": SnapshotId(epoch=1, revision=2, hash="x")})
