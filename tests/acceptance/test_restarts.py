"""Restarts of either process, in whatever state the files are, tear nothing down that should stay."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from bridge.client import BridgeClient
from bridge.errors import RemoteError
from bridge.models import ReadDesired, SetWorkspace, Snapshot, SnapshotId, Status
from tests.acceptance.steps import call, mocks, pids, tools, until
from tests.support import peers
from tests.support.hub import Hub, Name, running
from tests.support.peers import Peer
from tests.support.yamcp import mock

PROVIDERS = {"a": mock("a"), "b": mock("b")}
WORKSPACES = {"w": ["a", "b"], "off": ["a"]}
BROKEN = ["", '{"a": {"namespace": "a", "type"', "[]"]


@dataclass
class Served:
    """A hub in use, with what must stay as it is."""

    hub: Hub
    peer: Peer
    before: dict[str, tuple[int, ...]]
    tools: set[str]

    async def untouched(self) -> None:
        """The session is there, was told of nothing, and the same processes answer."""
        assert await pids(self.hub) == self.before
        assert await tools(self.peer) == self.tools
        assert await call(self.peer, "a_pid") == str(self.before["a"][0])
        assert self.peer.notes == []
        assert {each.name: each.enabled for each in (await self.hub.status()).workspaces} == {"w": True, "off": False}


@contextlib.asynccontextmanager
async def served() -> AsyncIterator[Served]:
    """A hub with two workspaces, one of them switched off, and a session."""
    async with running(PROVIDERS, WORKSPACES) as hub:
        await hub.desired.request(SetWorkspace(name="off", enabled=False))
        await hub.wait_settled()
        async with peers.connected(hub.http("w"), "sse", "legacy") as peer:
            yield Served(hub, peer, await pids(hub), await tools(peer))


async def adapter_back(hub: Hub, before: SnapshotId) -> None:
    """Start the adapter, and wait until what it wants is in force, in a later epoch."""
    await hub.start("adapter")
    await in_force_after(hub, before)


async def in_force_after(hub: Hub, before: SnapshotId) -> None:
    """Wait until a later epoch is in force."""

    def later(status: Status) -> bool:
        return status.applied is not None and status.applied.epoch > before.epoch and status.settled

    await hub.wait_status(later, "a later epoch in force")


async def applied(hub: Hub) -> SnapshotId:
    """What is in force."""
    found = (await hub.status()).applied
    assert found is not None
    return found


@pytest.mark.parametrize("name", ["providers.json", "workspaces.json", "hub.json"])
async def test_broken_file_while_the_adapter_restarts(name: str) -> None:
    """Truncated or broken in any way, or gone for good: what was in force stays; then an edit takes effect again."""
    async with served() as at:
        path = (at.hub.data_dir if name == "hub.json" else at.hub.yamcp_dir) / name
        whole, identity = path.read_text(), await applied(at.hub)
        for number, text in enumerate(BROKEN):
            await at.hub.kill("adapter", signal.SIGKILL if number % 2 else signal.SIGTERM)
            path.write_text(text)
            await adapter_back(at.hub, identity)
            await at.untouched()
            identity = await applied(at.hub)
        await at.hub.stop("adapter")
        await at.untouched()
        path.write_text(whole)
        await adapter_back(at.hub, identity)
        await at.untouched()
        at.hub.write(PROVIDERS | {"c": mock("c")}, {"w": ["a", "b", "c"], "off": ["a"]})
        await at.peer.wait_note("notifications/tools/list_changed")
        assert await call(at.peer, "c_echo", text="new") == "new"
        assert (await pids(at.hub)).items() > at.before.items()


async def test_absent_adapter() -> None:
    """Without an adapter the sidecar goes on; restarted, it serves its own copy after the grace, and then the files."""
    async with running(PROVIDERS, {"w": ["a", "b"]}, HUB_ADAPTER_GRACE="0.5") as hub:
        await hub.kill("adapter", signal.SIGKILL)
        hub.write(workspaces={"w": ["a"]})
        async with peers.connected(hub.http("w"), "http", "modern") as peer:
            assert await call(peer, "b_echo", text="still") == "still"
        await hub.kill("sidecar", signal.SIGKILL)
        await hub.start("sidecar")
        status = await hub.wait_status(lambda status: status.settled, "its own copy")
        assert status.source == "disk"
        before = await pids(hub)
        async with peers.connected(hub.http("w"), "sse", "legacy") as peer:
            assert await call(peer, "b_echo", text="again") == "again"
            await hub.start("adapter")
            await peer.wait_note("notifications/tools/list_changed")
            assert {name.partition("_")[0] for name in await tools(peer)} == {"a"}
        assert (await hub.status()).source == "adapter"
        assert (await pids(hub))["a"] == before["a"]


@pytest.mark.parametrize("order", [("adapter", "sidecar"), ("sidecar", "adapter")])
async def test_both_restarted(order: tuple[Name, Name]) -> None:
    """In either order: every server runs once, what was off is off, and clients can connect again."""
    async with running(PROVIDERS, WORKSPACES) as hub:
        await hub.desired.request(SetWorkspace(name="off", enabled=False))
        await hub.wait_settled()
        before, identity = await pids(hub), await applied(hub)
        for name in order:
            await hub.kill(name, signal.SIGKILL)
        for name in order:
            await hub.start(name)
            await asyncio.sleep(0.3)
        await in_force_after(hub, identity)
        assert {each.name: each.enabled for each in (await hub.status()).workspaces} == {"w": True, "off": False}
        found = await pids(hub)
        assert all(len(each) == 1 for each in found.values())
        assert not {*found.values()} & {*before.values()}
        assert len(mocks(hub)) == 2
        async with peers.connected(hub.http("w"), "sse", "legacy") as peer:
            assert await call(peer, "a_echo", text="again") == "again"


async def test_old_snapshot_arriving_late() -> None:
    """A snapshot of an earlier revision or epoch is refused, with what is in force; nothing changes."""
    async with served() as at:
        identity = await applied(at.hub)
        async with BridgeClient(at.hub.settings.actual_address) as other:
            for epoch, revision in ((identity.epoch, identity.revision - 1), (identity.epoch - 1, 1000), (0, 0)):
                with pytest.raises(RemoteError) as refused:
                    await other.request(Snapshot.of(epoch, revision, (), ()))
                assert refused.value.remote_code == "SNAPSHOT_STALE"
                assert refused.value.data["in_force"] == identity.model_dump()
            with pytest.raises(RemoteError, match="hash") as refused:
                broken = Snapshot.of(identity.epoch, identity.revision + 1, (), ())
                await other.request(broken.model_copy(update={"id": identity.model_copy(update={"epoch": 99})}))
            assert refused.value.remote_code == "SNAPSHOT_INVALID"
        await at.untouched()
        assert await applied(at.hub) == identity


async def test_forgotten_epoch() -> None:
    """The adapter's memory is wiped while the sidecar runs: it goes on above the sidecar's, and nothing stops."""
    async with served() as at:
        for _ in range(3):  # so that the sidecar's epoch is well above that of a first start
            await at.hub.restart("adapter")
            await at.hub.wait_settled()
        identity = await applied(at.hub)
        await at.hub.stop("adapter")
        for path in at.hub.data_dir.glob("adapter*"):
            path.unlink()
        await adapter_back(at.hub, identity)
        await at.untouched()
        at.hub.write(workspaces={"w": ["a"], "off": ["a"]})
        await at.peer.wait_note("notifications/tools/list_changed")
        await until(lambda: pids(at.hub), lambda found: found["b"] == ())
        wanted = await at.hub.desired.request(ReadDesired())
        assert wanted.published == await applied(at.hub) == wanted.snapshot.id


async def test_only_the_adapter_restarts() -> None:
    """However often and however it ends, nobody notices; an edit made meanwhile takes effect when it is back."""
    async with served() as at:
        for sig in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT):
            identity = await applied(at.hub)
            await at.hub.kill("adapter", sig)
            await at.untouched()
            await adapter_back(at.hub, identity)
            await at.untouched()
        identity = await applied(at.hub)
        await at.hub.kill("adapter")
        settings = json.loads((at.hub.data_dir / "hub.json").read_text())
        at.hub.write(PROVIDERS | {"c": mock("c")}, {"w": ["a", "b", "c"], "off": ["a"]})
        await adapter_back(at.hub, identity)
        await at.peer.wait_note("notifications/tools/list_changed")
        assert await call(at.peer, "c_echo", text="new") == "new"
        assert (await pids(at.hub)).items() > at.before.items()
        assert json.loads((at.hub.data_dir / "hub.json").read_text()) == settings
