"""The states of the replicas that HUB_REPLICAS lists, by asking each; for those without Redis (docs/scaling.md)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from bridge.errors import ErrorBody
from bridge.models.replicas import ReplicaReport, ReplicasState
from sidecar.cluster.states import Reported, state_of
from sidecar.replicas.asking import Asker

if TYPE_CHECKING:
    from bridge.settings.replicas import ReplicaAddresses

PATH = "/mcp/_replica/report"
"""Below /mcp/, so that the sidecar gets it at the public port; no workspace has an endpoint there."""
SECONDS = 2.0
"""Seconds that the replicas have to answer."""
FRESH_SECONDS = 1.0
"""For which answers are used again, so that many who look ask the replicas once."""


class Reports:
    """What the replicas say of themselves; `own` returns what this one says."""

    def __init__(self, asker: Asker, addresses: ReplicaAddresses, own: Callable[[], ReplicaReport]) -> None:
        self._asker = asker
        self._own_name = addresses.own
        self._others = [name for name in addresses.listed if name != addresses.own]
        self._own = own
        self._known: dict[str, ReplicaReport] = {}
        """The last report of each."""
        self._silent: dict[str, tuple[float, ErrorBody]] = {}
        """Since when each does not answer (time.monotonic), and why."""
        self._asking: asyncio.Task[None] | None = None
        self._asked_at = float("-inf")

    async def state(self) -> ReplicasState:
        """The states of all replicas. Asks them, unless somebody has just done so."""
        if self._asking is None and time.monotonic() - self._asked_at >= FRESH_SECONDS:
            self._asking = asyncio.create_task(self._ask())
            self._asking.add_done_callback(self._has_asked)
        if self._asking is not None:
            await asyncio.shield(self._asking)
        own = Reported(self._own_name, 0.0, self._own())
        return state_of("http", [own, *(self._reported(name) for name in self._others)])

    async def _ask(self) -> None:
        await self._asker.ask(self._others, PATH, b"{}", SECONDS, ReplicaReport.model_validate_json, self._take)

    def _has_asked(self, _: asyncio.Task[None]) -> None:
        self._asking, self._asked_at = None, time.monotonic()

    def _take(self, name: str, answer: ReplicaReport | ErrorBody) -> None:
        if isinstance(answer, ErrorBody):
            since, _ = self._silent.get(name, (time.monotonic(), answer))
            self._silent[name] = since, answer
        else:
            self._known[name] = answer
            self._silent.pop(name, None)

    def _reported(self, name: str) -> Reported:
        report = self._known.get(name) or ReplicaReport(state="lost", version="", uptime=0)
        if silent := self._silent.get(name):
            since, error = silent
            return Reported(name, time.monotonic() - since, report, error)
        return Reported(name, 0.0, report)
