"""Connections on their way to the sidecar, over its Unix socket (SCM_RIGHTS, unix(7)).

A message is one byte with a descriptor; the sidecar answers each with one byte when it has it, and reads nothing of the
connection before. Until then this process keeps the descriptor, so that a connection outlives a sidecar that ends with
it. What is not taken within `PATIENCE` is refused: `shutdown` of the reading side makes the sidecar's later answers
fail, on which it lets go of what it then finds, so that no connection is both refused and served.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from acceptor.loop import Loop, Timer

PATIENCE = 5.0
"""Seconds that a connection waits for the sidecar."""
RETRY = 0.05
"""Seconds between two attempts to reach it."""
MESSAGE = b"+"


class Waiting(NamedTuple):
    """A connection that the sidecar has not taken yet."""

    sock: socket.socket
    since: float
    taken: Callable[[], None]
    """Called when the sidecar has it; the descriptor here may be closed then."""
    refused: Callable[[], None]


class Handover:
    """The way to the sidecar at `path`."""

    def __init__(self, loop: Loop, path: str, *, patience: float = PATIENCE) -> None:
        self._loop = loop
        self._path = path
        self._patience = patience
        self._channel: socket.socket | None = None
        self._unsent: deque[Waiting] = deque()
        self._sent: deque[Waiting] = deque()
        self._timer: Timer | None = None

    def __len__(self) -> int:
        return len(self._unsent) + len(self._sent)

    def give(self, sock: socket.socket, taken: Callable[[], None], refused: Callable[[], None]) -> None:
        """Hand a connection over; exactly one of `taken` and `refused` is called, within some seconds."""
        self._unsent.append(Waiting(sock, time.monotonic(), taken, refused))
        self._send()
        self._look_again()

    def close(self) -> None:
        """Give up what is under way."""
        self._hang_up()
        for waiting in (*self._sent, *self._unsent):
            waiting.refused()
        self._sent.clear()
        self._unsent.clear()

    def _look_again(self) -> None:
        """While something waits, look after it from time to time; often, while there is no sidecar."""
        if self._timer is None and len(self):
            self._timer = self._loop.later(RETRY if self._channel is None else self._patience / 20, self._tick)

    def _tick(self) -> None:
        self._timer = None
        late = time.monotonic() - self._patience
        if self._sent and self._sent[0].since <= late:
            self._hang_up()
        while self._unsent and self._unsent[0].since <= late:
            self._unsent.popleft().refused()
        self._send()
        self._look_again()

    def _send(self) -> None:
        """Send what waits, as far as the sidecar can be reached and takes it."""
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
        except OSError:  # nobody listens, or too many wait to be accepted
            channel.close()
            return None
        self._channel = channel
        self._loop.watch(channel, self._answered)
        return channel

    def _answered(self) -> None:
        """The sidecar has taken something, or has ended."""
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
        """End the channel: what was taken so far is, and what was not will not be, and is sent again."""
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
