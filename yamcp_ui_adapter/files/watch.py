"""Notices that one of the files changed, whatever happens to the directories that they are in."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection
from pathlib import Path

from watchfiles import Change, awatch

from bridge import private
from yamcp_ui_adapter.errors import DataDirUnusable

log = logging.getLogger("yamcp_ui_adapter.watch")  # the name that log filters know

STEP_MS = 5
"""How often the watcher looks for events: what it adds to the time in which a change is seen."""
BATCH_MS = 20
LOOK_MS = 1000
"""How often it looks whether the directories are still the same ones."""
PATIENCE = 1.0
"""Seconds that a directory may be gone before it is made again; whoever deleted it may be about to."""
RETRY = 0.05


async def watch(files: Collection[Path], notice: Callable[[], None]) -> None:
    """Call `notice` after each change of one of the files, and when changes may have been missed; until cancelled."""
    directories = sorted({path.parent for path in files})
    while True:
        await _directories(directories)
        try:
            await _watch_these(directories, {str(path) for path in files}, notice)
        except (OSError, RuntimeError) as error:  # out of inotify watches, or gone between two steps
            log.warning("cannot watch; looking once a second instead", extra={"why": str(error)})
            notice()
            await asyncio.sleep(LOOK_MS / 1000)


def make_directory(path: Path) -> None:
    """Make a directory to be watched, and its parents.

    Raises:
        DataDirUnusable: it cannot be made.
    """
    try:
        private.make_directory(path)
    except OSError as error:
        raise DataDirUnusable(f"{path} cannot be made: {error.strerror}.") from None


async def _directories(paths: Collection[Path]) -> None:
    """Wait until the directories are there; make them if nobody else does."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while missing := [path for path in paths if not path.is_dir()]:
        if asyncio.get_running_loop().time() > deadline:
            for path in missing:
                with contextlib.suppress(DataDirUnusable):
                    make_directory(path)
        await asyncio.sleep(RETRY)


async def _watch_these(directories: list[Path], files: set[str], notice: Callable[[], None]) -> None:
    """Watch until one of the directories is no longer the one that is watched."""
    names = {str(path) for path in directories}
    before = _identities(directories)

    def wanted(_: Change, path: str) -> bool:
        return path in files or path in names

    changes = awatch(
        *directories,
        watch_filter=wanted,
        debounce=BATCH_MS,
        step=STEP_MS,
        rust_timeout=LOOK_MS,
        yield_on_timeout=True,
        recursive=False,
    )
    async with contextlib.aclosing(changes):
        notice()  # of what changed while nothing was watched
        async for batch in changes:
            if batch:
                notice()
            gone = any(change is Change.deleted and path in names for change, path in batch)
            if gone or _identities(directories) != before:
                notice()
                return


def _identities(directories: Collection[Path]) -> list[tuple[int, int] | None]:
    return [_identity(path) for path in directories]


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
