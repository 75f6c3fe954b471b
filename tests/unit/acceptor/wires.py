"""Sockets for tests of the acceptor: stepped by hand, in one thread."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from acceptor.loop import Loop

PATIENCE = 100.0


def until(loop: Loop, true: Callable[[], object]) -> None:
    """Run the loop until it is so. Raises TimeoutError."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError
        loop.run_once(0.01)


def pair() -> tuple[socket.socket, socket.socket]:
    """A TCP connection: the client's end, and the other."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        sock, _ = listener.accept()
    for each in (client, sock):
        each.setblocking(False)
    return client, sock


def unix(path: str) -> socket.socket:
    """A Unix socket that listens there."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen()
    listener.setblocking(False)
    return listener


def accepted(loop: Loop, listener: socket.socket) -> socket.socket:
    """The next connection there."""
    found: list[socket.socket] = []

    def tried() -> bool:
        try:
            sock, _ = listener.accept()
        except BlockingIOError:
            return False
        sock.setblocking(False)
        found.append(sock)
        return True

    until(loop, tried)
    return found[0]


def got(loop: Loop, sock: socket.socket, wanted: Callable[[bytes], bool]) -> bytes:
    """What comes on the socket, until it is as wanted or ends."""
    data = b""

    def tried() -> bool:
        nonlocal data
        try:
            piece = sock.recv(65536)
        except BlockingIOError:
            return False
        data += piece
        return not piece or wanted(data)

    until(loop, tried)
    return data
