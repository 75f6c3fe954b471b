"""Keeps the desired state in step with the files, publishes it, and answers the bridge's requests about it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from bridge.models import (
    Changed,
    Desired,
    Event,
    Issue,
    MaskedSnapshot,
    ReadDesired,
    Reload,
    SnapshotId,
)
from bridge.server import Handlers
from yamcp_ui_adapter.desired.access_json import AccessJson
from yamcp_ui_adapter.desired.change_log import ChangeLog
from yamcp_ui_adapter.desired.hub_json import HubFileEdit, HubJson
from yamcp_ui_adapter.desired.last_good import Renames
from yamcp_ui_adapter.desired.publisher import SnapshotPublisher
from yamcp_ui_adapter.desired.state import DesiredState
from yamcp_ui_adapter.edit.history import Change, History
from yamcp_ui_adapter.edit.writer import Edit as FilesEdit
from yamcp_ui_adapter.edit.writer import Writer
from yamcp_ui_adapter.errors import DataDirUnusable, HubFileBroken
from yamcp_ui_adapter.files.debounce import Debouncer
from yamcp_ui_adapter.files.reader import FileReader
from yamcp_ui_adapter.format.entries import ACCESS, HUB, PROVIDERS, WORKSPACES, Reading
from yamcp_ui_adapter.format.hubfile import Section, with_aliases, with_renames
from yamcp_ui_adapter.format.masking import mask_snapshot
from yamcp_ui_adapter.keys import KeyStore

log = logging.getLogger("yamcp_ui_adapter.desired")  # the name that log filters know

ROLES = {PROVIDERS: "providers", WORKSPACES: "workspaces", HUB: "hub", ACCESS: "access"}
REREAD_SECONDS = 0.25
"""Seconds after which an unusable file is read again, in case the event of its repair was missed."""
PARTIAL_EDIT_POLL_SECONDS = 0.01
"""Seconds between reads of files that look like half an edit."""
POLL_SECONDS = 1.0
"""Seconds between checks of the files' times and sizes, in case an event was missed."""


class Shared(Protocol):
    """A configuration that several hubs share (`cluster/shared.py`)."""

    @property
    def issues(self) -> tuple[Issue, ...]:
        """What people should know of it."""

    def editing(self, *names: str) -> AbstractAsyncContextManager[None]:
        """A block that changes these files."""


