"""The sidecar's end of the socket to the spawner."""

from __future__ import annotations

import array
import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable

from sidecar.spawner.wire import Decoder, Message, encode

ROOM = socket.CMSG_SPACE(64 * array.array("i").itemsize)


class Link:
    """Sends messages with file descriptors, and passes received ones to `on_message`.

    `lost` is done when the connection is closed by either side.
    """

    def __init__(self, end: socket.socket, on_message: Callable[[Message], None]) -> None:
        self._socket = end
        self._on_message = on_message
        self._decoder = Decoder()
        self._received: list[int] = []
        self._queue: deque[tuple[memoryview, list[int]]] = deque()
        self._loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[None] = self._loop.create_future()
        end.setblocking(False)
        self._loop.add_reader(end.fileno(), self._receive)

    def send(self, message: Message, fds: list[int] | None = None) -> None:
        """Send a message, now or when the socket becomes writable. The descriptors are closed once they are sent."""
        self._queue.append((memoryview(encode(message)), fds or []))
        if len(self._queue) == 1:
            self._flush()

    def take_fds(self, count: int) -> list[int]:
        """The first descriptors that came and were not taken yet; they belong to the message being handled."""
        taken, self._received = self._received[:count], self._received[count:]
        return taken

    def finish(self) -> None:
        """Send nothing more. The spawner closes the connection when it has handled everything before, as in `close`."""
        if self._queue or self._socket.fileno() < 0:
            self.close()
            return
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()

    def close(self) -> None:
        """Close the socket. The spawner then stops all servers that are not kept, and exits if there are no others."""
        if self._socket.fileno() < 0:
            return
        self._loop.remove_reader(self._socket.fileno())
        self._loop.remove_writer(self._socket.fileno())
        self._socket.close()
        for _, fds in self._queue:
            close_all(fds)
        self._queue.clear()
        close_all(self._received)
        if not self.lost.done():
            self.lost.set_result(None)

    def _flush(self) -> None:
        try:
            while self._queue:
                self._send_some()
        except BlockingIOError:
            self._loop.add_writer(self._socket.fileno(), self._flush)
        except OSError:
            self.close()
        else:
            if self._socket.fileno() >= 0:
                self._loop.remove_writer(self._socket.fileno())

    def _send_some(self) -> None:
        data, fds = self._queue[0]
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        sent = self._socket.sendmsg([data], ancillary)
        close_all(fds)
        if sent < len(data):
            self._queue[0] = (data[sent:], [])
        else:
            self._queue.popleft()

    def _receive(self) -> None:
        try:
            data, ancillary, _, _ = self._socket.recvmsg(65536, ROOM, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return
        except OSError:
            data, ancillary = b"", []
        for _, _, content in ancillary:
            self._received += array.array("i", content)
        if not data:
            self.close()
            return
        for message in self._decoder.feed(data):
            self._on_message(message)


def close_all(fds: list[int]) -> None:
    """Close descriptors and empty the list."""
    while fds:
        os.close(fds.pop())
