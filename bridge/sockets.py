"""The transport of the bridge over ZeroMQ: ROUTER and DEALER, XPUB and SUB, on `ipc://` addresses."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import cast

import zmq
import zmq.asyncio
from zmq.utils.monitor import parse_monitor_message

from bridge.codec import MAX_BYTES
from bridge.runtime import claim_socket, is_served, socket_path
from bridge.transport import Link

HIGH_WATER_MARK = 10_000
"""Messages that a socket queues for a peer that does not read; more than a client's unanswered requests."""
BATCH = 8
"""Messages that are read before other tasks get to run."""
LINGER_MS = 200
"""Milliseconds for which a closing server continues to send its last answers."""
RELEASE_SECONDS = 1.0
"""Seconds to wait until ZeroMQ has closed a socket."""
RECONNECT_MS = 20
RECONNECT_MAX_MS = 80


class ZmqDealer:
    """A DEALER. Each connection has a new socket, so that messages queued for one are never sent over the next."""

    def __init__(self, address: str) -> None:
        socket_path(address)
        self._address = address
        self._socket: zmq.asyncio.Socket | None = None

    def send(self, data: bytes) -> bool:
        return self._socket is not None and _sent(self._socket.send(data, zmq.DONTWAIT))

    async def run(self, link: Link) -> None:
        while True:
            with _socket(zmq.DEALER) as socket:
                monitor = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
                try:
                    await self._connection(socket, monitor, link)
                finally:
                    socket.disable_monitor()
                    monitor.close()

    async def _connection(self, socket: zmq.asyncio.Socket, monitor: zmq.asyncio.Socket, link: Link) -> None:
        socket.connect(self._address)
        await _event(monitor, zmq.EVENT_HANDSHAKE_SUCCEEDED)
        self._socket = socket
        raw: zmq.Socket[bytes] = zmq.Socket.shadow(socket)
        reader = asyncio.create_task(_read(socket, raw, link))
        try:
            link.up()
            await _event(monitor, zmq.EVENT_DISCONNECTED)
        finally:
            self._socket = None
            reader.cancel()
            await asyncio.wait([reader])
            while _drain(raw, link):
                pass
            link.down()


class BoundSocket:
    """A socket that is bound to an address until `release`."""

    def __init__(self, socket: zmq.asyncio.Socket, address: str) -> None:
        self.socket = socket
        self._address = address
        self.bound = True

    async def release(self) -> None:
        """Unbind the address, and wait until nobody listens there; connections that exist go on.

        ZeroMQ does it in its own thread, and leaves the socket's file for the next process to claim (runtime.py).
        """
        if self.bound:
            self.bound = False
            self.socket.unbind(self._address)
            path = socket_path(self._address)
            await _until_not(lambda: is_served(path))


class ZmqRouter:
    """A bound ROUTER."""

    def __init__(self, bound: BoundSocket) -> None:
        self._socket = socket = bound.socket
        self.release = bound.release
        self._raw: zmq.Socket[bytes] = zmq.Socket.shadow(socket)
        self._read: deque[list[bytes]] = deque()

    async def receive(self) -> tuple[bytes, bytes]:
        """The next message. Available ones are read at once, up to BATCH before other tasks get to run."""
        while True:
            if not self._read:
                self._read.append(await self._socket.recv_multipart())
                with contextlib.suppress(zmq.Again):
                    while len(self._read) < BATCH:
                        self._read.append(self._raw.recv_multipart(zmq.DONTWAIT))
                if len(self._read) == BATCH:
                    await asyncio.sleep(0)
            frames = self._read.popleft()
            if len(frames) == 2:
                return frames[0], frames[1]

    def send(self, peer: bytes, data: bytes) -> None:
        _sent(self._socket.send_multipart([peer, data], zmq.DONTWAIT))


