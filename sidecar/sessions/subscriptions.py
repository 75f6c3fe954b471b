"""The resource subscriptions of one client, which follow the resources when another upstream serves them (ADR 15)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any

from sidecar.errors import SidecarError
from sidecar.protocol.channel import Frame
from sidecar.upstream.resource_subscriptions import Subscriber

if TYPE_CHECKING:
    from sidecar.routing.view import View
    from sidecar.upstream.upstream import Upstream

log = logging.getLogger(__name__)

MAX_SUBSCRIPTIONS = 1000
"""Resource subscriptions of one session, or of one `subscriptions/listen` request."""

ResourceLocation = tuple["Upstream", str]
"""The upstream that serves a resource, and the resource's URI there."""


def locate(view: View, exposed: str) -> ResourceLocation | None:
    """The location of a resource in a view, by the URI that clients know; None if no server has it."""
    found = view.resource(exposed)
    return (found[0].upstream, found[1]) if found else None


class ResourceSubscriptions:
    """The subscriptions of one subscriber (MCP 2025-11-25, Resources), by the URI that its client knows.

    Several URIs may lead to one location; the upstream is subscribed to as long as one of them does.
    """

    def __init__(self, subscriber: Subscriber) -> None:
        self._subscriber = subscriber
        self._locations: dict[str, ResourceLocation] = {}
        self._moving: dict[str, ResourceLocation] = {}
        """New locations of subscriptions that are being moved; until the server grants one, the old one counts too."""
        self._following = False
        self._again = False

    def __len__(self) -> int:
        return len(self._locations)

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._locations))

    def location(self, exposed: str) -> ResourceLocation | None:
        """The location of a subscription; None if there is none."""
        return self._locations.get(exposed)

    def exposed(self, location: tuple[object, str]) -> list[str]:
        """The client's URIs that lead to a location."""
        known = {**self._locations, **self._moving}
        return [uri for uri in known if location in (self._locations.get(uri), self._moving.get(uri))]

    async def add(self, exposed: str, location: ResourceLocation) -> Frame:
        """Subscribe. Returns the server's response frame; if that is an error, nothing has changed.

        Raises:
            SidecarError: the request failed; nothing has changed.
        """
        before = self._locations.get(exposed)
        self._locations[exposed] = location  # at once: an update may overtake the answer
        frame: Frame = {}
        try:
            frame = await self._subscribe(location)
        finally:
            if "result" not in frame and self._locations.get(exposed) is location:
                self._restore(exposed, before)
        if "result" in frame:
            await self._leave(location, before)
        return frame

    async def remove(self, exposed: str) -> Frame | None:
        """Unsubscribe. Returns the server's response frame, None if no request was necessary. Raises SidecarError."""
        location = self._locations.pop(exposed, None)
        if location is None or location in self._locations.values():
            return None
        upstream, uri = location
        return await upstream.unsubscribe(uri, self._subscriber)

    async def clear(self) -> None:
        """End all subscriptions."""
        locations, self._locations = set(self._locations.values()), {}
        await self._leave(*locations)

    def end_forbidden(self, view: View) -> Coroutine[Any, Any, None] | None:
        """End the subscriptions to resources that may no longer be used; the client gets no update from now on.

        Returns what is left to do, which is to unsubscribe at the servers; None if there is nothing.
        """
        ended = {uri: at for uri, at in self._locations.items() if not view.permits(at[0].spec.key, at[1])}
        for exposed in ended:
            del self._locations[exposed]
        return self._leave(*set(ended.values())) if ended else None

    async def follow(self, find: Callable[[str], ResourceLocation | None]) -> None:
        """Move the subscriptions to the locations that `find` returns. One that fails stays until the next call."""
        self._again = True
        if self._following:
            return
        self._following = True
        try:
            while self._again:
                self._again = False
                found = {exposed: find(exposed) for exposed in self._locations}
                moves = [(exposed, to) for exposed, to in found.items() if to and to != self._locations[exposed]]
                await asyncio.gather(*(self._move(exposed, to) for exposed, to in moves))
        finally:
            self._following = False

    async def _move(self, exposed: str, to: ResourceLocation) -> None:
        before, self._moving[exposed] = self._locations[exposed], to
        try:
            frame = await self._subscribe(to)
        except SidecarError as error:
            log.warning("a subscription could not be moved", extra={"code": error.code, "reason": error.message})
            return
        finally:
            del self._moving[exposed]
        if "result" not in frame:
            log.warning("a subscription could not be moved", extra={"reason": "the server refused it"})
            return
        if self._locations.get(exposed) == before:
            self._locations[exposed] = to
        await self._leave(before, to)

    def _restore(self, exposed: str, before: ResourceLocation | None) -> None:
        if before is None:
            del self._locations[exposed]
        else:
            self._locations[exposed] = before

    async def _subscribe(self, location: ResourceLocation) -> Frame:
        upstream, uri = location
        return await upstream.subscribe(uri, self._subscriber)

    async def _leave(self, *locations: ResourceLocation | None) -> None:
        """Unsubscribe at those locations to which no URI leads any more."""
        for location in locations:
            if location is None or location in self._locations.values() or location in self._moving.values():
                continue
            upstream, uri = location
            try:
                await upstream.unsubscribe(uri, self._subscriber)
            except SidecarError as error:
                log.info("a subscription could not be ended", extra={"code": error.code, "reason": error.message})
