"""Watches the files for changes, even while their directories are deleted or replaced."""

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

WATCH_STEP_MS = 5
"""Milliseconds between the watcher's polls for events; the longest delay that it adds to a change."""
BATCH_MS = 20
"""Milliseconds for which the watcher collects events before it reports them together."""
DIRECTORY_CHECK_MS = 1000
"""Milliseconds between checks whether the directories are still the same ones."""
RECREATE_AFTER_SECONDS = 1.0
"""Seconds that a directory may be missing before it is created again; the program that deleted it may be about to."""
CONFIG_MAP_LINK = "..data"
"""In a mounted ConfigMap of Kubernetes, the link that the kubelet replaces in place of the files."""
RETRY_SECONDS = 0.05
"""Seconds between checks whether missing directories exist again."""


async def watch(files: Collection[Path], notice: Callable[[], None]) -> None:
    """Call `notice` after each change of one of the files, and whenever changes may have been missed. Runs until
    cancelled.
    """
    directories = sorted({path.parent for path in files})
    while True:
        await _wait_for_directories(directories)
        try:
            await _watch_directories(directories, {str(path) for path in files}, notice)
        except (OSError, RuntimeError) as error:  # out of inotify watches, or gone between two steps
            log.warning("cannot watch the files; polling once a second instead", extra={"why": str(error)})
            notice()
            await asyncio.sleep(DIRECTORY_CHECK_MS / 1000)


def make_directory(path: Path) -> None:
    """Create a directory to be watched, and its parents.

    Raises:
        DataDirUnusable: it cannot be created.
    """
    try:
        private.make_directory(path)
    except OSError as error:
        raise DataDirUnusable(f"{path} cannot be made: {error.strerror}.") from None


async def _wait_for_directories(paths: Collection[Path]) -> None:
    """Wait until the directories exist; create them after `RECREATE_AFTER_SECONDS`."""
    deadline = asyncio.get_running_loop().time() + RECREATE_AFTER_SECONDS
    while missing := [path for path in paths if not path.is_dir()]:
        if asyncio.get_running_loop().time() > deadline:
            for path in missing:
                with contextlib.suppress(DataDirUnusable):
                    make_directory(path)
        await asyncio.sleep(RETRY_SECONDS)


async def _watch_directories(directories: list[Path], files: set[str], notice: Callable[[], None]) -> None:
    """Watch until one of the directories is deleted or replaced by another one."""
    names = {str(path) for path in directories}
    files |= {str(path / CONFIG_MAP_LINK) for path in directories}
    before = _identities(directories)

    def wanted(_: Change, path: str) -> bool:
        return path in files or path in names

    changes = awatch(
        *directories,
        watch_filter=wanted,
        debounce=BATCH_MS,
        step=WATCH_STEP_MS,
        rust_timeout=DIRECTORY_CHECK_MS,
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
