"""Debounces the `list_changed` notifications of a server: when to read a list again. Times are in seconds."""

from __future__ import annotations

import asyncio
from contextlib import suppress

QUIET_SECONDS = 0.05
"""In a burst of notifications, the list is read once none has come for this long."""
MAX_DEBOUNCE_SECONDS = 0.5
"""Longest wait for the end of a burst. A notification within this time after the last reading is part of a burst."""
MAX_SPACING_SECONDS = 30.0
"""Longest time between two readings of a list that never differs although the server announces changes."""


class ChangeDebouncer:
    """Tells when one list is to be read: at once after a single notification, after the end of a burst of them.

    Some servers announce a change whenever their list is read. So the time between readings doubles, up to
    `MAX_SPACING_SECONDS`, as long as readings find nothing new.
    """

    def __init__(self) -> None:
        self._announced = asyncio.Event()
        self._requested = False
        """Whether `_announced` is set for a reading that the hub asks for, and the server announced nothing."""
        self._was_requested = False
        """Whether the present reading is one that the hub asked for."""
        self._read_at = -MAX_DEBOUNCE_SECONDS
        self._spacing = 0.0

    def announced(self) -> None:
        """The server announced that the list changed."""
        self._requested = False
        self._announced.set()

    def request(self) -> None:
        """Have the list read at once, without an announcement. Such a reading does not delay later ones."""
        self._requested = self._requested or not self._announced.is_set()
        self._announced.set()

    def was_read(self, *, differs: bool) -> None:
        """The list was read; `differs` tells whether the reading differs from the one before."""
        if self._was_requested and not differs:
            return
        self._spacing = 0.0 if differs else min(MAX_SPACING_SECONDS, max(MAX_DEBOUNCE_SECONDS, 2 * self._spacing))

    async def wait_until_due(self) -> None:
        """Wait until the list should be read again: it was announced as changed, or the hub requests a reading."""
        clock = asyncio.get_running_loop().time
        await self._announced.wait()
        self._was_requested, self._requested = self._requested, False
        if self._was_requested:
            self._announced.clear()
            return
        if clock() - self._read_at < MAX_DEBOUNCE_SECONDS:
            await self._wait_until_quiet()
        await asyncio.sleep(max(0.0, self._read_at + self._spacing - clock()))
        self._announced.clear()
        self._read_at = clock()

    async def _wait_until_quiet(self) -> None:
        """Wait until no notification has come for `QUIET_SECONDS`, at most `MAX_DEBOUNCE_SECONDS` in all."""
        with suppress(TimeoutError):
            async with asyncio.timeout(MAX_DEBOUNCE_SECONDS):
                while self._announced.is_set():
                    self._announced.clear()
                    await asyncio.sleep(QUIET_SECONDS)
        self._announced.set()