class ZmqFanout:
    """A bound XPUB."""

    def __init__(self, bound: BoundSocket) -> None:
        self._socket = bound.socket
        self.release = bound.release

    def send(self, topic: bytes, data: bytes) -> None:
        _sent(self._socket.send_multipart([topic, data], zmq.DONTWAIT))

    async def subscribed(self) -> bytes:
        while True:
            message: bytes = await self._socket.recv()
            if message[:1] == b"\x01":
                return message[1:]


class ZmqListener:
    """A connected SUB."""

    def __init__(self, socket: zmq.asyncio.Socket) -> None:
        self._socket = socket

    async def receive(self) -> bytes:
        return (await self._socket.recv_multipart())[-1]


class ZmqTransport:
    """The ZeroMQ transport. All sockets of a process share one I/O thread."""

    @contextlib.asynccontextmanager
    async def router(self, address: str) -> AsyncIterator[ZmqRouter]:
        async with _bound(zmq.ROUTER, address) as bound:
            yield ZmqRouter(bound)

    def dealer(self, address: str) -> ZmqDealer:
        return ZmqDealer(address)

    @contextlib.asynccontextmanager
    async def fanout(self, address: str) -> AsyncIterator[ZmqFanout]:
        async with _bound(zmq.XPUB, address) as bound:
            yield ZmqFanout(bound)

    @contextlib.asynccontextmanager
    async def listener(self, address: str, topics: tuple[bytes, ...]) -> AsyncIterator[ZmqListener]:
        socket_path(address)
        with _socket(zmq.SUB) as socket:
            for topic in sorted(topics):
                socket.subscribe(topic)
            socket.connect(address)
            yield ZmqListener(socket)


ZMQ = ZmqTransport()
"""The default transport."""


@contextlib.contextmanager
def _socket(kind: int) -> Iterator[zmq.asyncio.Socket]:
    socket = zmq.asyncio.Context.instance().socket(kind)
    try:
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.SNDHWM, HIGH_WATER_MARK)
        socket.setsockopt(zmq.MAXMSGSIZE, 2 * MAX_BYTES)
        socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_MAX_MS)
        yield socket
    finally:
        socket.close()


@contextlib.asynccontextmanager
async def _bound(kind: int, address: str) -> AsyncIterator[BoundSocket]:
    path = socket_path(address)
    claim_socket(path)
    bound = None
    try:
        with _socket(kind) as socket:
            socket.setsockopt(zmq.LINGER, LINGER_MS)
            if kind == zmq.XPUB:
                socket.setsockopt(zmq.XPUB_VERBOSE, 1)
            socket.bind(address)
            path.chmod(0o600)
            bound = BoundSocket(socket, address)
            yield bound
    finally:
        if bound is None or bound.bound:  # else another process may listen there by now
            await _until_not(lambda: is_served(path))


async def _until_not(holds: Callable[[], bool]) -> None:
    """Wait until `holds` is false, at most RELEASE_SECONDS: ZeroMQ closes a socket in its own thread."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(RELEASE_SECONDS):
            while holds():  # noqa: ASYNC110 - ZeroMQ has no event for it
                await asyncio.sleep(0.001)


async def _event(monitor: zmq.asyncio.Socket, event: int) -> None:
    while parse_monitor_message(await monitor.recv_multipart())["event"] != event:
        pass


async def _read(socket: zmq.asyncio.Socket, raw: zmq.Socket[bytes], link: Link) -> None:
    while True:
        await socket.poll()
        if _drain(raw, link):
            await asyncio.sleep(0)  # a peer that never pauses must not monopolise the event loop


def _drain(raw: zmq.Socket[bytes], link: Link) -> bool:
    """Read up to BATCH available messages; returns whether there may be more.

    The awaitable `recv` is not used, as a message in its future is lost if the reader is cancelled.
    """
    try:
        for _ in range(BATCH):
            link.message(raw.recv(zmq.DONTWAIT))
    except zmq.Again:
        return False
    return True


def _sent(sending: Awaitable[object]) -> bool:
    """Whether a non-blocking send succeeded; its future is always done."""
    error = cast("asyncio.Future[object]", sending).exception()
    if error is not None and not isinstance(error, zmq.Again):
        raise error
    return error is None
