"""How many requests may be under way at one server; who has to wait is served in turn (turns.py)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from sidecar.concurrency.shares import HUB, Caller, may_take
from sidecar.concurrency.turns import QueueFull, Turns
from sidecar.errors import CallTimeout, ServerBusy

if TYPE_CHECKING:
    from bridge.models import ServerSettings


class Places:
    """So many places. Unlike `asyncio.Semaphore` one can be had without a task to wait for it."""

    __slots__ = ("_count", "_free", "_turns")

    def __init__(self, count: int) -> None:
        self._count = self._free = count
        self._turns = Turns()

    def take(self, key: str = "") -> bool:
        """Take a place for a request of a key, if one is free: then nobody waits for it."""
        if self._free <= 0:
            return False
        self._free -= 1
        return True

    async def wait(self, caller: Caller = HUB) -> None:
        """Take a place as soon as it is the caller's turn. Raises QueueFull."""
        if self.take(caller.key):
            return
        turn = self._turns.add(caller)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._turns.remove(caller, turn)
            else:  # it was given the place in the same turn of the loop
                self.give_back(caller.key)
            raise

    async def wait_for(self, timeout: float, caller: Caller, server: str) -> None:
        """The same within `timeout` seconds; `server` is the key of the server, for the errors.

        Raises:
            CallTimeout: it was not the caller's turn in time.
            ServerBusy: too many requests of the caller wait already.
        """
        try:
            async with asyncio.timeout(timeout):
                await self.wait(caller)
        except QueueFull as full:
            raise ServerBusy(f"{full} requests of this client wait for the server {server!r} already.") from None
        except TimeoutError:
            raise CallTimeout(
                f"The server {server!r} takes {self._count} requests at once, and had no turn for this one within "
                f"{timeout:g} s."
            ) from None

    def give_back(self, key: str = "") -> None:
        """Leave the place of a request to whose turn it is, if anybody waits."""
        if not self._turns.count or self._turns.next() is None:
            self._free += 1


class KeyedPlaces(Places):
    """The places of a server that several keys share. No key can take all of them while the hub is `contested`."""

    __slots__ = ("_contested", "_held")

    def __init__(self, count: int, contested: Callable[[], bool]) -> None:
        super().__init__(count)
        self._contested = contested
        self._held: dict[str, int] = {}

    def take(self, key: str = "") -> bool:
        """Take a place for a request of a key, if the key's share allows one more."""
        held, free = self._held.get(key, 0), self._free
        if not may_take(held, self._count - free, self._count, contested=self._contested()):
            return False
        self._held[key], self._free = held + 1, free - 1
        return True

    def give_back(self, key: str = "") -> None:
        """Free the place of a request, and let those have it whose turn it is and whose share allows it."""
        self._free += 1
        if (held := self._held[key]) == 1:
            del self._held[key]
        else:
            self._held[key] = held - 1
        while self._turns.count and self._free > 0 and (served := self._turns.next(self._may)) is not None:
            self._hold(served)

    def _may(self, key: str) -> bool:
        return may_take(self._held.get(key, 0), self._count - self._free, self._count, contested=self._contested())

    def _hold(self, key: str) -> None:
        self._free -= 1
        self._held[key] = self._held.get(key, 0) + 1


def places_for(settings: ServerSettings, contested: Callable[[], bool]) -> Places:
    """The places of a server; `contested` tells whether several keys use the hub."""
    if settings.share_between_keys and settings.session == "shared":
        return KeyedPlaces(settings.max_inflight, contested)
    return Places(settings.max_inflight)
