"""Where results are kept: in memory, or in Redis if configured."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol


class CacheStore(Protocol):
    """Keeps bytes under keys for some time."""

    @property
    def reachable(self) -> bool:
        """Whether the store answered when it was asked last."""

    async def get(self, key: str) -> tuple[bytes, float] | None:
        """The bytes under a key, and for how many seconds more they are kept; None if there are none any more.

        Raises CacheUnavailable.
        """

    async def put(self, key: str, value: bytes, seconds: float) -> None:
        """Keep bytes under a key for some time. Raises CacheUnavailable."""

    async def run(self) -> None:
        """Do what the store has to do in the background, until cancelled."""

    async def close(self) -> None:
        """Release what the store holds."""


class MemoryStore:
    """Keeps at most `max_bytes` in memory; the entry that was not used for longest goes first."""

    ENTRY_BYTES = 300
    """Bytes of an entry beside its value: key, tuple and their places, measured with tracemalloc."""

    def __init__(self, max_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_bytes = max_bytes
        self._clock = clock
        self._entries: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self.size = 0
        """Bytes in use."""

    @property
    def reachable(self) -> bool:
        """True: memory is."""
        return True

    async def get(self, key: str) -> tuple[bytes, float] | None:
        """The bytes under a key, and for how many seconds more they are kept."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        value, end = entry
        left = end - self._clock()
        if left <= 0:
            self._remove(key)
            return None
        self._entries.move_to_end(key)
        return value, left

    async def put(self, key: str, value: bytes, seconds: float) -> None:
        """Keep bytes under a key, and remove the oldest entries if there is no room."""
        self._remove(key)
        self._entries[key] = value, self._clock() + seconds
        self.size += len(value) + self.ENTRY_BYTES
        while self.size > self._max_bytes:
            self._remove(next(iter(self._entries)))

    async def run(self) -> None:
        """Nothing is to be done."""

    async def close(self) -> None:
        """Forget all."""
        self._entries.clear()
        self.size = 0

    def _remove(self, key: str) -> None:
        if entry := self._entries.pop(key, None):
            self.size -= len(entry[0]) + self.ENTRY_BYTES
