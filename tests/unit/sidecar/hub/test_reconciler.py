"""From accepted snapshots to applied ones."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.errors import StaleSnapshot
from bridge.models import Event, Snapshot
from sidecar.hub.reconciler import Reconciler, load, save
from sidecar.observe.metrics import Metrics
from tests.support.fake_server import settle, until
from tests.support.inprocess import space


class Hub:
    """Takes down what is applied."""

    def __init__(self) -> None:
        self.applied: list[Snapshot] = []

    def apply(self, snapshot: Snapshot) -> None:
        self.applied.append(snapshot)


class Running:
    """A reconciler that runs."""

    def __init__(self, path: Path, grace: float) -> None:
        self.hub = Hub()
        self.events: list[Event] = []
        self.reconciler = Reconciler(self.hub, path, grace, Metrics(), self.events.append)  # type: ignore[arg-type]

    async def applied(self, snapshot: Snapshot) -> None:
        await until(lambda: self.reconciler.applied == snapshot.id)


@contextlib.asynccontextmanager
async def running(path: Path, grace: float = 60) -> AsyncIterator[Running]:
    """Runs until the end of the test."""
    made = Running(path, grace)
    task = asyncio.create_task(made.reconciler.run())
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.wait([task])


def snapshot(epoch: int, revision: int, *names: str) -> Snapshot:
    """A snapshot of empty workspaces."""
    return Snapshot.of(epoch, revision, (), tuple(space(name=name) for name in names))


async def test_applied(tmp_path: Path) -> None:
    """Accepted at once, applied, kept on disk for nobody else to read, and published."""
    first = snapshot(1, 1, "a")
    path = tmp_path / "applied.json"
    async with running(path) as made:
        assert made.reconciler.source == "none"
        assert made.reconciler.accept(first) == first.id
        assert (made.reconciler.accepted, made.reconciler.applied) == (first.id, None)
        await made.applied(first)
    assert made.reconciler.source == "adapter"
    assert load(path) == first
    assert path.stat().st_mode & 0o777 == 0o600
    assert [event.topic for event in made.events] == ["applied"]


async def test_newest_wins(tmp_path: Path) -> None:
    """What is overtaken before it was carried out is skipped."""
    async with running(tmp_path / "a") as made:
        made.reconciler.accept(snapshot(1, 1))
        made.reconciler.accept(snapshot(1, 2, "a"))
        made.reconciler.accept(last := snapshot(1, 3, "a", "b"))
        await made.applied(last)
        assert made.hub.applied == [last]


async def test_stale(tmp_path: Path) -> None:
    """An older one, or another of the same revision, is refused with what is in force; the same one is fine."""
    current = snapshot(2, 5, "a")
    async with running(tmp_path / "a") as made:
        made.reconciler.accept(current)
        for old in (snapshot(2, 4), snapshot(1, 99), snapshot(2, 5, "other")):
            with pytest.raises(StaleSnapshot) as caught:
                made.reconciler.accept(old)
            assert caught.value.data["in_force"] == current.id.model_dump()
        await made.applied(current)
        made.reconciler.accept(current)
        await settle()
        assert len(made.hub.applied) == 1
        made.reconciler.accept(newer := snapshot(3, 0))
        await made.applied(newer)


async def test_own_copy(tmp_path: Path) -> None:
    """Without an adapter, what was applied before is served; the adapter's word replaces it."""
    path = tmp_path / "applied.json"
    kept = snapshot(4, 2, "a")
    save(path, kept)
    async with running(path, grace=0.01) as made:
        await made.applied(kept)
        assert made.reconciler.source == "disk"
        made.reconciler.accept(snapshot(5, 0, "a"))
        assert made.reconciler.source == "adapter"


async def test_adapter_in_time(tmp_path: Path) -> None:
    """With an adapter in time, the copy is not looked at."""
    path = tmp_path / "applied.json"
    save(path, snapshot(9, 9, "old"))
    async with running(path) as made:
        made.reconciler.accept(first := snapshot(1, 1))
        await made.applied(first)
        assert made.hub.applied == [first]


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"\xff\xff", b'{"id": 1}', b"directory"])
async def test_unreadable_copy(tmp_path: Path, content: bytes | None) -> None:
    """A copy that is missing or cannot be used is no reason to stop; the adapter is still waited for."""
    path = tmp_path / "applied.json"
    if content == b"directory":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    async with running(path, grace=0) as made:
        await settle()
        assert made.reconciler.source == "none"
        made.reconciler.accept(first := snapshot(1, 1))
        await made.applied(first)


def test_copy_that_was_changed(tmp_path: Path) -> None:
    """A copy whose content is not what its hash says is not used."""
    path = tmp_path / "applied.json"
    save(path, snapshot(1, 1, "a"))
    content = json.loads(path.read_bytes())
    content["workspaces"][0]["name"] = "b"
    path.write_text(json.dumps(content))
    assert load(path) is None


def test_disk_full(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A copy that cannot be kept is logged, no more."""
    save(tmp_path / "missing" / "applied.json", snapshot(1, 1))
    assert "could not be kept" in caplog.text


async def test_snapshot_that_cannot_be_applied(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A fault in carrying one out ends nothing that runs: it does not count as applied, and the next one is taken."""
    async with running(tmp_path / "applied.json") as made:
        apply, made.hub.apply = made.hub.apply, lambda _: 1 / 0  # type: ignore[method-assign,assignment]
        made.reconciler.accept(snapshot(1, 1))
        await until(lambda: "could not be applied" in caplog.text)
        assert made.reconciler.applied is None
        made.hub.apply = apply  # type: ignore[method-assign]
        made.reconciler.accept(after := snapshot(1, 2))
        await made.applied(after)
