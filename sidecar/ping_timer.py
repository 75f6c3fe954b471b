"""One timer for the pings of many responses: a timer for each costs several times as much as keeping it in a dict."""

from __future__ import annotations

import asyncio
from typing import Protocol


class Pinged(Protocol):
    """A response that shows its client that it is still waited for."""

    def ping(self) -> None:
        """Show it. Must not raise."""


class PingTimer:
    """Calls `ping`, once, of each response that was added `interval` seconds ago and not dropped since."""

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self._added: dict[Pinged, float] = {}
        """When each was added, by the loop's clock; the oldest first."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def add(self, response: Pinged) -> None:
        """A response has begun."""
        loop = self._loop = self._loop or asyncio.get_running_loop()
        self._added[response] = loop.time()
        if self._timer is None:
            self._timer = loop.call_later(self.interval, self._ring, loop)

    def drop(self, response: Pinged) -> None:
        """It has ended; nothing happens if it was pinged before."""
        self._added.pop(response, None)

    def close(self) -> None:
        """Ping nobody any more."""
        self._added.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        for response, added in tuple(self._added.items()):
            if (due := added + self.interval) > loop.time():
                self._timer = loop.call_at(due, self._ring, loop)
                return
            if self._added.pop(response, None) is not None:
                response.ping()
