"""Detects the end of a burst of changes."""

from __future__ import annotations

import asyncio

from bridge.deadlines import set_within

QUIET_SECONDS = 0.04
"""Default of `quiet`."""
MAX_WAIT_SECONDS = 0.25
"""Default of `longest`."""


class Debouncer:
    """Collects change notices, and reports a burst once no notice has come for `quiet` seconds, or after `longest`
    seconds.

    Programs that write in place truncate the file first, and YAMCP-UI writes one file and then the other; a read in
    between would see half an edit.
    """

    def __init__(self, quiet: float = QUIET_SECONDS, longest: float = MAX_WAIT_SECONDS) -> None:
        self.quiet = quiet
        self._longest = longest
        self._noticed = asyncio.Event()

    def notice(self) -> None:
        """Record that something changed."""
        self._noticed.set()

    async def wait(self, patience: float) -> bool:
        """Wait for a burst of notices to begin and end; return False if none begins within `patience` seconds."""
        if not await self._next(patience):
            return False
        deadline = asyncio.get_running_loop().time() + self._longest
        while (left := deadline - asyncio.get_running_loop().time()) > 0:
            if not await self._next(min(self.quiet, left)):
                break
        return True

    async def _next(self, seconds: float) -> bool:
        noticed = await set_within(self._noticed, seconds)
        self._noticed.clear()
        return noticed
