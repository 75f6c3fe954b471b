"""The hub's part of trust: reviews lists with the pins, tells of changes, and answers what is asked over the bridge."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

from bridge.models import Done, Event, ServerSpec, Snapshot
from bridge.models.trust import (
    AcceptToolChanges,
    ReadSbom,
    ReadScans,
    ReadToolChanges,
    RejectToolChanges,
    Rescan,
    SbomText,
    Scans,
    ScanState,
    ToolChanges,
    ToolsAccepted,
    ToolsRejected,
)
from bridge.server import Handlers
from sidecar.containers import scan
from sidecar.containers.errors import SbomUnknown
from sidecar.errors import ServerUnknown, WorkspaceUnknown
from sidecar.hub.hub import Hub
from sidecar.local_key import load_key
from sidecar.observe.metrics import Metrics
from sidecar.trust.changes import Changes, Place
from sidecar.trust.definition import definition_of, launch_of
from sidecar.trust.pins import Pins

MAX_NAMED = 20
"""Names of changed items in an event."""


class TrustService:
    """Owns the pins. `changes` is what upstreams' lists are reviewed by (`Pool`)."""

    def __init__(self, hub: Hub, data_dir: Path, metrics: Metrics, publish: Callable[[Event], None]) -> None:
        self._hub = hub
        self._data_dir = data_dir
        self._metrics = metrics
        self._publish = publish
        self.changes = Changes(Pins(data_dir / "pins.json"), self._definition, self._launch, self._changed)
        self.scans: scan.Scans | None = None
        """Set before the bridge is served."""
        hub.on_applied.append(self._applied)

    def handlers(self) -> Handlers:
        """The handlers for the bridge's `actual` socket, by kind of request."""
        trust: Handlers = {ReadToolChanges: self._read, AcceptToolChanges: self._accept}
        return {
            **trust,
            RejectToolChanges: self._reject,
            ReadScans: self._scans,
            Rescan: self._rescan,
            ReadSbom: self._sbom,
        }

    def hints(self, spec: ServerSpec) -> tuple[str, ...]:
        """A hint on a server's changes for its status."""
        if not (count := self.waiting(spec)):
            return ()
        done = "withheld" if spec.settings.changes == "block" else "served all the same"
        what = "tools, prompts, templates or instructions are new or changed"
        return (f"{count} {what}, and {done}: hubctl trust list {spec.key}",)

    def waiting(self, spec: ServerSpec) -> int:
        """How many of a server's changes wait for a decision."""
        return self.changes.count(spec)

    def scan(self, spec: ServerSpec) -> ScanState | None:
        """The state of the scan of a server's image or package; None if it has none."""
        return self.scans.state_of(spec) if self.scans else None

    @cached_property
    def _key(self) -> bytes:
        return load_key(self._data_dir / "fingerprint.key")

    def _definition(self, spec: ServerSpec) -> str:
        return definition_of(spec, self._key)

    def _launch(self, spec: ServerSpec) -> str:
        return launch_of(spec, self._key)

    def _applied(self, snapshot: Snapshot) -> None:
        self.changes.keep(snapshot.servers)
        if self.scans:
            self.scans.applied(snapshot.servers)

    def _changed(self, server: str, places: list[Place]) -> None:
        self._metrics.offers_changed(server, len(places))
        named = [f"{kind} {name}".rstrip() for kind, name in places[:MAX_NAMED]]
        self._publish(Event(topic="server", subject=server, data={"changed": named}))

    async def _read(self, request: ReadToolChanges) -> ToolChanges:
        specs = list(self._asked(request))
        renewed = {spec.key: since for spec in specs if (since := self.changes.renewed(spec)) is not None}
        hints: dict[str, tuple[str, ...]] = {}
        for spec in specs:
            hints |= self.changes.pinned_hints(spec)
        found = tuple(change for spec in specs for change in self.changes.of(spec))
        return ToolChanges(changes=found, renewed=renewed, hints=hints)

    def _asked(self, request: ReadToolChanges) -> Iterator[ServerSpec]:
        """The servers that a request is about. Raises ServerUnknown, WorkspaceUnknown."""
        servers = self._hub.snapshot.servers if self._hub.snapshot else ()
        keys = {spec.key for spec in servers}
        if request.server is not None:
            keys = {self._server(request.server).key}
        if request.workspace is not None:
            workspace = self._hub.find(request.workspace)
            if workspace is None:
                raise WorkspaceUnknown(f"There is no workspace {request.workspace!r}.")
            keys &= workspace.members.keys()
        return (spec for spec in servers if spec.key in keys)

    async def _scans(self, request: ReadScans) -> Scans:
        return Scans(scans=self.scans.states() if self.scans else ())

    async def _rescan(self, request: Rescan) -> Done:
        """Raises ScanUnknown."""
        if self.scans:
            self.scans.again(request.subject)
        return Done()

    async def _sbom(self, request: ReadSbom) -> SbomText:
        """Raises SbomUnknown."""
        if not self.scans:
            raise SbomUnknown(f"No SBOM of {request.subject!r} is kept.")
        return await asyncio.to_thread(self.scans.sboms.read, request.subject)

    async def _accept(self, request: AcceptToolChanges) -> ToolsAccepted:
        accepted = self.changes.accept(self._server(request.server), request.tools, request.digests)
        self._decided(request.server)
        return ToolsAccepted(accepted=accepted)

    async def _reject(self, request: RejectToolChanges) -> ToolsRejected:
        rejected = self.changes.reject(self._server(request.server), request.tools, request.digests)
        self._decided(request.server)
        return ToolsRejected(rejected=rejected)

    def _decided(self, server: str) -> None:
        for workspace in self._hub.every():
            if server in workspace.members:
                workspace.refresh()
        self._publish(Event(topic="server", subject=server))

    def _server(self, key: str) -> ServerSpec:
        servers = self._hub.snapshot.servers if self._hub.snapshot else ()
        found = next((spec for spec in servers if spec.key == key), None)
        if found is None:
            raise ServerUnknown(f"There is no server {key!r}.")
        return found
