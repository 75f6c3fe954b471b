"""Notices that a server has not been used for a while (`idle_stop`)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

TICKS = 4
"""Looks within the idle time; a server is stopped at most a quarter of that time late."""


class IdleTimer:
    """Calls `on_idle` when a server has been unused for as long as `start` was told.

    `usage` returns the number of requests sent to the server so far, or None if it is in use at this moment. The timer
    compares these numbers now and then, so that requests need not report anything.
    """

    def __init__(self, usage: Callable[[], int | None], on_idle: Callable[[], None]) -> None:
        self._usage = usage
        self._on_idle = on_idle
        self._timer: asyncio.TimerHandle | None = None
        self._seconds = 0.0
        self._unused_looks = 0
        self._last: int | None = None

    def start(self, seconds: float) -> None:
        """Begin to look, in place of an earlier start; 0 stops looking."""
        self.cancel()
        self._seconds, self._unused_looks, self._last = seconds, 0, self._usage()
        if seconds:
            self._schedule()

    def cancel(self) -> None:
        """Stop looking."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _schedule(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._seconds / TICKS, self._look)

    def _look(self) -> None:
        now = self._usage()
        self._unused_looks = self._unused_looks + 1 if now is not None and now == self._last else 0
        self._last = now
        if self._unused_looks >= TICKS:
            self._timer = None
            self._on_idle()
        else:
            self._schedule()