class DesiredStateService:
    """Reads the files, computes the desired state, and offers snapshots to the publisher.

    Each operation runs in one step of the event loop, apart from its waits.
    """

    def __init__(
        self,
        reader: FileReader,
        state: DesiredState,
        publisher: SnapshotPublisher,
        debouncer: Debouncer,
        writer: Writer,
        publish_event: Callable[[Event], None],
        keys: KeyStore,
        changes: ChangeLog | None = None,
        access: AccessJson | None = None,
    ) -> None:
        """`publish_event` gets an event whenever the answer to `desired` changes."""
        self._reader = reader
        self._state = state
        self._publisher = publisher
        self._debouncer = debouncer
        self._writer = writer
        self._publish_event = publish_event
        self._keys = keys
        self._hub = HubJson(reader.paths[HUB])
        self._changes = changes or ChangeLog(None, 0)
        self._access = access
        keys.editing = self.editing
        if access:
            access.reread, access.editing = self._reread_access, self.editing
        self.history = History()
        self._announced: object = None
        self._masked: MaskedSnapshot | None = None
        self.files = asyncio.Lock()
        """Held while all files are read or YAMCP's files are written, so that no read sees half of an edit."""
        self.on_rename: Callable[[Mapping[str, str], Mapping[str, str]], None] = lambda servers, workspaces: None
        """Called with renamed servers and workspaces (old name to new)."""
        self.shared: Shared | None = None
        """The configuration that several hubs share, of which the files are a copy."""

    # --- from the files to the sidecar -------------------------------------------------------------------------------

    def read(self, only: Collection[str] = ()) -> None:
        """Read all files, or those in `only`, and offer a new snapshot if their content changed."""
        self._apply_and_offer(self._reader.read(self._state.expected, only))

    def _apply_and_offer(self, readings: Mapping[str, Reading]) -> None:
        before = self._state.snapshot
        self._apply(readings)
        if self._state.snapshot.id != before.id:
            self._changes.note(before, self._state.snapshot)
            self.offer()
        self.announce()

    @property
    def _issues(self) -> tuple[Issue, ...]:
        others = (self._keys, self._access, self.shared)
        return (*self._state.issues, *(found for each in others if each for found in each.issues))

    def announce(self) -> None:
        """Publish an event if the answer to `desired` has changed since the last one."""
        identity, issues = self._state.snapshot.id, self._issues
        last = self.history.last
        news = (identity, issues, self._publisher.published, self._publisher.error, self._state.readings, last)
        if news != self._announced:
            self._announced = news
            data = {"epoch": identity.epoch, "revision": identity.revision, "issues": len(issues)}
            self._publish_event(Event(topic="desired", data=data))

    def offer(self) -> None:
        """Offer the current snapshot to the publisher, also if it is the first one."""
        identity = self._state.snapshot.id
        log.info("desired state", extra={"epoch": identity.epoch, "revision": identity.revision})
        if self._access:
            self._access.tell_front(self._state.snapshot)
        self._publisher.offer(self._state.snapshot)
        self.announce()

    async def start(self, patience: float) -> None:
        """Read the files for the first time and offer a snapshot.

        If a file is unusable and there is no stored state, wait up to `patience` seconds for its writer to finish.
        """
        before = self._state.snapshot
        self._apply(await self._read_settled())
        deadline = asyncio.get_running_loop().time() + patience
        while self._state.held and not self._state.remembers and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(self._debouncer.quiet)
            self._apply(self._reader.read(self._state.expected))
        if self._state.remembers:
            self._changes.note(before, self._state.snapshot)
            self._changes.write()
        self.offer()

    async def run(self) -> None:
        """Read the files after each burst of changes, until cancelled."""
        reread = bool(self._state.held)
        while True:
            noticed = await self._debouncer.wait(REREAD_SECONDS if reread else POLL_SECONDS)
            if not (noticed or reread or self._reader.changed() or self._writer.watching):
                continue
            await self._refresh()
            reread = self._state.settling or (bool(self._state.held) and (noticed or not reread))

    async def _refresh(self) -> None:
        async with self.files:
            await self._refresh_locked()
            self._changes.write()

    async def _refresh_locked(self) -> Mapping[str, Reading]:
        """Read and apply the files; first restore changes that a stale copy of a file has undone. `files` must be
        held.
        """
        await self._writer.mend()
        while self._writer.undone(readings := await self._read_settled()):
            await self._writer.mend()
        self._apply_and_offer(readings)
        return readings

    async def _read_settled(self) -> dict[str, Reading]:
        """Read the files until they no longer look like half an edit; within a burst of writes, any single read may see
        one.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        readings = self._reader.read(self._state.expected)
        while loop.time() - began < self._state.settle_seconds(readings):
            await asyncio.sleep(PARTIAL_EDIT_POLL_SECONDS)
            readings = self._reader.read(self._state.expected)
        return readings

    def continue_after(self, in_force: SnapshotId) -> None:
        """Start an epoch after the one that the sidecar has, which is unknown here, and offer the snapshot again."""
        log.warning("the sidecar has a later epoch; continuing after it", extra={"epoch": in_force.epoch})
        self._state.continue_after(in_force.epoch)
        self.offer()

    def _apply(self, readings: Mapping[str, Reading]) -> None:
        renames = self._state.apply(readings)
        if renames:
            self._move_settings(renames)
        self._tell_of_renames(renames.all_servers, renames.all_workspaces)

    def _tell_of_renames(self, servers: Mapping[str, str], workspaces: Mapping[str, str]) -> None:
        if workspaces:
            self._keys.rename(workspaces)
        if self._access and (servers or workspaces):
            self._access.rename(servers, workspaces)
        if servers or workspaces:
            self.on_rename(servers, workspaces)

    def _move_settings(self, renames: Renames) -> None:
        """Write renames and aliases into hub.json. If that fails, they are kept in memory only, and a warning is
        logged.
        """

        def edit(content: dict[str, Any]) -> dict[str, Any]:
            return with_aliases(with_renames(content, renames.servers, renames.workspaces), renames.aliases)

        try:
            self._hub.write(edit)
        except (HubFileBroken, DataDirUnusable) as error:
            fields = {"code": error.code, "why": error.message}
            log.warning("settings of renamed entries, or their aliases, cannot be written", extra=fields)

    def _record(
        self,
        written: Mapping[str, tuple[dict[str, Any], dict[str, Any]]],
        before: dict[str, Any] | None,
        workspaces: Mapping[str, str] | None = None,
    ) -> None:
        """Record in the history what a request changed; `before` is the earlier content of hub.json."""
        after = self._hub.readable()
        hub = None if before is None or after is None else (before, after)
        made = self.history.record(written, hub, workspaces)
        self._changes.write(made.id if made else "")
        self.announce()

    # --- what the bridge asks ----------------------------------------------------------------------------------------

    def handlers(self) -> Handlers:
        """Return the handlers of the requests on the desired socket."""
        return {
            ReadDesired: self.desired,
            Reload: self.reload,
        }

    async def desired(self, _: ReadDesired | None = None) -> Desired:
        """Return the desired state with secret values masked, the issues found, and the sidecar's answer to it."""
        snapshot = self._state.snapshot
        if self._masked is None or self._masked.id != snapshot.id:
            self._masked = mask_snapshot(snapshot)
        return Desired(
            snapshot=self._masked,
            issues=self._issues,
            files={ROLES[name]: str(path) for name, path in self._reader.paths.items()},
            published=self._publisher.published,
            sidecar_error=self._publisher.error,
            **self.history.shown,
        )

    async def reload(self, _: Reload | None = None) -> Changed:
        """Read the files now, after a short wait for programs that are still writing them."""
        with self._changes.awaited():
            await asyncio.sleep(self._debouncer.quiet)
            await self._refresh()
            while self._state.settling:
                await asyncio.sleep(self._debouncer.quiet)
                self.read()
                self._changes.write()
        return Changed(snapshot=self._state.snapshot.id)

    async def edit(
        self,
        edit: FilesEdit,
        settings: HubFileEdit | None = None,
        workspaces: Mapping[str, str] | None = None,
        undoes: Change | None = None,
        servers: Mapping[str, str] | None = None,
    ) -> Changed:
        """Change YAMCP's files, and with `settings` hub.json, too.

        `workspaces` and `servers` are those that the edit renames (old name to new); `undoes` is the change of the
        history that the edit undoes.

        Raises:
            HubError: as `edit` and `Writer.change` raise, and HubFileBroken. Nothing was changed.
            DataDirUnusable: nothing was changed, unless only hub.json could not be written.
        """
        async with self.editing(PROVIDERS, WORKSPACES):
            with self._changes.of_request():
                await self._edit(edit, settings, workspaces or {}, servers or {}, undoes)
        return Changed(snapshot=self._state.snapshot.id)

    async def _edit(
        self,
        edit: FilesEdit,
        settings: HubFileEdit | None,
        workspaces: Mapping[str, str],
        servers: Mapping[str, str],
        undoes: Change | None,
    ) -> None:
        """As `edit`. `files` must be held."""
        if settings:
            settings(self._hub.content())  # raises before anything is written
        hub = self._hub.readable()
        written = await self._writer.change(edit)
        self._tell_of_renames(servers, workspaces)
        try:
            if settings:
                self._hub.write(settings)
        finally:
            readings = await self._refresh_locked()
        self._writer.check(readings)
        if undoes:
            self._changes.write()
            self.history.forget(undoes)
            self.announce()
        else:
            self._record(written, hub, workspaces)

    @contextlib.asynccontextmanager
    async def editing(self, *names: str) -> AsyncIterator[None]:
        """A block that changes these files. Raises as `SharedConfig.editing`, before anything is changed."""
        async with self.files, self.shared.editing(*names) if self.shared else contextlib.nullcontext():
            yield

    async def _reread_access(self) -> SnapshotId:
        """Read access.json after a request has changed it; return the snapshot that contains it."""
        with self._changes.awaited():
            self.read(only=(ACCESS,))
            while self._state.settling:
                await asyncio.sleep(self._debouncer.quiet)
                self.read(only=(ACCESS,))
            self._changes.write()
        return self._state.snapshot.id

    def has_settings(self, section: Section, names: Collection[str]) -> bool:
        """Return whether hub.json has settings for one of these servers or workspaces."""
        return self._state.has_settings(section, names)

    async def change_settings(self, edit: HubFileEdit) -> Changed:
        """Change hub.json only.

        Raises:
            HubError: as `edit` raises, HubFileBroken and DataDirUnusable. Nothing was changed.
        """
        async with self.editing(HUB):
            hub = self._hub.readable()
            self._hub.write(edit)
            self.read(only=(HUB,))
            self._record({}, hub)
        return Changed(snapshot=self._state.snapshot.id)
