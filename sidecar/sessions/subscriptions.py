"""The resources that a session subscribed to: by the URI that its client knows, each where it is served now."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from sidecar.errors import SidecarError
from sidecar.protocol.channel import Frame
from sidecar.upstream.resource_subscriptions import Subscriber

if TYPE_CHECKING:
    from sidecar.upstream.upstream import Upstream

log = logging.getLogger(__name__)

Place = tuple["Upstream", str]
"""The upstream that serves a resource, and the URI that it has there."""


class Watched:
    """Subscriptions of one subscriber (MCP 2025-11-25, Resources). It has a place as long as one URI leads there."""

    def __init__(self, subscriber: Subscriber) -> None:
        self._subscriber = subscriber
        self._places: dict[str, Place] = {}
        self._moving: dict[str, Place] = {}
        """Where those are asked for that are to move; until that is granted they are where they were."""
        self._following = False
        self._again = False

    def __len__(self) -> int:
        return len(self._places)

    def place(self, exposed: str) -> Place | None:
        """Where a resource is subscribed to, if it is."""
        return self._places.get(exposed)

    def exposed(self, place: tuple[object, str]) -> list[str]:
        """The client's URIs that lead to a place."""
        known = {**self._places, **self._moving}
        return [uri for uri in known if place in (self._places.get(uri), self._moving.get(uri))]

    async def add(self, exposed: str, place: Place) -> Frame:
        """Subscribe; the server's response frame. Raises SidecarError; without a result nothing has changed."""
        before = self._places.get(exposed)
        self._places[exposed] = place  # at once: an update may overtake the answer
        frame: Frame = {}
        try:
            frame = await self._subscribe(place)
        finally:
            if "result" not in frame and self._places.get(exposed) is place:
                self._restore(exposed, before)
        if "result" in frame:
            await self._leave(place, before)
        return frame

    async def remove(self, exposed: str) -> Frame | None:
        """Unsubscribe; the server's response frame, or None where it need not be asked. Raises SidecarError."""
        place = self._places.pop(exposed, None)
        if place is None or place in self._places.values():
            return None
        upstream, uri = place
        return await upstream.unsubscribe(uri, self._subscriber)

    async def clear(self) -> None:
        """Unsubscribe from everything."""
        places, self._places = set(self._places.values()), {}
        await self._leave(*places)

    async def follow(self, find: Callable[[str], Place | None]) -> None:
        """Move to where the resources are now. What cannot move stays where it is until this is called again."""
        self._again = True
        if self._following:
            return
        self._following = True
        try:
            while self._again:
                self._again = False
                found = {exposed: find(exposed) for exposed in self._places}
                moves = [(exposed, to) for exposed, to in found.items() if to and to != self._places[exposed]]
                await asyncio.gather(*(self._move(exposed, to) for exposed, to in moves))
        finally:
            self._following = False

    async def _move(self, exposed: str, to: Place) -> None:
        before, self._moving[exposed] = self._places[exposed], to
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
        if self._places.get(exposed) == before:
            self._places[exposed] = to
        await self._leave(before, to)

    def _restore(self, exposed: str, before: Place | None) -> None:
        if before is None:
            del self._places[exposed]
        else:
            self._places[exposed] = before

    async def _subscribe(self, place: Place) -> Frame:
        upstream, uri = place
        return await upstream.subscribe(uri, self._subscriber)

    async def _leave(self, *places: Place | None) -> None:
        """Unsubscribe where no URI leads to any more."""
        for place in places:
            if place is None or place in self._places.values() or place in self._moving.values():
                continue
            upstream, uri = place
            try:
                await upstream.unsubscribe(uri, self._subscriber)
            except SidecarError as error:
                log.info("a subscription could not be ended", extra={"code": error.code, "reason": error.message})
