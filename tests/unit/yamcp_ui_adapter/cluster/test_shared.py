"""One edit of a shared configuration, with a source in memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Mapping
from pathlib import Path
from typing import Literal

import pytest

from bridge.errors import HubError
from bridge.models.cluster import ClusterState
from yamcp_ui_adapter.cluster.copy import WorkingCopy
from yamcp_ui_adapter.cluster.documents import Newest
from yamcp_ui_adapter.cluster.errors import ConfigDatabaseUnavailable, ConfigNotImported
from yamcp_ui_adapter.cluster.shared import SharedConfig
from yamcp_ui_adapter.cluster.source import Applied
from yamcp_ui_adapter.edit.backups import Backups
from yamcp_ui_adapter.format.entries import PROVIDERS, WORKSPACES


class MemorySource:
    """A `Source`, and its own transactions. `fails`: the next commit does."""

    kind: Literal["database", "directory"] = "database"
    target = "memory"

    def __init__(self, documents: Mapping[str, bytes], epoch: int = 1) -> None:
        self.newest = Newest("memory", epoch, dict(documents))
        self.fails = False
        self.authors: list[str] = []

    async def read(self) -> Newest:
        """As `Source`."""
        return self.newest

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[MemorySource]:
        """As `Source`."""
        yield self

    async def commit(self, changes: Mapping[str, bytes | None], author: str) -> Newest:
        """As `Transaction`."""
        if self.fails:
            raise ConfigDatabaseUnavailable("It is gone.")
        kept = {name: raw for name, raw in {**self.newest.documents, **changes}.items() if raw is not None}
        self.newest = Newest("memory", self.newest.epoch + 1, kept)
        self.authors.append(author)
        return self.newest

    def fixed(self, names: Collection[str]) -> Collection[str]:
        """As `Source`."""
        return ()

    async def wait(self, seconds: float) -> bool:
        """As `Source`."""
        return False

    async def report(self, replica: str, epoch: int, digest: str) -> None:
        """As `Source`."""

    async def applied(self) -> list[Applied]:
        """As `Source`."""
        return []

    async def close(self) -> None:
        """As `Source`."""


class Made:
    """A hub's side of it: files in a directory, and what it did in which order."""

    def __init__(self, directory: Path, source: MemorySource) -> None:
        self.source, self.done = source, list[str]()
        self.paths = {name: directory / name for name in (PROVIDERS, WORKSPACES)}
        copy = WorkingCopy(self.paths, directory / "base", Backups(directory), lambda _: None)
        reread, announce = (lambda: self.done.append("read")), (lambda: None)
        self.shared = SharedConfig(source, copy, asyncio.Lock(), self.held, reread, announce, "r1")

    @contextlib.contextmanager
    def held(self) -> contextlib.AbstractContextManager[None]:  # type: ignore[misc]
        """Snapshots are held back."""
        self.done.append("hold")
        yield
        self.done.append("publish")


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Two documents in the source, none here."""
    return Made(tmp_path, MemorySource({PROVIDERS: b'{"a": 1}', WORKSPACES: b"{}"}))


async def test_an_edit_begins_with_the_newest_and_is_published_at_its_end(made: Made) -> None:
    """A file that another program has half written meanwhile is not shared."""
    async with made.shared.editing(PROVIDERS):
        assert made.paths[PROVIDERS].read_bytes() == b'{"a": 1}'
        made.paths[PROVIDERS].write_bytes(b'{"a": 2}')
        made.paths[WORKSPACES].write_bytes(b'{"w":')
        assert made.done == ["hold"]
    assert made.done == ["hold", "publish"]
    assert made.source.newest.documents == {PROVIDERS: b'{"a": 2}', WORKSPACES: b"{}"}
    assert made.source.authors == ["hub at r1"]


async def test_what_cannot_be_committed_is_restored_before_anything_is_published(made: Made) -> None:
    """The files are read again as they were."""
    made.source.fails = True
    with pytest.raises(ConfigDatabaseUnavailable):
        async with made.shared.editing(PROVIDERS):
            made.paths[PROVIDERS].write_bytes(b'{"a": 2}')
    assert made.paths[PROVIDERS].read_bytes() == b'{"a": 1}'
    assert made.done[:2] == ["hold", "read"]
    assert [each.code for each in made.shared.issues] == ["CONFIG_FROM_COPY"]


async def test_an_edit_that_is_refused_changes_nothing(tmp_path: Path, made: Made) -> None:
    """By the edit itself, or for want of a configuration."""
    with pytest.raises(HubError, match="refused"):
        async with made.shared.editing(PROVIDERS):
            raise HubError("It is refused.")
    assert made.source.newest.epoch == 1
    empty = Made(tmp_path, MemorySource({}, epoch=0))
    with pytest.raises(ConfigNotImported):
        async with empty.shared.editing(PROVIDERS):
            pass


async def test_the_state_says_since_when_it_lasts(tmp_path: Path, made: Made) -> None:
    """A look that finds nothing new does not change it."""
    empty = Made(tmp_path, MemorySource({}, epoch=0))
    began = (await empty.shared.state()).since
    await empty.shared.refresh()
    first, again = await empty.shared.state(), await looked(empty)
    assert (first.state, again.state) == ("empty", "empty")
    assert [each.code for each in empty.shared.issues] == ["CONFIG_EMPTY"]
    assert began < first.since == again.since
    empty.shared.take_all(made.source.newest)
    then = await empty.shared.state()
    assert (then.state, then.since > first.since, empty.shared.issues) == ("current", True, ())


async def looked(made: Made) -> ClusterState:
    """Its state after a further look."""
    await made.shared.refresh()
    return await made.shared.state()


async def test_changes_of_other_hubs_are_told_apart_from_those_made_here(made: Made) -> None:
    """Once each; what a program or a request changed here is this hub's, though the source has it then, too."""
    await made.shared.refresh()
    assert (made.shared.took(), made.shared.took()) == (True, False)
    made.source.newest = Newest("memory", 2, {PROVIDERS: b'{"a": 3}', WORKSPACES: b"{}"})
    await made.shared.refresh()
    made.paths[WORKSPACES].write_bytes(b'{"w": 11}')
    assert not made.shared.took()
    await made.shared.refresh()
    assert made.source.newest.documents[WORKSPACES] == b'{"w": 11}'
    assert not made.shared.took()
    async with made.shared.editing(PROVIDERS):
        made.paths[PROVIDERS].write_bytes(b'{"a": 4}')
    assert not made.shared.took()
