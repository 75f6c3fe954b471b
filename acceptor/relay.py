"""Relays a connection to the front's Unix socket, in both directions and unchanged.

A line before the first byte tells the front the client's address: PROXY protocol, version 1 (haproxy.org,
proxy-protocol.txt).
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable

from acceptor.clients import plain
from acceptor.loop import Call, Loop

FRONT_TIMEOUT = 5.0
"""Seconds for which a connection waits for the front to listen."""
RETRY_SECONDS = 0.05
BUFFER_BYTES = 64 * 1024
"""Limit for the bytes that are read at once, and for those buffered per direction."""


class Direction:
    """One direction of a relay: `kept` was read from `source` and is not written to `target` yet."""

    __slots__ = ("ended", "kept", "on_read", "on_write", "shut", "source", "target")

    def __init__(self, source: socket.socket, target: socket.socket, kept: bytes = b"") -> None:
        self.source, self.target, self.kept = source, target, kept
        self.ended = False
        """Whether the source has closed its side."""
        self.shut = False
        """Whether the target was shut down for writing after that."""
        self.on_read: Call
        self.on_write: Call
        """The callbacks for the loop; the same objects each time, so that `Loop.watch` recognises them."""

    def read(self) -> None:
        """Read bytes from the source, and write as many as the target takes. Raises OSError."""
        with contextlib.suppress(BlockingIOError):
            piece = self.source.recv(BUFFER_BYTES)
            self.ended = not piece
            self.kept += piece
            self.write()

    def write(self) -> None:
        """Write the kept bytes, as many as the target takes. If the target is closed, they are discarded: the other
        direction may still have bytes to deliver."""
        try:
            while self.kept:
                self.kept = self.kept[self.target.send(self.kept) :]
            if self.ended and not self.shut:
                self.shut = True
                self.target.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            pass
        except OSError:
            self.kept, self.ended, self.shut = b"", True, True


class Relay:
    """A client's connection, and a connection to the front for it."""

    def __init__(
        self, loop: Loop, client: socket.socket, path: str, first: bytes, done: Call, refused: Callable[[], None]
    ) -> None:
        """Make a relay; `first` are bytes of the client that were read already.

        At the end either `done` is called, or `refused` if the front could not be reached.
        """
        self._loop = loop
        self._path = path
        self._done, self._refused = done, refused
        self._client = client
        self._front = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._front.setblocking(False)
        self._since = time.monotonic()
        self._directions = (Direction(client, self._front, preamble(client) + first), Direction(self._front, client))
        for direction in self._directions:
            direction.on_read, direction.on_write = self._step(direction.read), self._step(direction.write)

    def start(self) -> None:
        """Connect to the front, if necessary again until `FRONT_TIMEOUT` is over."""
        try:
            self._front.connect(self._path)
        except OSError:
            if time.monotonic() - self._since >= FRONT_TIMEOUT:
                self._front.close()
                self._refused()
            else:
                self._loop.later(RETRY_SECONDS, self.start)
            return
        self._pass(*[direction.write for direction in self._directions])

    def close(self) -> None:
        """Close the connection to the front, and report the end."""
        for sock in (self._client, self._front):
            self._loop.forget(sock)
        self._front.close()
        self._done()

    def _pass(self, *steps: Call) -> None:
        try:
            for step in steps:
                step()
        except OSError:
            self.close()
            return
        there, back = self._directions
        if there.shut and back.shut:
            self.close()
            return
        self._watch(there, back)
        self._watch(back, there)

    def _watch(self, direction: Direction, other: Direction) -> None:
        """Watch the source of `direction`, which is also the target of `other`: for reading if there is room in the
        buffer, for writing if there are bytes for it."""
        reads = not direction.ended and len(direction.kept) < BUFFER_BYTES
        self._loop.watch(direction.source, direction.on_read if reads else None, other.on_write if other.kept else None)

    def _step(self, step: Call) -> Call:
        return lambda: self._pass(step)


def preamble(client: socket.socket) -> bytes:
    """The PROXY protocol line of a connection; UNKNOWN if the client has disconnected already."""
    try:
        source, target = client.getpeername(), client.getsockname()
    except OSError:
        return b"PROXY UNKNOWN\r\n"
    here, there = plain(source[0]), plain(target[0])
    family = "TCP6" if ":" in here else "TCP4"
    return f"PROXY {family} {here} {there} {source[1]} {target[1]}\r\n".encode("ascii")
