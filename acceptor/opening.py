"""Opens the public port of a replica when its sidecar takes connections, and closes it before the acceptor ends.

While nobody would answer, connections are refused, so that a load balancer asks another replica at once, also one
without health checks. A hub that is alone listens all the time instead, and lets its clients wait.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable

from acceptor.loop import Loop

RETRY_SECONDS = 0.05
LONGEST_SECONDS = 30.0
"""After this time the port is opened anyway: the pages and errors at it then say what is wrong."""
BACKLOG = 1024


class Opening:
    """Opens `listener`, which is bound, when somebody listens at the Unix socket `sidecar`; then calls `opened`."""

    def __init__(self, loop: Loop, listener: socket.socket, sidecar: str, opened: Callable[[], None]) -> None:
        self._loop, self._listener, self._sidecar, self._opened = loop, listener, sidecar, opened
        self._until = time.monotonic() + LONGEST_SECONDS
        self._look()

    def _look(self) -> None:
        if not (_listens(self._sidecar) or time.monotonic() >= self._until):
            self._loop.later(RETRY_SECONDS, self._look)
            return
        self._listener.listen(BACKLOG)
        self._opened()


def shut(listener: socket.socket) -> None:
    """Refuse connections from now on, also where other processes have the descriptor: Linux does so (listen(2) opens it
    again)."""
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RD)


def _listens(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except OSError:
            return False
        return True
