"""A minimal event loop for sockets and timers; importing asyncio would cost 8 MB of memory and 90 ms at start."""

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
    """The callbacks of a socket: when it is readable, and when it is writable."""

    read: Call | None
    write: Call | None


class Timer:
    """A scheduled call that can be cancelled."""

    __slots__ = ("call",)

    def __init__(self, call: Call) -> None:
        self.call: Call | None = call

    def cancel(self) -> None:
        """Cancel the call."""
        self.call = None


class Loop:
    """Runs callbacks of sockets and timers, one after the other, until `stop` is called."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._watched: dict[int, Watch] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        self._numbers = itertools.count()
        self._stopping = False

    def watch(self, sock: socket.socket, read: Call | None = None, write: Call | None = None) -> None:
        """Call `read` whenever the socket is readable, `write` whenever it is writable; with neither, stop watching."""
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
        """Stop watching the socket. Must be called before the socket is closed."""
        if self._watched.pop(sock.fileno(), None) is not None:
            self._selector.unregister(sock.fileno())

    def later(self, seconds: float, call: Call) -> Timer:
        """Schedule a call in `seconds`."""
        timer = Timer(call)
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._numbers), timer))
        return timer

    def stop(self) -> None:
        """Make `run` return. May be called by a signal handler."""
        self._stopping = True

    def run(self) -> None:
        """Run callbacks until `stop` is called."""
        while not self._stopping:
            self.run_once()

    def run_once(self, longest: float | None = None) -> None:
        """Wait for the next event or timer, at most `longest` seconds, and run its callbacks."""
        for key, events in self._selector.select(self._wait(longest)):
            watch: Watch = key.data
            for event, call in ((READ, watch.read), (WRITE, watch.write)):
                # an earlier callback may have closed the socket, and a new one may have its number
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
        """Close the selector."""
        with contextlib.suppress(OSError):
            self._selector.close()
