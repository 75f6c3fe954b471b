"""Applies the snapshots that the adapter sends, newest first, and keeps the applied one on disk for a restart."""

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
    """Accepts snapshots at once, and applies them one after the other, skipping those replaced by a newer one.

    `path` is the file of the applied snapshot. `grace` is the number of seconds after a start for which the adapter's
    snapshot is awaited, before the one on disk is used.
    """

    def __init__(self, hub: Hub, path: Path, grace: float, metrics: Metrics, publish: Callable[[Event], None]) -> None:
        self.accepted: SnapshotId | None = None
        self.applied: SnapshotId | None = None
        self.source: Literal["adapter", "disk", "none"] = "none"
        self._hub = hub
        self._path = path
        self._grace = grace
        self._metrics = metrics
        self._publish = publish
        self.before_applying: Callable[[], None] = lambda: None
        """Called before each snapshot is applied."""
        self._newest: Snapshot | None = None
        self._snapshot_accepted = asyncio.Event()

    def accept(self, snapshot: Snapshot) -> SnapshotId:
        """Accept a snapshot of the adapter, to be applied soon. It may be the one that was accepted last.

        Raises:
            StaleSnapshot: a newer one was accepted.
        """
        if self.accepted is not None and snapshot.id != self.accepted and not snapshot.id.newer_than(self.accepted):
            raise StaleSnapshot(
                f"Revision {snapshot.id.epoch}.{snapshot.id.revision} came after "
                f"{self.accepted.epoch}.{self.accepted.revision} was taken.",
                data={"in_force": self.accepted.model_dump()},
            )
        self.source = "adapter"
        self._set_newest(snapshot)
        return snapshot.id

    def _set_newest(self, snapshot: Snapshot) -> None:
        self.accepted = snapshot.id
        self._newest = snapshot
        self._snapshot_accepted.set()

    async def run(self) -> None:
        """Apply accepted snapshots, until cancelled; without an adapter, the one that was applied before a restart."""
        try:
            async with asyncio.timeout(self._grace):
                await self._snapshot_accepted.wait()
        except TimeoutError:
            self._restore_copy()
        while True:
            await self._snapshot_accepted.wait()
            self._snapshot_accepted.clear()
            snapshot, self._newest = self._newest, None
            if snapshot is not None and snapshot.id != self.applied:
                try:
                    self._apply(snapshot)
                except Exception:  # the running servers go on; an exception here would end them
                    log.exception("a snapshot could not be applied", extra={"revision": snapshot.id.revision})

    def _restore_copy(self) -> None:
        if (copy := load(self._path)) is not None:
            log.warning(
                "the adapter has sent no snapshot; serving the one applied before", extra={"revision": copy.id.revision}
            )
            self.source = "disk"
            self._set_newest(copy)

    def _apply(self, snapshot: Snapshot) -> None:
        self.before_applying()
        self._hub.apply(snapshot)
        self.applied = snapshot.id
        save(self._path, snapshot)
        self._metrics.snapshot(self.accepted, self.applied)
        log.info("applied", extra={"epoch": snapshot.id.epoch, "revision": snapshot.id.revision})
        self._publish(Event(topic="applied", data=snapshot.id.model_dump()))


def load(path: Path) -> Snapshot | None:
    """The applied snapshot of the last run; None if there is no readable one."""
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
    """Keep a snapshot for the next start. The file may contain secrets, so only its owner can read it."""
    try:
        write_file(path, snapshot.model_dump_json().encode(), sync=False)
    except OSError as error:  # for example a full disk, which must not stop the hub
        log.warning("the applied snapshot could not be kept", extra={"path": str(path), "reason": error.strerror})
