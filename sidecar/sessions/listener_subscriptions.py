"""The resource subscriptions of modern clients (`subscriptions/listen`), and the upstreams that serve them."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from sidecar.errors import SidecarError
from sidecar.sessions.subscriptions import ResourceSubscriptions, locate

if TYPE_CHECKING:
    from sidecar.routing.view import View


class ListenerSubscriptions:
    """The resources that a group of listeners asked for. Each is subscribed to once, and counted per listener.

    `view` returns the current view of the listeners. `notify_listeners` sends them an update of a resource, by the URI
    that they know.
    """

    def __init__(self, view: Callable[[], View], notify_listeners: Callable[[str], None]) -> None:
        self._view = view
        self._notify_listeners = notify_listeners
        self._subscriptions = ResourceSubscriptions(self)
        self._counts: Counter[str] = Counter()

    def resource_updated(self, source: object, uri: str) -> None:
        """A resource of an upstream (`source`) changed: notify the listeners. Called by the upstream."""
        for exposed in self._subscriptions.exposed((source, uri)):
            self._notify_listeners(exposed)

    async def add(self, exposed: str) -> None:
        """Add a listener of a resource. If no server has the resource, there are simply no updates."""
        self._counts[exposed] += 1
        if self._counts[exposed] == 1:
            await self._subscribe(exposed)

    def end_forbidden(self) -> Coroutine[Any, Any, None] | None:
        """As `ResourceSubscriptions.end_forbidden`. A resource that may be used again is subscribed to again."""
        return self._subscriptions.end_forbidden(self._view())

    def outdated(self) -> list[str]:
        """The resources whose subscription is not at the upstream that serves them now."""
        locations = {exposed: locate(self._view(), exposed) for exposed in self._counts}
        return [
            exposed
            for exposed, location in locations.items()
            if location and location != self._subscriptions.location(exposed)
        ]

    async def follow(self) -> None:
        """Move the subscriptions to the upstreams that serve the resources now, and retry failed ones."""
        await self._subscriptions.follow(lambda exposed: locate(self._view(), exposed))
        for exposed in self.outdated():
            if self._subscriptions.location(exposed) is None:
                await self._subscribe(exposed)

    async def _subscribe(self, exposed: str) -> None:
        if location := locate(self._view(), exposed):
            with contextlib.suppress(SidecarError):  # it stays `outdated`, and is retried when the server is back
                await self._subscriptions.add(exposed, location)
            if exposed not in self._counts:  # the last listener has gone meanwhile
                await self._unsubscribe(exposed)

    async def remove(self, exposed: str) -> None:
        """Remove a listener of a resource; the last one ends the subscription."""
        self._counts[exposed] -= 1
        if not self._counts[exposed]:
            del self._counts[exposed]
            await self._unsubscribe(exposed)

    async def _unsubscribe(self, exposed: str) -> None:
        with contextlib.suppress(SidecarError):
            await self._subscriptions.remove(exposed)
