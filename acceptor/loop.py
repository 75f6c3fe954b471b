"""An event loop for sockets and timers. asyncio would cost 8 MB and 90 ms at start, and is not needed for this."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import selectors
import socket
import time
from collections.abc import Callable
from typing import NamedTuple

Call = Callable[[], None]
READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Watch(NamedTuple):
    """What is called when a socket can be read or written."""

    read: Call | None
    write: Call | None


class Timer:
    """A call at a later time, until it is cancelled."""

    __slots__ = ("call",)

    def __init__(self, call: Call) -> None:
        self.call: Call | None = call

    def cancel(self) -> None:
        """Do not call it."""
        self.call = None


class Loop:
    """Calls what was asked for, one after the other, until `stop`."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._watched: dict[int, Watch] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        self._numbers = itertools.count()
        self._stopping = False

    def watch(self, sock: socket.socket, read: Call | None = None, write: Call | None = None) -> None:
        """From now on call `read` while the socket can be read, `write` while it can be written; neither: forget it."""
        if read is None and write is None:
            self.forget(sock)
            return
        number, watch = sock.fileno(), Watch(read, write)
        if self._watched.get(number) == watch:
            return
        events = (READ if read else 0) | (WRITE if write else 0)
        if number in self._watched:
            self._selector.modify(number, events, watch)
        else:
            self._selector.register(number, events, watch)
        self._watched[number] = watch

    def forget(self, sock: socket.socket) -> None:
        """Watch the socket no more. To be called before it is closed."""
        if self._watched.pop(sock.fileno(), None) is not None:
            self._selector.unregister(sock.fileno())

    def later(self, seconds: float, call: Call) -> Timer:
        """Call once, in so many seconds."""
        timer = Timer(call)
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._numbers), timer))
        return timer

    def stop(self) -> None:
        """Have `run` return. May be called by a handler of signals."""
        self._stopping = True

    def run(self) -> None:
        """Call what is due, until `stop`."""
        while not self._stopping:
            self.run_once()

    def run_once(self, longest: float | None = None) -> None:
        """Wait for the next thing that is due, at most `longest` seconds, and call it."""
        for key, events in self._selector.select(self._wait(longest)):
            watch: Watch = key.data
            for event, call in ((READ, watch.read), (WRITE, watch.write)):
                # an earlier call may have closed the socket, and its number may be another's by now
                if call and events & event and self._watched.get(key.fd) is watch:
                    call()
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            timer = heapq.heappop(self._timers)[2]
            if timer.call:
                timer.call()

    def _wait(self, longest: float | None) -> float | None:
        while self._timers and self._timers[0][2].call is None:
            heapq.heappop(self._timers)
        if not self._timers:
            return longest
        wait = max(0.0, self._timers[0][0] - time.monotonic())
        return wait if longest is None else min(wait, longest)

    def close(self) -> None:
        """Give up the selector."""
        with contextlib.suppress(OSError):
            self._selector.close()
