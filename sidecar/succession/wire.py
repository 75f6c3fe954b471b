"""The messages between a sidecar and its successor: JSON with file descriptors, over a Unix socket (ADR 35).

A message is its length (4 bytes, big-endian) and a JSON object. Descriptors come with its first bytes (SCM_RIGHTS,
unix(7)).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

from sidecar.protocol import codec

SOCKET = "succession.sock"
"""In the runtime directory: where the sidecar that serves waits for the one that is to take over."""
VERSION = 1
"""Version of these messages: after an upgrade, the two sidecars run different code."""
LENGTH = struct.Struct(">I")
MAX_BYTES = 64 * 1024 * 1024
"""Limit for one message; the largest has a snapshot."""
MAX_DESCRIPTORS = 8


class PeerGone(Exception):
    """The other sidecar has ended, or has closed the connection."""


class Received(NamedTuple):
    """A message, and the descriptors that came with it, which the receiver closes."""

    body: dict[str, Any]
    descriptors: list[int]


class Peer:
    """The other sidecar, at the other end of `sock`."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._sending = asyncio.Lock()
        """Held while a message is sent: several tasks pass messages of clients on."""

    def close(self) -> None:
        """Close the connection."""
        self._sock.close()

    async def send(self, body: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
        """Send a message. Raises PeerGone."""
        text = codec.dumps(body)
        data = LENGTH.pack(len(text)) + text
        async with self._sending:
            try:
                sent = socket.send_fds(self._sock, [data[: LENGTH.size]], descriptors) if descriptors else 0
                await asyncio.get_running_loop().sock_sendall(self._sock, data[sent:])
            except OSError:
                raise PeerGone from None

    async def receive(self) -> Received:
        """Wait for the next message. Raises PeerGone."""
        descriptors: list[int] = []
        try:
            size = min(LENGTH.unpack(await self._read(LENGTH.size, descriptors))[0], MAX_BYTES)
            return Received(codec.loads(await self._read(size, descriptors)), descriptors)
        except BaseException:
            for descriptor in descriptors:
                os.close(descriptor)
            raise

    async def _read(self, size: int, descriptors: list[int]) -> bytes:
        data = b""
        while len(data) < size:
            try:
                piece, received, _, _ = socket.recv_fds(self._sock, size - len(data), MAX_DESCRIPTORS)
            except BlockingIOError:
                await readable(self._sock)
                continue
            except OSError:
                raise PeerGone from None
            descriptors += received
            if not piece:
                raise PeerGone
            data += piece
        return data


async def readable(sock: socket.socket) -> None:
    """Wait until a socket can be read."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(sock, wake)
    try:
        await ready
    finally:
        loop.remove_reader(sock)


async def connect(path: str) -> Peer | None:
    """Connect to the sidecar that listens at a Unix socket; None if there is none."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with contextlib.suppress(OSError):
        sock.connect(path)
        return Peer(sock)
    sock.close()
    return None
