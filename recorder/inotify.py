"""Wakes the recorder when a file of the spool changes: inotify(7), by ctypes, as the standard library has none."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger(__name__)

IN_MODIFY, IN_CLOSE_WRITE, IN_MOVED_TO, IN_CREATE = 0x2, 0x8, 0x80, 0x100
EVENTS_BYTES = 64 * 1024
POLL_SECONDS = 1.0
"""Seconds between looks at the spool where the system has no inotify instance left for the hub."""


class Watch:
    """Calls `changed` on the event loop after files in a directory were written. An async context manager."""

    def __init__(self, directory: Path, changed: Callable[[], None]) -> None:
        self._directory = directory
        self._changed = changed
        self._descriptor = -1
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> None:
        try:
            self._descriptor = _watch(self._directory)
        except OSError as error:
            log.warning("the spool cannot be watched, and is looked at each second", extra={"reason": str(error)})
            self._poll()
        else:
            asyncio.get_running_loop().add_reader(self._descriptor, self._read)

    async def __aexit__(self, *exception: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._descriptor >= 0:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._descriptor, EVENTS_BYTES)
        self._changed()

    def _poll(self) -> None:
        self._changed()
        self._timer = asyncio.get_running_loop().call_later(POLL_SECONDS, self._poll)


def _watch(directory: Path) -> int:
    """A descriptor that can be read after a file in the directory was created, written or closed. Raises OSError."""
    library = ctypes.CDLL(None, use_errno=True)
    descriptor = int(library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    mask = IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE
    if library.inotify_add_watch(descriptor, os.fsencode(directory), mask) < 0:
        number = ctypes.get_errno()
        os.close(descriptor)
        raise OSError(number, os.strerror(number), str(directory))
    return descriptor
