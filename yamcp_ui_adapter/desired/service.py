"""The owner of desired state: reads, remembers, offers, and answers what the bridge asks of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from bridge.models import (
    Changed,
    Desired,
    Event,
    ForgetSettings,
    Issue,
    MaskedSnapshot,
    ReadDesired,
    Reload,
    SetServer,
    SetWorkspace,
    Snapshot,
    SnapshotId,
)
from bridge.private import write_file
from bridge.server import Handlers
from yamcp_ui_adapter.desired.last_good import Renames
from yamcp_ui_adapter.desired.publisher import Publisher
from yamcp_ui_adapter.desired.state import DesiredState
from yamcp_ui_adapter.edit.writer import Edit as FilesEdit
from yamcp_ui_adapter.edit.writer import Writer
from yamcp_ui_adapter.errors import (
    DataDirUnusable,
    EditInvalid,
    FileUnusable,
    HubFileBroken,
    NoSuchServer,
    NoSuchWorkspace,
)
from yamcp_ui_adapter.files.debounce import Settle
from yamcp_ui_adapter.files.source import Source
from yamcp_ui_adapter.format.document import read_document
from yamcp_ui_adapter.format.entries import HUB, PROVIDERS, WORKSPACES, Reading
from yamcp_ui_adapter.format.hubfile import (
    VERSION,
    Section,
    dump,
    moved,
    with_aliases,
    with_renames,
    with_server,
    with_workspace,
)
from yamcp_ui_adapter.format.masking import mask_launch
from yamcp_ui_adapter.keys import KeyCabinet

log = logging.getLogger("yamcp_ui_adapter.desired")  # the name that log filters know

ROLES = {PROVIDERS: "providers", WORKSPACES: "workspaces", HUB: "hub"}
REREAD = 0.25
"""Seconds after which a file that said nothing is read once more, in case the event of its repair is missed."""
HALF_LOOK = 0.01
"""Seconds between looks at what may be half an edit."""
LOOK = 1.0
"""Seconds between looks at the files' times and sizes, in case any event is missed."""

Edit = Callable[[dict[str, Any]], dict[str, Any]]


