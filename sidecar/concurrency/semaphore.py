"""A semaphore that limits the requests in progress at one server. Waiting requests are served fairly (turns.py)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from sidecar.concurrency.shares import HUB_CALLER, Caller, may_take
from sidecar.concurrency.turns import QueueFull, WaitQueue
from sidecar.errors import CallTimeout
from sidecar.flood_errors import ServerBusy

if TYPE_CHECKING:
    from bridge.models import ServerSettings


class Semaphore:
    """A counting semaphore of `count` slots for requests.

    Unlike `asyncio.Semaphore`, code outside a task can acquire it (`try_acquire`), and waiting requests take turns by
    key and client rather than in order of arrival.
    """

    __slots__ = ("_count", "_free", "_queue")

    def __init__(self, count: int) -> None:
        self._count = self._free = count
        self._queue = WaitQueue()

    def try_acquire(self, key: str = "") -> bool:
        """Acquire a slot for a request of `key` without waiting; False if none is free."""
        if self._free <= 0:
            return False
        self._free -= 1
        return True

    async def acquire(self, caller: Caller = HUB_CALLER) -> None:
        """Acquire a slot, waiting for the caller's turn.

        Raises:
            QueueFull: too many requests of this caller are waiting already.
        """
        if self.try_acquire(caller.key):
            return
        waiter = self._queue.add(caller)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                self._queue.remove(caller, waiter)
            else:  # it got the slot in the same iteration of the event loop
                self.release(caller.key)
            raise

    async def acquire_within(self, timeout: float, caller: Caller, server: str) -> None:
        """Acquire a slot within `timeout` seconds. `server` is the server's key, for the error messages.

        Raises:
            CallTimeout: the caller's turn did not come in time.
            ServerBusy: too many requests of this caller are waiting already.
        """
        try:
            async with asyncio.timeout(timeout):
                await self.acquire(caller)
        except QueueFull as full:
            raise ServerBusy(f"{full} requests of this client already wait for the server {server!r}.") from None
        except TimeoutError:
            late = CallTimeout(
                f"The server {server!r} takes {self._count} requests at once, and this one had to wait longer than "
                f"{timeout:g} s for its turn.",
                hint="Try again when the server has less to do, or raise `max_inflight` of the server in hub.json.",
            )
            late.sent = False
            raise late from None

    def release(self, key: str = "") -> None:
        """Release the slot of a request of `key`; the request whose turn it is gets it, if any is waiting."""
        if not self._queue.count or self._queue.wake_next() is None:
            self._free += 1


class KeyedSemaphore(Semaphore):
    """The semaphore of a server that several access keys share.

    While `contested()` is true, that is, while several keys use the hub, no key can hold all slots (shares.may_take).
    """

    __slots__ = ("_contested", "_held")

    def __init__(self, count: int, contested: Callable[[], bool]) -> None:
        super().__init__(count)
        self._contested = contested
        self._held: dict[str, int] = {}

    def try_acquire(self, key: str = "") -> bool:
        """Acquire a slot for a request of `key` without waiting; False if none is free or the key's share is used."""
        held, free = self._held.get(key, 0), self._free
        if not may_take(held, self._count - free, self._count, contested=self._contested()):
            return False
        self._held[key], self._free = held + 1, free - 1
        return True

    def release(self, key: str = "") -> None:
        """Release the slot of a request of `key`; waiting requests whose keys' shares allow it get the free slots."""
        self._free += 1
        if (held := self._held[key]) == 1:
            del self._held[key]
        else:
            self._held[key] = held - 1
        while self._queue.count and self._free > 0 and (served := self._queue.wake_next(self._may_hold)) is not None:
            self._hold(served)

    def _may_hold(self, key: str) -> bool:
        return may_take(self._held.get(key, 0), self._count - self._free, self._count, contested=self._contested())

    def _hold(self, key: str) -> None:
        self._free -= 1
        self._held[key] = self._held.get(key, 0) + 1


def semaphore_for(settings: ServerSettings, contested: Callable[[], bool]) -> Semaphore:
    """The semaphore of a server, with `max_inflight` slots; `contested` tells whether several keys use the hub."""
    if settings.share_between_keys and settings.session == "shared":
        return KeyedSemaphore(settings.max_inflight, contested)
    return Semaphore(settings.max_inflight)
