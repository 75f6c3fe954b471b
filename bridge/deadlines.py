"""Time limits: of the wait for an event; and many deadlines with a single timer of the event loop, so that 10,000
requests need not have a timer each."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")

SLACK = 64
"""Dropped entries that are always tolerated, so that a small heap is not rebuilt all the time."""


Deadline = list[Any]
"""An entry of the heap: time by the loop's clock, sequence number, and the item; None once it expired or was dropped.

It is a mutable list so that it can be marked as dropped, as the documentation of `heapq` suggests (Priority Queue
Implementation Notes).
"""


class Deadlines(Generic[T]):
    """Calls `late(item)` when the deadline of an item expires, unless it was dropped before."""

    def __init__(self, late: Callable[[T], None]) -> None:
        self._late = late
        self._heap: list[Deadline] = []
        self._order = itertools.count()
        self._dropped = 0
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def add(self, item: T, seconds: float) -> Deadline:
        """Add an item whose deadline expires in `seconds`."""
        loop = self._loop = self._loop or asyncio.get_running_loop()
        deadline = [loop.time() + seconds, next(self._order), item]
        heapq.heappush(self._heap, deadline)
        if self._heap[0] is deadline or self._timer is None:
            self._arm(loop)
        return deadline

    def drop(self, deadline: Deadline) -> None:
        """Drop a deadline; no effect if it has expired."""
        if deadline[2] is None:
            return
        deadline[2] = None
        self._dropped += 1
        if self._dropped > len(self._heap) // 2 + SLACK:
            self._heap = [entry for entry in self._heap if entry[2] is not None]
            heapq.heapify(self._heap)
            self._dropped = 0

    def close(self) -> None:
        """Drop all deadlines."""
        self._heap.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(self._heap[0][0], self._ring, loop)

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        try:
            while self._heap and (self._heap[0][2] is None or self._heap[0][0] <= now):
                deadline = heapq.heappop(self._heap)
                if (item := deadline[2]) is None:
                    self._dropped -= 1
                    continue
                deadline[2] = None
                self._late(item)
        finally:  # also after an error in `late`, for the other items
            if self._heap:
                self._arm(loop)


async def set_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait until `event` is set, at most `seconds`; return whether it is. It stays as it is."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()
