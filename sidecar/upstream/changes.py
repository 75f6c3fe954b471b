"""When to read a list again that its server announces as changed."""

from __future__ import annotations

import asyncio
from contextlib import suppress

QUIET = 0.05
"""Seconds without a further notice after which a list that changes again and again is read."""
LONGEST_UNREST = 0.5
"""Seconds after which it is read in any case; and after a reading, in which the next notice is no single one."""
LONGEST_SPACING = 30.0
"""Seconds between two readings of a list of which all notices are false."""


class Changes:
    """The notices that one list has changed. A single one is heeded at once, a burst when it is over.

    Readings that found nothing new are spaced, at distances that double: some servers announce a change whenever
    their list is read.
    """

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._taken_at = -LONGEST_UNREST
        self._spacing = 0.0

    def add(self) -> None:
        """The server announced a change."""
        self._event.set()

    def read(self, *, differs: bool) -> None:
        """The list was read; whether it differs from before."""
        self._spacing = 0.0 if differs else min(LONGEST_SPACING, max(LONGEST_UNREST, 2 * self._spacing))

    async def take(self) -> None:
        """Wait until the list should be read again."""
        clock = asyncio.get_running_loop().time
        await self._event.wait()
        if clock() - self._taken_at < LONGEST_UNREST:
            await self._calm()
        await asyncio.sleep(max(0.0, self._taken_at + self._spacing - clock()))
        self._event.clear()
        self._taken_at = clock()

    async def _calm(self) -> None:
        """Wait until the server has stopped announcing, but not for long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_UNREST):
                while self._event.is_set():
                    self._event.clear()
                    await asyncio.sleep(QUIET)
        self._event.set()
