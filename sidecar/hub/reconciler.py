"""From accepted snapshots to applied ones: the newest wins, and what is applied survives a restart."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from bridge.errors import StaleSnapshot
from bridge.models import Event, Snapshot, SnapshotId
from bridge.private import write_file
from sidecar.hub.hub import Hub
from sidecar.observe.metrics import Metrics

log = logging.getLogger(__name__)


class Reconciler:
    """Takes snapshots at once, carries them out one after the other, and skips those that were overtaken."""

    def __init__(self, hub: Hub, path: Path, grace: float, metrics: Metrics, publish: Callable[[Event], None]) -> None:
        self.accepted: SnapshotId | None = None
        self.applied: SnapshotId | None = None
        self.source: Literal["adapter", "disk", "none"] = "none"
        self._hub = hub
        self._path = path
        self._grace = grace
        self._metrics = metrics
        self._publish = publish
        self._slot: Snapshot | None = None
        self._news = asyncio.Event()

    def accept(self, snapshot: Snapshot) -> SnapshotId:
        """Take over a snapshot of the adapter, to be applied at once; the one in force again is fine too.

        Raises:
            StaleSnapshot: a newer one is in force.
        """
        if self.accepted is not None and snapshot.id != self.accepted and not snapshot.id.newer_than(self.accepted):
            raise StaleSnapshot(
                f"Revision {snapshot.id.epoch}.{snapshot.id.revision} came after "
                f"{self.accepted.epoch}.{self.accepted.revision} was taken.",
                data={"in_force": self.accepted.model_dump()},
            )
        self.source = "adapter"
        self._take(snapshot)
        return snapshot.id

    def _take(self, snapshot: Snapshot) -> None:
        self.accepted = snapshot.id
        self._slot = snapshot
        self._news.set()

    async def run(self) -> None:
        """Apply what is accepted, until cancelled; without an adapter, what was applied before the restart."""
        try:
            async with asyncio.timeout(self._grace):
                await self._news.wait()
        except TimeoutError:
            self._take_own_copy()
        while True:
            await self._news.wait()
            self._news.clear()
            snapshot, self._slot = self._slot, None
            if snapshot is not None and snapshot.id != self.applied:
                try:
                    self._apply(snapshot)
                except Exception:  # what runs goes on; to end here would end it, and again after each restart
                    log.exception("a snapshot could not be applied", extra={"revision": snapshot.id.revision})

    def _take_own_copy(self) -> None:
        if (copy := load(self._path)) is not None:
            log.warning(
                "no word from the adapter; serving what was applied before", extra={"revision": copy.id.revision}
            )
            self.source = "disk"
            self._take(copy)

    def _apply(self, snapshot: Snapshot) -> None:
        self._hub.apply(snapshot)
        self.applied = snapshot.id
        save(self._path, snapshot)
        self._metrics.snapshot(self.accepted, self.applied)
        log.info("applied", extra={"epoch": snapshot.id.epoch, "revision": snapshot.id.revision})
        self._publish(Event(topic="applied", data=snapshot.id.model_dump()))


def load(path: Path) -> Snapshot | None:
    """The applied snapshot of the last run; none where there is none that can be read."""
    try:
        return Snapshot.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        log.warning(
            "the applied snapshot on disk cannot be used", extra={"path": str(path), "reason": type(error).__name__}
        )
        return None


def save(path: Path, snapshot: Snapshot) -> None:
    """Keep a snapshot for the next start; the file may hold secrets, and is readable by its owner alone."""
    try:
        write_file(path, snapshot.model_dump_json().encode(), sync=False)
    except OSError as error:  # a full disk must not stop the traffic
        log.warning("the applied snapshot could not be kept", extra={"path": str(path), "reason": error.strerror})
