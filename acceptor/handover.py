"""Hands connections over to the sidecar: sends file descriptors over a Unix socket (SCM_RIGHTS, unix(7); ADR 24).

A message is one byte with a descriptor. The sidecar acknowledges each with one byte, before it reads from the
connection. Until then this process keeps the descriptor, so that a connection survives a crash of the sidecar.

A connection that is not acknowledged within `SIDECAR_TIMEOUT` seconds is refused. Before that, this process shuts
down the reading side of the channel: then later acknowledgements fail, and the sidecar closes such connections, so that
none is both refused and served.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from acceptor.loop import Loop, Timer

SIDECAR_TIMEOUT = 5.0
"""Seconds within which the sidecar must acknowledge a connection."""
RETRY_SECONDS = 0.05
"""Seconds between two attempts to connect to the sidecar."""
MESSAGE = b"+"


class PendingHandover(NamedTuple):
    """A connection that the sidecar has not acknowledged yet."""

    sock: socket.socket
    since: float
    taken: Callable[[], None]
    """Called when the sidecar has acknowledged it, so that the descriptor in this process may be closed."""
    refused: Callable[[], None]


class Handover:
    """Sends connections to the sidecar, which listens on the Unix socket `path`."""

    def __init__(self, loop: Loop, path: str, *, timeout: float = SIDECAR_TIMEOUT) -> None:
        self._loop = loop
        self._path = path
        self._timeout = timeout
        self._channel: socket.socket | None = None
        self._unsent: deque[PendingHandover] = deque()
        self._sent: deque[PendingHandover] = deque()
        self._timer: Timer | None = None

    def __len__(self) -> int:
        return len(self._unsent) + len(self._sent)

    def give(self, sock: socket.socket, taken: Callable[[], None], refused: Callable[[], None]) -> None:
        """Hand a connection over. Exactly one of `taken` and `refused` is called, after about `SIDECAR_TIMEOUT`
        seconds at the latest."""
        self._unsent.append(PendingHandover(sock, time.monotonic(), taken, refused))
        self._send()
        self._look_again()

    def close(self) -> None:
        """Close the channel, and refuse the connections that are not acknowledged."""
        self._hang_up()
        for waiting in (*self._sent, *self._unsent):
            waiting.refused()
        self._sent.clear()
        self._unsent.clear()

    def _look_again(self) -> None:
        """Start the timer if a connection is waiting; the interval is short while the sidecar is not connected."""
        if self._timer is None and len(self):
            self._timer = self._loop.later(RETRY_SECONDS if self._channel is None else self._timeout / 20, self._tick)

    def _tick(self) -> None:
        self._timer = None
        late = time.monotonic() - self._timeout
        if self._sent and self._sent[0].since <= late:
            self._hang_up()
        while self._unsent and self._unsent[0].since <= late:
            self._unsent.popleft().refused()
        self._send()
        self._look_again()

    def _send(self) -> None:
        """Send the waiting connections, as far as possible without blocking."""
        while self._unsent:
            if (channel := self._channel or self._connect()) is None:
                return
            try:
                socket.send_fds(channel, [MESSAGE], [self._unsent[0].sock.fileno()])
            except BlockingIOError:
                self._loop.watch(channel, self._answered, self._send)
                return
            except OSError:
                self._hang_up()
                return
            self._sent.append(self._unsent.popleft())
        if self._channel is not None:
            self._loop.watch(self._channel, self._answered)

    def _connect(self) -> socket.socket | None:
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        channel.setblocking(False)
        try:
            channel.connect(self._path)
        except OSError:  # the sidecar does not listen, or its backlog is full
            channel.close()
            return None
        self._channel = channel
        self._loop.watch(channel, self._answered)
        return channel

    def _answered(self) -> None:
        """Read acknowledgements of the sidecar; at the end of the channel, send unacknowledged connections again."""
        if self._channel is None:
            return
        try:
            answers = self._channel.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            answers = b""
        if not answers:
            self._hang_up()
            self._send()
            self._look_again()
            return
        for _ in answers:
            self._sent.popleft().taken()

    def _hang_up(self) -> None:
        """Close the channel. Connections acknowledged so far are done; the others are queued to be sent again."""
        channel, self._channel = self._channel, None
        if channel is not None:
            self._loop.forget(channel)
            with contextlib.suppress(OSError):
                channel.shutdown(socket.SHUT_RD)
            with contextlib.suppress(OSError):
                while answers := channel.recv(4096):
                    for _ in answers:
                        self._sent.popleft().taken()
            channel.close()
        self._unsent.extendleft(reversed(self._sent))
        self._sent.clear()
