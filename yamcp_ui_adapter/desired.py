"""The owner of desired state: reads, remembers, offers, and answers what the bridge asks of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from bridge.models import Changed, Desired, SetServer, SetWorkspace, SnapshotId
from bridge.server import Handler
from yamcp_ui_adapter.absorb import Renames
from yamcp_ui_adapter.document import read_document
from yamcp_ui_adapter.entries import HUB, PROVIDERS, WORKSPACES, Reading
from yamcp_ui_adapter.errors import DataDirUnusable, FileUnusable, HubFileBroken, NoSuchServer, NoSuchWorkspace
from yamcp_ui_adapter.files import Source, write_file
from yamcp_ui_adapter.hubfile import VERSION, dump, with_renames, with_server, with_workspace
from yamcp_ui_adapter.publish import Publisher
from yamcp_ui_adapter.settle import Settle
from yamcp_ui_adapter.state import DesiredState

log = logging.getLogger(__name__)

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

    def __init__(self, source: Source, state: DesiredState, publisher: Publisher, settle: Settle) -> None:
        self._source = source
        self._state = state
        self._publisher = publisher
        self._settle = settle

    # --- from the files to the sidecar -------------------------------------------------------------------------------

    def read(self, only: Collection[str] = ()) -> None:
        """Read the files (or some) as they are now, and offer a new snapshot if what they say changed."""
        self._take_and_offer(self._source.read(self._state.expected, only))

    def _take_and_offer(self, readings: Mapping[str, Reading]) -> None:
        before = self._state.snapshot.id
        self._take(readings)
        if self._state.snapshot.id != before:
            self.offer()

    def offer(self) -> None:
        """Offer the snapshot in force, the first one included."""
        identity = self._state.snapshot.id
        log.info("desired state", extra={"epoch": identity.epoch, "revision": identity.revision})
        self._publisher.offer(self._state.snapshot)

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
            if not noticed and not reread and not self._source.touched():
                continue
            self._take_and_offer(await self._whole())
            reread = self._state.settling or (bool(self._state.held) and (noticed or not reread))

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
        if renames := self._state.take(readings):
            self._move_settings(renames)

    def _move_settings(self, renames: Renames) -> None:
        """Write into hub.json what was renamed. If that fails, the settings are kept in memory only."""
        try:
            self._write(lambda content: with_renames(content, renames.servers, renames.workspaces))
        except (HubFileBroken, DataDirUnusable) as error:
            log.warning(
                "settings of what was renamed cannot be moved", extra={"code": error.code, "why": error.message}
            )

    def _write(self, edit: Edit) -> None:
        """Change hub.json.

        Raises:
            HubFileBroken: what is there cannot be parsed, and is left alone.
            DataDirUnusable: it cannot be written.
        """
        path = self._source.paths[HUB]
        try:
            content = read_document(_bytes(path), HUB).content
        except FileUnusable as error:
            raise HubFileBroken(error.issue.message) from None
        except OSError as error:
            raise HubFileBroken(f"{path} cannot be read: {error.strerror}.") from None
        if content.get("version", VERSION) != VERSION:
            raise HubFileBroken(f"{path} is not of version {VERSION}.")
        try:
            write_file(path, dump(edit(content)))
        except OSError as error:
            raise DataDirUnusable(f"{path} cannot be written: {error.strerror}.") from None

    # --- what the bridge asks ----------------------------------------------------------------------------------------

    def handlers(self) -> Mapping[str, Handler]:
        """What is served on the desired socket."""
        return {
            "desired": self.desired,
            "set_workspace": self.set_workspace,
            "set_server": self.set_server,
            "reload": self.reload,
        }

    async def desired(self, _: None = None) -> Desired:
        """Desired state, what could not be used, and what the sidecar said of it."""
        return Desired(
            snapshot=self._state.snapshot,
            issues=self._state.issues,
            files={ROLES[name]: str(path) for name, path in self._source.paths.items()},
            published=self._publisher.published,
            sidecar_error=self._publisher.error,
        )

    async def set_workspace(self, change: SetWorkspace) -> Changed:
        """Change what hub.json says of a workspace.

        Raises:
            NoSuchWorkspace, EditInvalid, HubFileBroken, DataDirUnusable: nothing was changed.
        """
        if change.name not in self._state.workspaces:
            raise NoSuchWorkspace(f"There is no workspace {change.name!r}.")
        return self._change(lambda content: with_workspace(content, change))

    async def set_server(self, change: SetServer) -> Changed:
        """Change what hub.json says of a server.

        Raises:
            NoSuchServer, EditInvalid, HubFileBroken, DataDirUnusable: nothing was changed.
        """
        if change.key not in self._state.servers:
            raise NoSuchServer(f"There is no server {change.key!r}.")
        return self._change(lambda content: with_server(content, change))

    async def reload(self, _: None = None) -> Changed:
        """Read the files now, after a moment for whoever is writing them."""
        await asyncio.sleep(self._settle.quiet)
        self._take_and_offer(await self._whole())
        while self._state.settling:
            await asyncio.sleep(self._settle.quiet)
            self.read()
        return Changed(snapshot=self._state.snapshot.id)

    def _change(self, edit: Edit) -> Changed:
        self._write(edit)
        self.read(only=(HUB,))
        return Changed(snapshot=self._state.snapshot.id)


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
