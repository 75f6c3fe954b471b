"""Snapshots reach the sidecar, and again until acknowledged."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from bridge.errors import InvalidSnapshot, StaleSnapshot
from bridge.models import Snapshot, SnapshotId, WorkspaceSpec
from tests.unit.yamcp_ui_adapter.fixtures import Sidecar, until
from yamcp_ui_adapter.desired.publisher import SnapshotPublisher


def snapshot(revision: int, epoch: int = 1) -> Snapshot:
    """One that differs from the others."""
    return Snapshot.of(epoch, revision, (), (WorkspaceSpec(name=f"w{revision}", slug=f"w{revision}", servers=()),))


@contextlib.asynccontextmanager
async def publishing(publisher: SnapshotPublisher) -> AsyncIterator[None]:
    """The publisher's loop."""
    task = asyncio.create_task(publisher.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()


def made(sidecar: Sidecar, timeout: float = 5.0) -> SnapshotPublisher:
    """A publisher to that sidecar that does not wait long."""
    return SnapshotPublisher("actual", transport=sidecar.bridge, first_wait=0.01, timeout=timeout)


async def published(publisher: SnapshotPublisher, wanted: SnapshotId) -> None:
    """Wait until it was acknowledged."""
    await until(lambda: publisher.published == wanted)


async def test_a_snapshot_is_published_once() -> None:
    """Acknowledged is done; the same one offered again is nothing new."""
    sidecar = Sidecar()
    publisher = made(sidecar)
    async with sidecar.running(), publishing(publisher):
        publisher.offer(snapshot(1))
        await published(publisher, snapshot(1).id)
        publisher.offer(snapshot(1))
        publisher.offer(snapshot(2))
        await published(publisher, snapshot(2).id)
        assert [found.id.revision for found in sidecar.snapshots] == [1, 2]
        assert publisher.error is None


async def test_only_the_newest_that_waits_is_published() -> None:
    """Of those offered while nobody was there."""
    sidecar = Sidecar()
    publisher = made(sidecar)
    for revision in range(1, 6):
        publisher.offer(snapshot(revision))
    async with publishing(publisher), sidecar.running():
        await published(publisher, snapshot(5).id)
        assert [found.id.revision for found in sidecar.snapshots] == [5]


async def test_each_run_of_the_sidecar_gets_it() -> None:
    """A new one knows nothing."""
    sidecar = Sidecar()
    publisher = made(sidecar)
    publisher.offer(snapshot(1))
    async with publishing(publisher):
        for number in range(1, 4):
            async with sidecar.running():
                await sidecar.count(number)
                await published(publisher, snapshot(1).id)


async def test_a_refusal_is_told_and_tried_again() -> None:
    """Until it is taken."""
    sidecar = Sidecar("actual", InvalidSnapshot("first"), InvalidSnapshot("second"))
    publisher = made(sidecar)
    publisher.offer(snapshot(1))
    async with publishing(publisher), sidecar.running():
        await sidecar.count(2)
        assert publisher.error is not None
        assert publisher.error.code == "SNAPSHOT_INVALID"
        await published(publisher, snapshot(1).id)
        assert publisher.error is None
        assert len(sidecar.snapshots) == 3


async def test_a_lost_answer_is_asked_for_again() -> None:
    """The same snapshot once more is fine with the sidecar."""
    sidecar = Sidecar()
    publisher = made(sidecar, timeout=0.05)
    stuck = asyncio.Event()

    async def silent(found: Snapshot) -> None:
        sidecar.snapshots.append(found)
        stuck.set()
        await asyncio.Event().wait()

    taking, sidecar.apply = sidecar.apply, silent  # type: ignore[method-assign,assignment]
    publisher.offer(snapshot(1))
    async with publishing(publisher):
        async with sidecar.running():
            await stuck.wait()
            await until(lambda: publisher.error is not None)
            assert publisher.error is not None
            assert publisher.error.code == "BRIDGE_UNAVAILABLE"
        sidecar.apply = taking  # type: ignore[method-assign]
        async with sidecar.running():
            await published(publisher, snapshot(1).id)


async def test_a_later_epoch_in_force_is_told_to_the_owner() -> None:
    """So that the adapter goes on after it, rather than be refused for ever."""
    later = snapshot(3, epoch=9).id
    sidecar = Sidecar("actual", StaleSnapshot("too old", data={"in_force": later.model_dump()}))

    def leap(in_force: SnapshotId) -> None:
        assert in_force == later
        publisher.offer(snapshot(1, epoch=10))

    publisher = SnapshotPublisher("actual", leap, transport=sidecar.bridge, first_wait=0.01)
    publisher.offer(snapshot(1))
    async with publishing(publisher), sidecar.running():
        await published(publisher, snapshot(1, epoch=10).id)


async def test_a_stale_answer_that_says_nothing_useful_is_only_tried_again() -> None:
    """No id, or an older one."""
    older = snapshot(1, epoch=0).id.model_dump()
    sidecar = Sidecar("actual", StaleSnapshot("?"), StaleSnapshot("?", data={"in_force": older}))
    publisher = made(sidecar)
    publisher.offer(snapshot(1))
    async with publishing(publisher), sidecar.running():
        await published(publisher, snapshot(1).id)
