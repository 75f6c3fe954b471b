"""A connection whose bytes are passed on to the front's Unix socket, and back, as they are.

A line before the first byte tells the front whose it is: PROXY protocol, version 1 (haproxy.org, proxy-protocol.txt).
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable

from acceptor.clients import plain
from acceptor.loop import Call, Loop

PATIENCE = 5.0
"""Seconds that a connection waits for the front."""
RETRY = 0.05
PIECE = 64 * 1024
"""Bytes that are read at once, and kept of each direction."""


class Way:
    """One direction: what was read of `source` and not yet written to `target`."""

    __slots__ = ("ended", "kept", "on_read", "on_write", "shut", "source", "target")

    def __init__(self, source: socket.socket, target: socket.socket, kept: bytes = b"") -> None:
        self.source, self.target, self.kept = source, target, kept
        self.ended = False
        """Nothing more comes of the source."""
        self.shut = False
        """The target was told so."""
        self.on_read: Call
        self.on_write: Call
        """What the loop calls; always the same, so that it sees that nothing has changed."""

    def read(self) -> None:
        """Read a piece and write what the target takes of it. Raises OSError."""
        with contextlib.suppress(BlockingIOError):
            piece = self.source.recv(PIECE)
            self.ended = not piece
            self.kept += piece
            self.write()

    def write(self) -> None:
        """Write what the target takes of what is kept; one that takes no more may still have said something."""
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
    """A client's connection and its counterpart at the front."""

    def __init__(
        self, loop: Loop, client: socket.socket, path: str, first: bytes, done: Call, refused: Callable[[], None]
    ) -> None:
        """`first`: bytes of the client that were read already. One of `done` and `refused` is called at the end."""
        self._loop = loop
        self._path = path
        self._done, self._refused = done, refused
        self._client = client
        self._front = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._front.setblocking(False)
        self._since = time.monotonic()
        self._ways = (Way(client, self._front, preamble(client) + first), Way(self._front, client))
        for way in self._ways:
            way.on_read, way.on_write = self._step(way.read), self._step(way.write)

    def start(self) -> None:
        """Connect to the front, now or as soon as it listens."""
        try:
            self._front.connect(self._path)
        except OSError:
            if time.monotonic() - self._since >= PATIENCE:
                self._front.close()
                self._refused()
            else:
                self._loop.later(RETRY, self.start)
            return
        self._pass(*[way.write for way in self._ways])

    def close(self) -> None:
        """End both connections."""
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
        there, back = self._ways
        if there.shut and back.shut:
            self.close()
            return
        self._watch(there, back)
        self._watch(back, there)

    def _watch(self, way: Way, other: Way) -> None:
        """Have the source of `way`, which is the target of `other`, watched for what it is wanted for."""
        reads = not way.ended and len(way.kept) < PIECE
        self._loop.watch(way.source, way.on_read if reads else None, other.on_write if other.kept else None)

    def _step(self, step: Call) -> Call:
        return lambda: self._pass(step)


def preamble(client: socket.socket) -> bytes:
    """The line that says whose connection it is; UNKNOWN where the client has left already."""
    try:
        source, target = client.getpeername(), client.getsockname()
    except OSError:
        return b"PROXY UNKNOWN\r\n"
    here, there = plain(source[0]), plain(target[0])
    family = "TCP6" if ":" in here else "TCP4"
    return f"PROXY {family} {here} {there} {source[1]} {target[1]}\r\n".encode("ascii")
