"""How the spawner keeps servers that may outlive a sidecar, and where the next sidecar asks for them.

The spawner program imports this module and has to stay small.
"""
# ruff: noqa: PTH108

from __future__ import annotations

import array
import os
import select
import socket
import struct
import time
from contextlib import suppress

from sidecar.spawner import proc
from sidecar.spawner.wire import Message, encode

KEEP_TIME = 60.0
"""Seconds that kept servers wait for the next sidecar."""
SEND_TIMEOUT = 2.0
"""Seconds for a new sidecar to take the servers' descriptors."""
PEER = struct.Struct("3i")
"""`struct ucred` (unix(7), SO_PEERCRED): pid, uid, gid."""


class Kept:
    """What a successor of the sidecar needs of a server: who it is, our ends of its pipes, its journal, its handshake.

    `fds`: the other ends of the server's stdin, stdout and stderr, and the journal. `agreed`: what the sidecar
    deposited after the handshake; until then the server is not kept.
    """

    __slots__ = ("agreed", "fds", "identity", "key")

    def __init__(self, key: str, identity: str, fds: list[int]) -> None:
        self.key = key
        self.identity = identity
        self.fds = fds
        self.agreed = b""

    def close(self) -> None:
        """Close the descriptors, so that the server's stdin ends when the sidecar closes it."""
        while self.fds:
            os.close(self.fds.pop())


class Door:
    """The Unix socket at which the next sidecar asks for the servers. Private; only the same user is let in."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.socket: socket.socket | None = None
        self.deadline = float("inf")
        self._parent = -1
        """A pidfd of the process that starts sidecars: when that has ended, no other sidecar will come."""

    def open(self) -> None:
        """Begin to listen, if this was not done. Raises OSError."""
        if self.socket:
            return
        door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        with suppress(FileNotFoundError):
            os.unlink(self._path)
        mask = os.umask(0o177)
        try:
            door.bind(self._path)
        finally:
            os.umask(mask)
        door.listen(4)
        self.socket = door

    def close(self) -> None:
        """Remove the socket."""
        if self.socket:
            self.socket.close()
            with suppress(OSError):
                os.unlink(self._path)

    def note_sidecar(self, pid: int) -> None:
        """Remember who starts the sidecar `pid`."""
        if self._parent >= 0:
            os.close(self._parent)
        self._parent = -1
        process = proc.read(pid)
        with suppress(OSError):
            self._parent = os.pidfd_open(process.ppid) if process else -1

    def begin_to_wait(self) -> None:
        """The sidecar has gone."""
        self.deadline = time.monotonic() + KEEP_TIME

    def register(self, poll: select.poll, alone: bool) -> None:
        """Wait for the next sidecar; and if there is none now (`alone`), for the end of who starts it."""
        if self.socket:
            poll.register(self.socket, select.POLLIN)
        if alone and self._parent >= 0:
            poll.register(self._parent, select.POLLIN)

    def in_vain(self) -> bool:
        """Whether no sidecar will come: the time is over, or who starts it has ended."""
        if self._parent >= 0:
            poll = select.poll()
            poll.register(self._parent, select.POLLIN)
            if poll.poll(0):
                return True
        return time.monotonic() >= self.deadline

    def accept(self) -> socket.socket | None:
        """The next sidecar's connection; None if there is none, or it is another user's."""
        if not self.socket:
            return None
        try:
            link, _ = self.socket.accept()
        except OSError:
            return None
        pid, uid, _ = PEER.unpack(link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size))
        if uid != os.getuid():
            link.close()
            return None
        self.note_sidecar(pid)
        self.deadline = float("inf")
        return link


def hand_over(link: socket.socket, messages: list[tuple[Message, list[int]]]) -> None:
    """Send messages with descriptors, whole. Raises OSError, also if that takes longer than SEND_TIMEOUT."""
    link.settimeout(SEND_TIMEOUT)
    for message, fds in messages:
        data = encode(message)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        sent = link.sendmsg([data], rights)
        link.sendall(data[sent:])
    link.setblocking(False)
