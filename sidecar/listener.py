"""Who is told of what an upstream does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from sidecar.upstream import Upstream


class Listener(Protocol):
    """Who is told of what an upstream does. Called on the event loop; must neither block nor raise."""

    def upstream_changed(self, upstream: Upstream) -> None:
        """Its state, its troubles or its lists changed."""

    def upstream_notified(self, upstream: Upstream, method: str, params: dict[str, Any]) -> None:
        """The server sent a notification that is neither progress nor list_changed."""
