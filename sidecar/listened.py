"""The resources that modern clients listen to (`subscriptions/listen`), subscribed to at the servers that have them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from sidecar.errors import SidecarError
from sidecar.upstream import Upstream

if TYPE_CHECKING:
    from sidecar.workspace import Workspace


class Listened:
    """The resources that modern listeners asked for, each subscribed to once, and counted; `tell` tells of a change."""

    def __init__(self, workspace: Workspace, tell: Callable[[str], None]) -> None:
        self._workspace = workspace
        self._tell = tell
        self._sources: dict[str, tuple[Upstream, str]] = {}
        self._counts: dict[str, int] = {}

    def resource_updated(self, upstream: Upstream, uri: str) -> None:
        """Called when a server tells of a changed resource."""
        for exposed, source in self._sources.items():
            if source == (upstream, uri):
                self._tell(exposed)

    async def add(self, exposed: str) -> None:
        """One more listener wants to hear of a resource; one that is nowhere is just never heard of."""
        self._counts[exposed] = self._counts.get(exposed, 0) + 1
        if self._counts[exposed] == 1:
            await self._move(exposed)

    def misplaced(self) -> list[str]:
        """The resources that another upstream serves now than the one that was subscribed to."""
        found = {exposed: self._workspace.view.resource(exposed) for exposed in self._counts}
        places = {exposed: (place[0].upstream, place[1]) for exposed, place in found.items() if place}
        return [exposed for exposed, place in places.items() if place != self._sources.get(exposed)]

    async def follow(self) -> None:
        """Move the subscriptions to where the resources are now."""
        for exposed in self.misplaced():
            await self._move(exposed)

    async def _move(self, exposed: str) -> None:
        before, found = self._sources.get(exposed), self._workspace.view.resource(exposed)
        if found is None or exposed not in self._counts:  # nobody listens any more
            return
        upstream, uri = self._sources[exposed] = (found[0].upstream, found[1])
        try:
            await upstream.subscribe(uri, self)
        except SidecarError:
            self._sources.pop(exposed, None)  # misplaced, that is: tried again when the server is back
        if before is not None:
            with contextlib.suppress(SidecarError):
                await before[0].unsubscribe(before[1], self)

    async def remove(self, exposed: str) -> None:
        """One listener less."""
        self._counts[exposed] -= 1
        if not self._counts[exposed]:
            del self._counts[exposed]
            if source := self._sources.pop(exposed, None):
                with contextlib.suppress(SidecarError):
                    await source[0].unsubscribe(source[1], self)
