"""How much may be under way at once; who has to wait is served in the order of coming."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque


class Places:
    """So many places. Unlike `asyncio.Semaphore` one can be had without a task to wait for it."""

    __slots__ = ("_free", "_waiting")

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: deque[asyncio.Future[None]] = deque()

    def take(self) -> bool:
        """Take a place, if one is free: then nobody waits for it."""
        if self._free <= 0:
            return False
        self._free -= 1
        return True

    async def wait(self) -> None:
        """Take a place as soon as there is one."""
        if self.take():
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                with contextlib.suppress(ValueError):  # it was passed over already
                    self._waiting.remove(turn)
            else:  # it was given the place in the same turn of the loop
                self.give_back()
            raise

    def give_back(self) -> None:
        """Leave a place to who waits for longest, if anybody does."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
