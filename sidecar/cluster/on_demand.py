"""The replicas of a hub, for the bridge: what makes them known is loaded where it is configured."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Protocol

from bridge.models.replicas import ReadReplicas, ReplicaReport, ReplicasState, ReplicaState
from bridge.server import Handlers
from sidecar.version import VERSION

if TYPE_CHECKING:
    from bridge.settings import Settings
    from sidecar.cluster.replicas import Replicas
    from sidecar.hub.hub import Hub
    from sidecar.hub.reconciler import Reconciler
    from sidecar.hub.status import StatusReporter
    from sidecar.observe.metrics import Metrics
    from sidecar.upstream.upstream import Upstream

DRAINING = "HUB_DRAINING"
"""The code of the trouble of a replica that is to stop (sidecar/replicas/)."""
FAILING = frozenset({"failed", "backoff"})


class Process(Protocol):
    """The process of a replica."""

    metrics: Metrics
    leave: asyncio.Event
    """Set when it finishes what is in progress."""

    @property
    def replaced(self) -> bool:
        """Whether another process of the same replica has taken over from it."""


class Cluster:
    """Owned by the sidecar, which is `process`."""

    def __init__(
        self, settings: Settings, hub: Hub, reconciler: Reconciler, reporter: StatusReporter, process: Process
    ) -> None:
        self._hub = hub
        self._reconciler = reconciler
        self._reporter = reporter
        self._process = process
        self._started = time.monotonic()
        self._replicas = self._make(settings) if settings.replicas_redis else None
        if self._replicas is not None:
            reporter.troubles.append(self._replicas.trouble)

    def _make(self, settings: Settings) -> Replicas:
        from sidecar.cluster.board import Board  # noqa: PLC0415
        from sidecar.cluster.list_changes import ListChanges  # noqa: PLC0415
        from sidecar.cluster.replicas import Replicas  # noqa: PLC0415

        board, changes, process = Board(settings.replicas_redis), ListChanges(self._shared), self._process
        known = process.metrics.knows_replicas
        return Replicas(settings.replica, board, self.report, changes, lambda: process.replaced, known)

    def handlers(self) -> Handlers:
        """The handlers for the bridge's `actual` socket."""
        return {ReadReplicas: lambda _: self.state()}

    async def run(self) -> None:
        """Tell the other replicas of this one, if that is configured, until cancelled."""
        if self._replicas is not None:
            await self._replicas.run()

    async def state(self) -> ReplicasState:
        """The replicas, as this one knows them."""
        return ReplicasState() if self._replicas is None else await self._replicas.state()

    def report(self) -> ReplicaReport:
        """What this replica says of itself."""
        hub, reconciler = self._hub, self._reconciler
        troubles = tuple(error.code for trouble in self._reporter.troubles if (error := trouble()))
        upstreams = list(hub.pool)
        return ReplicaReport(
            state=self._own_state(DRAINING in troubles),
            version=VERSION,
            uptime=round(time.monotonic() - self._started, 1),
            accepted=reconciler.accepted,
            applied=reconciler.applied,
            sessions=sum(hub.client_count(workspace) for workspace in (*hub.workspaces.values(), *hub.departed)),
            calls_in_flight=sum(each.in_flight for each in upstreams),
            servers=len(upstreams),
            servers_failing=sum(each.state in FAILING for each in upstreams),
            troubles=troubles[:20],
        )

    def _own_state(self, draining: bool) -> ReplicaState:
        if draining or self._process.leave.is_set():
            return "draining"
        return "starting" if self._reconciler.applied is None else "serving"

    def _shared(self) -> list[Upstream]:
        """The servers that all clients share."""
        return [each for each in self._hub.pool if not each.for_key and each.spec.settings.session == "shared"]
