"""The resources that modern clients listen to (`subscriptions/listen`), subscribed to at the servers that have them."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from sidecar.errors import SidecarError
from sidecar.sessions.subscriptions import Place, Watched

if TYPE_CHECKING:
    from sidecar.routing.view import View


class Listened:
    """The resources that modern listeners asked for, each subscribed to once, and counted.

    `view` is what they see now, `tell` tells them of a change.
    """

    def __init__(self, view: Callable[[], View], tell: Callable[[str], None]) -> None:
        self._view = view
        self._tell = tell
        self._watched = Watched(self)
        self._counts: Counter[str] = Counter()

    def resource_updated(self, source: object, uri: str) -> None:
        """Called when a server tells of a changed resource."""
        for exposed in self._watched.exposed((source, uri)):
            self._tell(exposed)

    async def add(self, exposed: str) -> None:
        """One more listener wants to hear of a resource; one that is nowhere is just never heard of."""
        self._counts[exposed] += 1
        if self._counts[exposed] == 1:
            await self._subscribe(exposed)

    def misplaced(self) -> list[str]:
        """The resources that another upstream serves now than the one that was subscribed to."""
        places = {exposed: self._place(exposed) for exposed in self._counts}
        return [exposed for exposed, place in places.items() if place and place != self._watched.place(exposed)]

    async def follow(self) -> None:
        """Move the subscriptions to where the resources are now, and try again those that failed."""
        await self._watched.follow(self._place)
        for exposed in self.misplaced():
            if self._watched.place(exposed) is None:
                await self._subscribe(exposed)

    def _place(self, exposed: str) -> Place | None:
        found = self._view().resource(exposed)
        return (found[0].upstream, found[1]) if found else None

    async def _subscribe(self, exposed: str) -> None:
        if place := self._place(exposed):
            with contextlib.suppress(SidecarError):  # misplaced, that is: tried again when the server is back
                await self._watched.add(exposed, place)
            if exposed not in self._counts:  # nobody listens any more
                await self._unsubscribe(exposed)

    async def remove(self, exposed: str) -> None:
        """One listener less."""
        self._counts[exposed] -= 1
        if not self._counts[exposed]:
            del self._counts[exposed]
            await self._unsubscribe(exposed)

    async def _unsubscribe(self, exposed: str) -> None:
        with contextlib.suppress(SidecarError):
            await self._watched.remove(exposed)
