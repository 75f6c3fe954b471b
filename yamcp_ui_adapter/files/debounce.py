"""When a burst of changes has ended."""

from __future__ import annotations

import asyncio
import contextlib

QUIET = 0.04
LONGEST = 0.25


class Settle:
    """Collects notices of change, and tells when none has come for `quiet` seconds, at the latest after `longest`.

    In-place writers truncate first and write then, and YAMCP-UI writes one file and then the other: what is read in
    between is half an edit.
    """

    def __init__(self, quiet: float = QUIET, longest: float = LONGEST) -> None:
        self.quiet = quiet
        self._longest = longest
        self._noticed = asyncio.Event()

    def notice(self) -> None:
        """Something changed."""
        self._noticed.set()

    async def wait(self, patience: float) -> bool:
        """Wait for a burst of notices and its end; False when none begins within `patience` seconds."""
        if not await self._next(patience):
            return False
        deadline = asyncio.get_running_loop().time() + self._longest
        while (left := deadline - asyncio.get_running_loop().time()) > 0:
            if not await self._next(min(self.quiet, left)):
                break
        return True

    async def _next(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._noticed.wait()
        noticed = self._noticed.is_set()
        self._noticed.clear()
        return noticed
