"""Where results are kept: in memory, or in Redis if configured."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol


class CacheStore(Protocol):
    """Keeps bytes under keys for some time."""

    async def get(self, key: str) -> bytes | None:
        """The bytes under a key; None if there are none any more. Raises CacheUnavailable."""

    async def put(self, key: str, value: bytes, seconds: float) -> None:
        """Keep bytes under a key for some time. Raises CacheUnavailable."""

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

    async def get(self, key: str) -> bytes | None:
        """The bytes under a key."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        value, end = entry
        if end <= self._clock():
            self._remove(key)
            return None
        self._entries.move_to_end(key)
        return value

    async def put(self, key: str, value: bytes, seconds: float) -> None:
        """Keep bytes under a key, and remove the oldest entries if there is no room."""
        self._remove(key)
        self._entries[key] = value, self._clock() + seconds
        self.size += len(value) + self.ENTRY_BYTES
        while self.size > self._max_bytes:
            self._remove(next(iter(self._entries)))

    async def close(self) -> None:
        """Forget all."""
        self._entries.clear()
        self.size = 0

    def _remove(self, key: str) -> None:
        if entry := self._entries.pop(key, None):
            self.size -= len(entry[0]) + self.ENTRY_BYTES
