"""Limits how many server processes start at the same time (`HUB_MAX_STARTING`)."""

from __future__ import annotations

import asyncio

HOLD_SECONDS = 10.0
"""Longest time for which a start counts: servers that hang must not keep the others from starting."""


class StartTurns:
    """Hands out at most `most` turns at a time, in the order in which they were asked for."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._free = asyncio.Semaphore(most)

    @property
    def full(self) -> bool:
        """Whether `take` would have to wait."""
        return self._free.locked()

    async def take(self) -> StartTurn:
        """Wait for a turn."""
        await self._free.acquire()
        return StartTurn(self._free)


class StartTurn:
    """A turn of one server. It ends by `release`, or by itself after `HOLD_SECONDS`."""

    def __init__(self, free: asyncio.Semaphore) -> None:
        self._free: asyncio.Semaphore | None = free
        self._timer = asyncio.get_running_loop().call_later(HOLD_SECONDS, self.release)

    def release(self) -> None:
        """Give the turn to the next server. Further calls have no effect."""
        if self._free is not None:
            self._timer.cancel()
            self._free.release()
            self._free = None
