"""The resource subscriptions of one server: the server gets one subscription per URI, for all subscribers (ADR 15)."""

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
    """Receives the changes of resources: the subscriptions of a session."""

    def resource_updated(self, source: object, uri: str) -> None:
        """The resource changed. `uri` is the server's; `source` is its upstream, of which only the identity counts."""


class _Subscribed:
    """The subscription to one URI. `granted_on` is the connection on which the server granted it."""

    def __init__(self) -> None:
        self.subscribers: set[Subscriber] = set()
        self.granted_on: Connection | None = None
        self.lock = asyncio.Lock()
        self.users = 0
        """The number of calls that are subscribing or unsubscribing now, or wait for `lock`."""


class ServerSubscriptions:
    """Those of one upstream; `connected` gives its connection, or waits for it (and raises ServerUnavailable)."""

    def __init__(self, connected: Callable[[], Awaitable[Connection]]) -> None:
        self._connected = connected
        self._subscribed: dict[str, _Subscribed] = {}

    def __iter__(self) -> Iterator[str]:
        """The URIs of the subscriptions that the server has granted."""
        return iter([uri for uri, subscribed in self._subscribed.items() if subscribed.granted_on])

    @property
    def in_use(self) -> bool:
        """Whether any resource is subscribed to, or a subscription is requested at this moment."""
        return bool(self._subscribed)

    def subscribers_of(self, uri: str) -> frozenset[Subscriber]:
        """The subscribers of a resource, including those whose subscription is not answered yet: an update may overtake
        the answer."""
        subscribed = self._subscribed.get(uri)
        return frozenset(subscribed.subscribers) if subscribed else frozenset()

    async def add(self, uri: str, subscriber: Subscriber) -> Frame:
        """Subscribe to changes of a resource (MCP 2025-11-25, Resources). Returns the server's response frame.

        If another subscriber's request for the same URI is pending, this waits for it and sends its own only if that
        one failed.

        Raises:
            SidecarError: the request failed; then the subscriber is not subscribed.
        """
        async with self._locked(uri) as subscribed:
            held = subscriber in subscribed.subscribers
            subscribed.subscribers.add(subscriber)
            frame: Frame = {}
            try:
                connection = await self._connected()
                frame = (
                    jsonrpc.result(0, {}) if subscribed.granted_on is connection else await connection.subscribe(uri)
                )
            finally:
                if "result" in frame:
                    subscribed.granted_on = connection
                elif not held:
                    subscribed.subscribers.discard(subscriber)
            return frame

    async def remove(self, uri: str, subscriber: Subscriber, connection: Connection | None) -> Frame:
        """Remove a subscriber. The server is sent the request, over `connection`, when the last subscriber has gone.

        Returns the server's response frame, or an empty result if nothing had to be sent. Raises SidecarError.
        """
        if uri not in self._subscribed:
            return jsonrpc.result(0, {})
        async with self._locked(uri) as subscribed:
            known = subscriber in subscribed.subscribers
            subscribed.subscribers.discard(subscriber)
            if not known or subscribed.subscribers or connection is None:
                return jsonrpc.result(0, {})
            subscribed.granted_on = None
            try:
                return await connection.unsubscribe(uri)
            except ConnectionLost:  # the subscription ended with the connection
                return jsonrpc.result(0, {})

    @asynccontextmanager
    async def _locked(self, uri: str) -> AsyncIterator[_Subscribed]:
        """Hold the URI's lock; afterwards drop the entry if it has no subscribers and no further users."""
        subscribed = self._subscribed.setdefault(uri, _Subscribed())
        subscribed.users += 1
        try:
            async with subscribed.lock:
                yield subscribed
        finally:
            subscribed.users -= 1
            if not subscribed.users and not subscribed.subscribers:
                del self._subscribed[uri]
