"""An in-memory transport for tests: the same servers, clients and bytes as over ZeroMQ, without sockets."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TypeVar

from bridge.errors import AddressTaken
from bridge.transport import Link

B = TypeVar("B")


class MemoryDealer:
    """The client side of a connection."""

    def __init__(self, bridge: MemoryBridge, address: str, name: bytes) -> None:
        self._bridge = bridge
        self._address = address
        self._inbox: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._router: MemoryRouter | None = None
        self.name = name

    def send(self, data: bytes) -> bool:
        if self._router is None or self._router.closed:
            return False
        self._router.inbox.put_nowait((self.name, data))
        return True

    async def run(self, link: Link) -> None:
        while True:
            router = await self._bridge.bound(self._address)
            self._inbox = router.peers[self.name] = asyncio.Queue()
            self._router = router
            link.up()
            try:
                while (data := await self._inbox.get()) is not None:
                    link.message(data)
            finally:
                self._router = None
                del router.peers[self.name]
                link.down()


class MemoryRouter:
    """The server side of connections."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[tuple[bytes, bytes]] = asyncio.Queue()
        self.peers: dict[bytes, asyncio.Queue[bytes | None]] = {}
        self.closed = False
        self.unbind: Callable[[], object] = lambda: None

    async def receive(self) -> tuple[bytes, bytes]:
        return await self.inbox.get()

    async def release(self) -> None:
        self.unbind()

    def send(self, peer: bytes, data: bytes) -> None:
        if peer in self.peers:
            self.peers[peer].put_nowait(data)

    def close(self) -> None:
        self.closed = True
        for queue in self.peers.values():
            queue.put_nowait(None)


class MemoryListener:
    """The subscriber side."""

    def __init__(self, topics: tuple[bytes, ...]) -> None:
        self.topics = topics
        self.inbox: asyncio.Queue[bytes] = asyncio.Queue()

    async def receive(self) -> bytes:
        return await self.inbox.get()


class MemoryFanout:
    """The publisher side."""

    def __init__(self, listeners: list[MemoryListener]) -> None:
        self._listeners = listeners
        self.unbind: Callable[[], object] = lambda: None
        self.subscriptions: asyncio.Queue[bytes] = asyncio.Queue()
        for listener in listeners:
            self.admit(listener)

    def admit(self, listener: MemoryListener) -> None:
        for topic in sorted(listener.topics):
            self.subscriptions.put_nowait(topic)

    def send(self, topic: bytes, data: bytes) -> None:
        for listener in self._listeners:
            if any(topic.startswith(wanted) for wanted in listener.topics):
                listener.inbox.put_nowait(data)

    async def subscribed(self) -> bytes:
        return await self.subscriptions.get()

    async def release(self) -> None:
        self.unbind()


class MemoryBridge:
    """A transport within one event loop. Instances are isolated from each other; an address can be any string.

    Pass the same instance as `transport` to BridgeServer, BridgeClient, EventPublisher and Subscriber.
    """

    def __init__(self) -> None:
        self._routers: dict[str, MemoryRouter] = {}
        self._fanouts: dict[str, MemoryFanout] = {}
        self._listeners: dict[str, list[MemoryListener]] = {}
        self._changed = asyncio.Event()
        self._names = itertools.count(1)

    @contextlib.asynccontextmanager
    async def router(self, address: str) -> AsyncIterator[MemoryRouter]:
        if address in self._routers:
            raise AddressTaken(f"Another server serves {address}.")
        router = self._routers[address] = MemoryRouter()
        router.unbind = partial(_remove, self._routers, address, router)
        self._changed.set()
        self._changed = asyncio.Event()
        try:
            yield router
        finally:
            router.unbind()
            router.close()

    async def bound(self, address: str) -> MemoryRouter:
        """Wait for a router at an address; returns it."""
        while address not in self._routers:
            await self._changed.wait()
        return self._routers[address]

    def dealer(self, address: str) -> MemoryDealer:
        return MemoryDealer(self, address, str(next(self._names)).encode())

    @contextlib.asynccontextmanager
    async def fanout(self, address: str) -> AsyncIterator[MemoryFanout]:
        if address in self._fanouts:
            raise AddressTaken(f"Another publisher serves {address}.")
        fanout = self._fanouts[address] = MemoryFanout(self._listeners.setdefault(address, []))
        fanout.unbind = partial(_remove, self._fanouts, address, fanout)
        try:
            yield fanout
        finally:
            fanout.unbind()

    @contextlib.asynccontextmanager
    async def listener(self, address: str, topics: tuple[bytes, ...]) -> AsyncIterator[MemoryListener]:
        listener = MemoryListener(topics)
        self._listeners.setdefault(address, []).append(listener)
        if address in self._fanouts:
            self._fanouts[address].admit(listener)
        try:
            yield listener
        finally:
            self._listeners[address].remove(listener)


def _remove(bound: dict[str, B], address: str, one: B) -> None:
    """Unbind an address, unless another has bound it since."""
    if bound.get(address) is one:
        del bound[address]
