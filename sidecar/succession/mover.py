"""Moves connections of clients to the successor, each between two requests: the client does not notice (ADR 35).

The successor takes them at the socket at which it takes those of the acceptor. A message is one byte, the kind of the
connection, with the descriptor; the successor acknowledges each with one byte, before it reads from the connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket

from bridge.settings import Settings

log = logging.getLogger(__name__)

ACKNOWLEDGE_TIMEOUT = 5.0
"""Seconds within which the successor must take a connection."""
ATTEMPTS = 3


class Mover:
    """Hands connections over, one after the other."""

    def __init__(self, settings: Settings) -> None:
        self._path = str(settings.handover_socket)
        self._waiting: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue()
        self._channel: socket.socket | None = None
        self.moved = 0

    def move(self, descriptor: int, kind: bytes) -> None:
        """Hand a connection over soon."""
        self._waiting.put_nowait((descriptor, kind))

    async def run(self) -> None:
        """Hand connections over until cancelled."""
        try:
            while True:
                descriptor, kind = await self._waiting.get()
                try:
                    await self._hand_over(descriptor, kind)
                finally:
                    os.close(descriptor)
                    self._waiting.task_done()
        finally:
            self._hang_up()
            while not self._waiting.empty():
                os.close(self._waiting.get_nowait()[0])

    async def finish(self, most: float) -> None:
        """Wait until all connections are handed over, at most `most` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(most):
                await self._waiting.join()

    async def _hand_over(self, descriptor: int, kind: bytes) -> None:
        """Hand one over. After a failure it is tried again: then the successor has not read from it."""
        for _ in range(ATTEMPTS):
            try:
                async with asyncio.timeout(ACKNOWLEDGE_TIMEOUT):
                    channel = self._channel = self._channel or await self._connect()
                    socket.send_fds(channel, [kind], [descriptor])
                    if await asyncio.get_running_loop().sock_recv(channel, 1):
                        self.moved += 1
                        return
                    self._hang_up()
            except (OSError, TimeoutError):
                self._hang_up()
                await asyncio.sleep(0.05)
        log.warning("a connection could not be moved, and is closed")

    async def _connect(self) -> socket.socket:
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        channel.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(channel, self._path)
        except BaseException:
            channel.close()
            raise
        return channel

    def _hang_up(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None
