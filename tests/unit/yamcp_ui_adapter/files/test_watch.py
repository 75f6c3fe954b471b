"""Changes are noticed whatever happens to the directories."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from yamcp_ui_adapter.errors import DataDirUnusable
from yamcp_ui_adapter.files import watch as module
from yamcp_ui_adapter.files.watch import make_directory, watch


class Notices:
    """Counts, and can be waited for."""

    def __init__(self) -> None:
        self._came = asyncio.Event()

    def __call__(self) -> None:
        self._came.set()

    async def next(self) -> None:
        """Wait for one that comes from now on."""
        self._came.clear()
        async with asyncio.timeout(100):
            await self._came.wait()

    async def until_seen(self, change: Any) -> None:
        """Make changes until one is noticed: when a watch is in force cannot be known from outside."""
        self._came.clear()
        async with asyncio.timeout(100):
            while not self._came.is_set():
                change()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._came.wait(), 0.5)


@contextlib.asynccontextmanager
async def watching(*files: Path) -> AsyncIterator[Notices]:
    """A watcher of the files, in force."""
    notices = Notices()
    task = asyncio.create_task(watch(files, notices))
    try:
        await notices.until_seen(lambda: files[0].parent.is_dir() and files[0].write_text("begin"))
        yield notices
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()


async def test_changes_of_each_file_are_noticed(tmp_path: Path) -> None:
    """Written in place, replaced, and deleted."""
    one, two = tmp_path / "a" / "one", tmp_path / "b" / "two"
    one.parent.mkdir()
    two.parent.mkdir()
    async with watching(one, two) as notices:
        await notices.until_seen(lambda: two.write_text("x"))
        (tmp_path / "other").write_text("y")
        await notices.until_seen(lambda: (tmp_path / "other").replace(one) if (tmp_path / "other").exists() else None)
        await notices.until_seen(lambda: one.unlink(missing_ok=True))


@pytest.mark.parametrize("way", ["link", "a/../b", "./b"])
async def test_a_directory_may_be_named_by_any_path(tmp_path: Path, way: str) -> None:
    """Through a link, or the long way round."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "link").symlink_to("b")
    async with watching(Path(f"{tmp_path}/{way}/one")) as notices:
        await notices.until_seen(lambda: (tmp_path / "b" / "one").write_text("new"))


async def test_a_config_map_of_kubernetes(tmp_path: Path) -> None:
    """The kubelet replaces `..data`, a link to the directory that has the files; their names are links through it."""
    path = tmp_path / "mount" / "one"
    path.parent.mkdir()
    versions = itertools.count()

    def update() -> None:
        version = path.parent / f"..{next(versions)}"
        version.mkdir()
        (version / "one").write_text(version.name)
        (path.parent / "..data_tmp").symlink_to(version.name)
        (path.parent / "..data_tmp").replace(path.parent / "..data")

    update()
    path.symlink_to("..data/one")
    notices = Notices()
    task = asyncio.create_task(watch([path], notices))
    await notices.next()
    await notices.until_seen(update)
    assert path.read_text() != "..0"
    task.cancel()
    await asyncio.wait([task])


async def test_a_directory_may_be_deleted_and_come_back(tmp_path: Path) -> None:
    """Made by somebody else, it is watched again."""
    path = tmp_path / "a" / "one"
    path.parent.mkdir()
    async with watching(path) as notices:
        for _ in range(2):
            shutil.rmtree(path.parent)
            path.parent.mkdir()
            await notices.next()
            await notices.until_seen(lambda: path.write_text("new"))


async def test_a_directory_that_nobody_makes_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After giving others the time to."""
    monkeypatch.setattr(module, "RECREATE_AFTER_SECONDS", 0.1)
    path = tmp_path / "a" / "one"
    async with watching(path) as notices:
        shutil.rmtree(path.parent)
        await notices.until_seen(lambda: path.parent.is_dir() and path.write_text("new"))


async def test_a_directory_put_in_its_place_is_watched(tmp_path: Path) -> None:
    """Moved away and replaced: nothing of the old one is seen any more."""
    path = tmp_path / "a" / "one"
    path.parent.mkdir()
    async with watching(path) as notices:
        path.parent.rename(tmp_path / "old")
        path.parent.mkdir()
        await notices.next()
        await notices.until_seen(lambda: path.write_text("new"))


async def test_without_a_watch_it_looks_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may be out of inotify watches."""

    def none_left(*_: Any, **__: Any) -> Any:
        raise OSError("no inotify watches left")

    monkeypatch.setattr(module, "awatch", none_left)
    monkeypatch.setattr(module, "DIRECTORY_CHECK_MS", 10)
    notices = Notices()
    task = asyncio.create_task(watch([tmp_path / "one"], notices))
    await notices.next()
    await notices.next()
    task.cancel()
    await asyncio.wait([task])


def test_a_directory_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    """With its path."""
    (tmp_path / "file").touch()
    with pytest.raises(DataDirUnusable, match="file"):
        make_directory(tmp_path / "file" / "a")
