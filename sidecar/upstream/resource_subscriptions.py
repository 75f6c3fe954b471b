"""Who wants to hear of which resource of one server: the server is asked once a URI, whoever wants it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

from sidecar.errors import ConnectionLost
from sidecar.protocol import jsonrpc
from sidecar.protocol.channel import Frame

if TYPE_CHECKING:
    from sidecar.upstream.connection import Connection


class Subscriber(Protocol):
    """Who is told of a changed resource."""

    def resource_updated(self, source: object, uri: str) -> None:
        """The resource changed; `uri` is the server's own, and `source` the upstream that serves it, as an identity."""


class Wanted:
    """One URI. `asked` is the connection on which the server was asked for it, and said yes."""

    def __init__(self) -> None:
        self.subscribers: set[Subscriber] = set()
        self.asked: Connection | None = None
        self.turn = asyncio.Lock()
        self.users = 0
        """Who is subscribing or unsubscribing now, or waits to."""


class Subscriptions:
    """Those of one upstream; `connected` gives its connection, or waits for it (and raises ServerUnavailable)."""

    def __init__(self, connected: Callable[[], Awaitable[Connection]]) -> None:
        self._connected = connected
        self._wanted: dict[str, Wanted] = {}

    def __iter__(self) -> Iterator[str]:
        """The URIs that the server was asked for and granted."""
        return iter([uri for uri, wanted in self._wanted.items() if wanted.asked])

    def of(self, uri: str) -> frozenset[Subscriber]:
        """Who is to be told of a resource: also who waits for the answer, which an update may overtake."""
        wanted = self._wanted.get(uri)
        return frozenset(wanted.subscribers) if wanted else frozenset()

    async def add(self, uri: str, subscriber: Subscriber) -> Frame:
        """Have `subscriber` told of changes of a resource (MCP 2025-11-25, Resources); the server's response frame.

        Where somebody else is just asking the server, it waits for what comes of that, and asks itself if it failed.

        Raises:
            SidecarError: the server could not be asked. It is not subscribed then.
        """
        async with self._turn(uri) as wanted:
            held = subscriber in wanted.subscribers
            wanted.subscribers.add(subscriber)
            frame: Frame = {}
            try:
                connection = await self._connected()
                frame = jsonrpc.result(0, {}) if wanted.asked is connection else await connection.subscribe(uri)
            finally:
                if "result" in frame:
                    wanted.asked = connection
                elif not held:
                    wanted.subscribers.discard(subscriber)
            return frame

    async def remove(self, uri: str, subscriber: Subscriber, connection: Connection | None) -> Frame:
        """The reverse; the server is only told when nobody is left, on its `connection`, if there is one."""
        if uri not in self._wanted:
            return jsonrpc.result(0, {})
        async with self._turn(uri) as wanted:
            known = subscriber in wanted.subscribers
            wanted.subscribers.discard(subscriber)
            if not known or wanted.subscribers or connection is None:
                return jsonrpc.result(0, {})
            wanted.asked = None
            try:
                return await connection.unsubscribe(uri)
            except ConnectionLost:  # and with it the subscription
                return jsonrpc.result(0, {})

    @asynccontextmanager
    async def _turn(self, uri: str) -> AsyncIterator[Wanted]:
        """One at a time for each URI; what nobody wants any more is forgotten."""
        wanted = self._wanted.setdefault(uri, Wanted())
        wanted.users += 1
        try:
            async with wanted.turn:
                yield wanted
        finally:
            wanted.users -= 1
            if not wanted.users and not wanted.subscribers:
                del self._wanted[uri]
