"""Deadlines of many requests with one timer: a burst of 10,000 must not make as many timers."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

SLACK = 64
"""How many dropped ones are kept in any case, so that few are not sorted again and again."""


@dataclass(eq=False, slots=True)
class Deadline(Generic[T]):
    """An item that may be late; none once it was, or was dropped."""

    item: T | None


class Deadlines(Generic[T]):
    """Calls `late(item)` when an item's time is up, unless it was dropped before."""

    def __init__(self, late: Callable[[T], None]) -> None:
        self._late = late
        self._heap: list[tuple[float, int, Deadline[T]]] = []
        self._order = itertools.count()
        self._dropped = 0
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def add(self, item: T, seconds: float) -> Deadline[T]:
        """Let an item be late after so many seconds."""
        loop = self._loop = self._loop or asyncio.get_running_loop()
        deadline = Deadline(item)
        heapq.heappush(self._heap, (loop.time() + seconds, next(self._order), deadline))
        if self._heap[0][2] is deadline or self._timer is None:
            self._arm(loop)
        return deadline

    def drop(self, deadline: Deadline[T]) -> None:
        """The item is done, in time or not."""
        if deadline.item is None:
            return
        deadline.item = None
        self._dropped += 1
        if self._dropped > len(self._heap) // 2 + SLACK:
            self._heap = [entry for entry in self._heap if entry[2].item is not None]
            heapq.heapify(self._heap)
            self._dropped = 0

    def close(self) -> None:
        """Nothing is late any more."""
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
        while self._heap and (self._heap[0][2].item is None or self._heap[0][0] <= now):
            deadline = heapq.heappop(self._heap)[2]
            if deadline.item is None:
                self._dropped -= 1
                continue
            item, deadline.item = deadline.item, None
            self._late(item)
        if self._heap:
            self._arm(loop)