class Owner:
    """Keeps desired state in step with the files. Everything but waiting happens in one step of the event loop."""

    def __init__(
        self,
        source: Source,
        state: DesiredState,
        publisher: Publisher,
        settle: Settle,
        writer: Writer,
        tell: Callable[[Event], None],
        keys: KeyCabinet,
    ) -> None:
        """`tell` is given an event whenever the answer to `desired` becomes another."""
        self._source = source
        self._state = state
        self._publisher = publisher
        self._settle = settle
        self._writer = writer
        self._tell = tell
        self._keys = keys
        self._told: object = None
        self._masked: MaskedSnapshot | None = None
        self._files = asyncio.Lock()
        """Held by whoever reads all files or writes YAMCP's, so that none reads what another has half done."""

    # --- from the files to the sidecar -------------------------------------------------------------------------------

    def read(self, only: Collection[str] = ()) -> None:
        """Read the files (or some) as they are now, and offer a new snapshot if what they say changed."""
        self._take_and_offer(self._source.read(self._state.expected, only))

    def _take_and_offer(self, readings: Mapping[str, Reading]) -> None:
        before = self._state.snapshot.id
        self._take(readings)
        if self._state.snapshot.id != before:
            self.offer()
        self.announce()

    @property
    def _issues(self) -> tuple[Issue, ...]:
        return (*self._state.issues, *self._keys.issues)

    def announce(self) -> None:
        """Tell those who listen that desired state, or what is known of it, is another now; if it is."""
        identity, issues = self._state.snapshot.id, self._issues
        news = (identity, issues, self._publisher.published, self._publisher.error, self._state.readings)
        if news != self._told:
            self._told = news
            data = {"epoch": identity.epoch, "revision": identity.revision, "issues": len(issues)}
            self._tell(Event(topic="desired", data=data))

    def offer(self) -> None:
        """Offer the snapshot in force, the first one included."""
        identity = self._state.snapshot.id
        log.info("desired state", extra={"epoch": identity.epoch, "revision": identity.revision})
        self._publisher.offer(self._state.snapshot)
        self.announce()

    async def begin(self, patience: float) -> None:
        """Read for the first time and offer. Nothing remembered and a file unusable: wait for its writer a while."""
        self._take(await self._whole())
        deadline = asyncio.get_running_loop().time() + patience
        while self._state.held and not self._state.remembers and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(self._settle.quiet)
            self._take(self._source.read(self._state.expected))
        self.offer()

    async def follow(self) -> None:
        """Read after each burst of changes, until cancelled."""
        reread = bool(self._state.held)
        while True:
            noticed = await self._settle.wait(REREAD if reread else LOOK)
            if not (noticed or reread or self._source.touched() or self._writer.watching):
                continue
            await self._refresh()
            reread = self._state.settling or (bool(self._state.held) and (noticed or not reread))

    async def _refresh(self) -> None:
        async with self._files:
            await self._take_whole()

    async def _take_whole(self) -> Mapping[str, Reading]:
        """Take what the files say; first put back what a stale copy of one undid."""
        await self._writer.mend()
        while self._writer.undone(readings := await self._whole()):
            await self._writer.mend()
        self._take_and_offer(readings)
        return readings

    async def _whole(self) -> dict[str, Reading]:
        """The files once no edit is half done, if one can tell: in a burst, any time to read may be a bad one."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        readings = self._source.read(self._state.expected)
        while loop.time() - began < self._state.doubt(readings):
            await asyncio.sleep(HALF_LOOK)
            readings = self._source.read(self._state.expected)
        return readings

    def leap(self, in_force: SnapshotId) -> None:
        """The sidecar has a snapshot of an epoch that was forgotten here: go on after it."""
        log.warning("the sidecar has a later epoch; going on after it", extra={"epoch": in_force.epoch})
        self._state.leap(in_force.epoch)
        self.offer()

    def _take(self, readings: Mapping[str, Reading]) -> None:
        renames = self._state.take(readings)
        if renames:
            self._move_settings(renames)
        if renames.all_workspaces:
            self._keys.rename(renames.all_workspaces)

    def _move_settings(self, renames: Renames) -> None:
        """Write into hub.json what was renamed, and aliases. If that fails, they are kept in memory only."""

        def edit(content: dict[str, Any]) -> dict[str, Any]:
            return with_aliases(with_renames(content, renames.servers, renames.workspaces), renames.aliases)

        try:
            self._write(edit)
        except (HubFileBroken, DataDirUnusable) as error:
            fields = {"code": error.code, "why": error.message}
            log.warning("settings of what was renamed, or its aliases, cannot be written", extra=fields)

    def _write(self, edit: Edit) -> None:
        """Change hub.json.

        Raises:
            HubFileBroken: what is there cannot be parsed, and is left alone.
            DataDirUnusable: it cannot be written.
        """
        path = self._source.paths[HUB]
        before = self._hub_content()
        after = edit(before)
        if after == before and path.exists():
            return
        try:
            write_file(path, dump(after))
        except OSError as error:
            raise DataDirUnusable(f"{path} cannot be written: {error.strerror}.") from None

    def _hub_content(self) -> dict[str, Any]:
        """What hub.json says now. Raises HubFileBroken."""
        path = self._source.paths[HUB]
        try:
            content = read_document(_bytes(path), HUB).content
        except FileUnusable as error:
            raise HubFileBroken(error.issue.message) from None
        except OSError as error:
            raise HubFileBroken(f"{path} cannot be read: {error.strerror}.") from None
        if content.get("version", VERSION) != VERSION:
            raise HubFileBroken(f"{path} is not of version {VERSION}.")
        return content

    # --- what the bridge asks ----------------------------------------------------------------------------------------

    def handlers(self) -> Handlers:
        """What is served on the desired socket."""
        return {
            ReadDesired: self.desired,
            SetWorkspace: self.set_workspace,
            SetServer: self.set_server,
            ForgetSettings: self.forget_settings,
            Reload: self.reload,
        }

    async def desired(self, _: ReadDesired | None = None) -> Desired:
        """Desired state with secret values masked, what could not be used, and what the sidecar said of it."""
        snapshot = self._state.snapshot
        if self._masked is None or self._masked.id != snapshot.id:
            self._masked = masked(snapshot)
        return Desired(
            snapshot=self._masked,
            issues=self._issues,
            files={ROLES[name]: str(path) for name, path in self._source.paths.items()},
            published=self._publisher.published,
            sidecar_error=self._publisher.error,
        )

    async def set_workspace(self, change: SetWorkspace) -> Changed:
        """Change what hub.json says of a workspace.

        Raises:
            NoSuchWorkspace, NoSuchServer, EditInvalid, HubFileBroken, DataDirUnusable: nothing was changed.
        """
        self._check_workspace(change)
        return self._change(lambda content: with_workspace(content, change))

    def _check_workspace(self, change: SetWorkspace) -> None:
        """Raises NoSuchWorkspace, NoSuchServer, EditInvalid: a change of settings names what is not there, or taken."""
        if change.name not in self._state.workspaces:
            raise NoSuchWorkspace(f"There is no workspace {change.name!r}.")
        members = self._state.members(change.name)
        if strangers := [key for key in change.servers if key not in members]:
            raise NoSuchServer(f"There is no server {strangers[0]!r} in the workspace {change.name!r}.")
        owners = {spec.slug: spec.name for spec in self._state.snapshot.workspaces}
        if change.slug and (owner := owners.get(change.slug, change.name)) != change.name:
            message = f"The slug {change.slug!r} is that of the workspace {owner!r}; choose another."
            raise EditInvalid(message, data={"field": "slug"})
        aliases = next(spec.aliases for spec in self._state.snapshot.workspaces if spec.name == change.name)
        if strangers := [alias for alias in change.remove_aliases if alias not in aliases]:
            message = f"The workspace {change.name!r} has no alias {strangers[0]!r}."
            raise EditInvalid(message, data={"field": "remove_aliases"})

    async def set_server(self, change: SetServer) -> Changed:
        """Change what hub.json says of a server.

        Raises:
            NoSuchServer, EditInvalid, HubFileBroken, DataDirUnusable: nothing was changed.
        """
        if change.key not in self._state.servers:
            raise NoSuchServer(f"There is no server {change.key!r}.")
        return self._change(lambda content: with_server(content, change))

    async def forget_settings(self, body: ForgetSettings) -> Changed:
        """Remove what hub.json has for what does not exist.

        Raises:
            EditInvalid: it exists; HubFileBroken, DataDirUnusable. Nothing was changed.
        """
        if self._state.exists(body.section, body.name):
            what = {"servers": "server", "workspaces": "workspace"}[body.section]
            raise EditInvalid(f"There is a {what} {body.name!r}, which these settings are for.")
        if not self._state.has_settings(body.section, (body.name,)):
            return Changed(snapshot=self._state.snapshot.id)
        return self._change(lambda content: moved(content, body.section, body.name, None))

    async def reload(self, _: Reload | None = None) -> Changed:
        """Read the files now, after a moment for whoever is writing them."""
        await asyncio.sleep(self._settle.quiet)
        await self._refresh()
        while self._state.settling:
            await asyncio.sleep(self._settle.quiet)
            self.read()
        return Changed(snapshot=self._state.snapshot.id)

    async def edit(
        self, edit: FilesEdit, settings: Edit | None = None, workspaces: Mapping[str, str] | None = None
    ) -> Changed:
        """Change YAMCP's files, and hub.json where that follows from it; `workspaces`: those that it renames.

        Raises:
            HubError: what `edit` and `Writer.change` raise; HubFileBroken. Nothing was changed.
            DataDirUnusable: the same, unless hub.json alone could not be written.
        """
        async with self._files:
            if settings:
                self._hub_content()
            await self._writer.change(edit)
            if workspaces:
                self._keys.rename(workspaces)
            try:
                if settings:
                    self._write(settings)
            finally:
                readings = await self._take_whole()
            self._writer.check(readings)
        return Changed(snapshot=self._state.snapshot.id)

    def has_settings(self, section: Section, names: Collection[str]) -> bool:
        """Whether hub.json has settings for one of these servers or workspaces."""
        return self._state.has_settings(section, names)

    def _change(self, edit: Edit) -> Changed:
        self._write(edit)
        self.read(only=(HUB,))
        return Changed(snapshot=self._state.snapshot.id)


def masked(snapshot: Snapshot) -> MaskedSnapshot:
    """The snapshot as people may see it."""
    servers = (server.model_copy(update={"launch": mask_launch(server.launch)}) for server in snapshot.servers)
    return MaskedSnapshot(id=snapshot.id, servers=tuple(servers), workspaces=snapshot.workspaces)


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
