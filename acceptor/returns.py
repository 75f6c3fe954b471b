"""Takes connections back from the sidecar, which does not serve their next request; the front gets them (ADR 24).

The sidecar makes a connection to this process's Unix socket for each. It sends the descriptor, the number of bytes that
it has read of the request (4 bytes, big-endian), and these bytes. This process acknowledges with one byte.
"""

from __future__ import annotations

import array
import contextlib
import os
import socket
import struct
from collections.abc import Callable

from acceptor.loop import Loop, Timer

LENGTH = struct.Struct(">I")
MAX_DATA = 4 * 1024 * 1024
SIDECAR_TIMEOUT = 5.0
"""Seconds within which the sidecar must send the complete message."""

Take = Callable[[socket.socket, bytes], None]


class Returns:
    """Listens on the Unix socket `path`; `take` gets each returned connection and the bytes read from it."""

    def __init__(self, loop: Loop, path: str, take: Take) -> None:
        self._loop = loop
        self._path = path
        self._take = take
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108  # left by an earlier process; pathlib costs 5 ms at start
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(path)  # in a directory that is closed to other users
        os.chmod(path, 0o600)  # noqa: PTH101
        self._listener.listen(128)
        self._listener.setblocking(False)
        loop.watch(self._listener, self._accept)

    def close(self) -> None:
        """Stop listening."""
        self._loop.forget(self._listener)
        self._listener.close()
        with contextlib.suppress(OSError):
            os.unlink(self._path)  # noqa: PTH108

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        sock.setblocking(False)
        Return(self._loop, sock, self._take).start()


class Return:
    """One returned connection, while its message is being received."""

    def __init__(self, loop: Loop, sock: socket.socket, take: Take) -> None:
        self._loop = loop
        self._sock = sock
        self._take = take
        self._data = b""
        self._client: socket.socket | None = None
        self._timer: Timer

    def start(self) -> None:
        """Start to receive the message."""
        self._timer = self._loop.later(SIDECAR_TIMEOUT, self._end)
        self._loop.watch(self._sock, self._read)

    def _read(self) -> None:
        try:
            data, numbers, _, _ = socket.recv_fds(self._sock, 256 * 1024, 1)
        except BlockingIOError:
            return
        except OSError:
            data, numbers = b"", array.array("i").tolist()
        for number in numbers:
            if self._client is None:
                self._client = socket.socket(fileno=number)
            else:
                os.close(number)
        self._data += data
        size = LENGTH.unpack_from(self._data)[0] if len(self._data) >= LENGTH.size else MAX_DATA
        if not data or size > MAX_DATA or self._client is None:
            self._end()
        elif len(self._data) >= LENGTH.size + size:
            client, self._client = self._client, None
            with contextlib.suppress(OSError):
                self._sock.send(b"+")
            self._end()
            client.setblocking(False)
            self._take(client, self._data[LENGTH.size :])

    def _end(self) -> None:
        self._timer.cancel()
        self._loop.forget(self._sock)
        self._sock.close()
        if self._client is not None:
            self._client.close()
