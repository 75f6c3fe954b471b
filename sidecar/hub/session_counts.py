"""Publishes the numbers of clients' sessions, as events and metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Set
from typing import TYPE_CHECKING

from bridge.models import Event

if TYPE_CHECKING:
    from sidecar.observe.metrics import Metrics
    from sidecar.sessions.session import Session
    from sidecar.workspaces.workspace import Workspace

EVENT_DELAY = 0.05
"""Seconds for which changes of session counts are collected into one event: a thousand clients may connect at once."""


class SessionCounts:
    """The last known numbers of sessions. `clients` returns the sessions of a workspace, of all its principals."""

    def __init__(
        self, metrics: Metrics, publish: Callable[[Event], None], clients: Callable[[Workspace], Set[Session]]
    ) -> None:
        self._metrics = metrics
        self._publish = publish
        self._clients = clients
        self._counts: dict[Workspace, int] = {}
        self._waiting: set[Workspace] = set()
        self._timer: asyncio.TimerHandle | None = None

    def changed(self, workspace: Workspace, count: int) -> None:
        """A session has begun or ended: publish the number of sessions soon, if it is another one."""
        if count == self._counts.get(workspace, 0):
            return  # a call over the bridge or a request without a session, which are not counted
        self._counts[workspace] = count
        self._waiting.add(workspace)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(EVENT_DELAY, self._publish_waiting)

    def _publish_waiting(self) -> None:
        self._timer = None
        while self._waiting:
            self.publish(self._waiting.pop())

    def publish(self, workspace: Workspace) -> None:
        """Set the metrics of a workspace's sessions, and publish their number.

        Also if the number is the same as before, since a status in between may have shown another one.
        """
        clients = self._clients(workspace)
        for transport in ("sse", "http"):
            count = sum(1 for session in clients if session.transport == transport)
            self._metrics.sessions(workspace.name, transport, count)
        self._publish(Event(topic="sessions", subject=workspace.name, data={"sessions": len(clients)}))

    def forget(self, workspace: Workspace) -> None:
        """Forget a workspace that is closed."""
        self._waiting.discard(workspace)
        self._counts.pop(workspace, None)

    def stop(self) -> None:
        """Publish nothing more, as the hub stops."""
        if self._timer is not None:
            self._timer.cancel()
