"""access.json: reads and replaces its text for the bridge, follows renames, and tells the front the roles in force."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from bridge.models import (
    AccessChecked,
    AccessFile,
    AccessSaved,
    AccessText,
    CheckAccessFile,
    Issue,
    PutAccessFile,
    ReadAccessFile,
    Snapshot,
    SnapshotId,
)
from bridge.private import write_file
from bridge.server import Handlers
from yamcp_ui_adapter.access.parse import check_access, unknown_names, with_access_renames
from yamcp_ui_adapter.edit.backups import Backups
from yamcp_ui_adapter.edit.editing import Editing, no_source
from yamcp_ui_adapter.edit.replace import read
from yamcp_ui_adapter.errors import AccessFileBroken, AccessInvalid, DataDirUnusable, EditConflict, issue
from yamcp_ui_adapter.format.entries import ACCESS
from yamcp_ui_adapter.format.hubfile import dump
from yamcp_ui_adapter.format.jsontext import file_hash

if TYPE_CHECKING:
    from yamcp_ui_adapter.desired.state import DesiredState

log = logging.getLogger("yamcp_ui_adapter.access")

APPLIED = "access.applied.json"
"""The roles in force, for the front; missing where there is no access.json."""


class AccessJson:
    """The file at this path, and access.applied.json beside it. Of the hub, only this class writes them.

    `protected`: whether the hub enforces the rules at all.
    """

    def __init__(self, path: Path, backups: Backups, state: DesiredState, protected: bool) -> None:
        self.path = path
        self._applied_path = path.with_name(APPLIED)
        self._backups = backups
        self._state = state
        self._protected = protected
        self._told: AccessFile | bool | None = False
        """The file whose roles the front was told; False if it was told nothing yet."""
        self.reread: Callable[[], Awaitable[SnapshotId]]
        """Reads access.json into the desired state after a request has changed it. The service sets it."""
        self.editing: Editing = no_source
        """A block that changes files; the service sets it."""

    def handlers(self) -> Handlers:
        """Return the handlers of the requests on the desired socket."""
        return {ReadAccessFile: self.text, CheckAccessFile: self.check, PutAccessFile: self.put}

    @property
    def issues(self) -> tuple[Issue, ...]:
        """What is wrong beside faults in the file."""
        if self._protected or self._state.snapshot.access is None:
            return ()
        message = f"{ACCESS} has no effect: the hub requires no token."
        return (issue("ACCESS_NOT_ENFORCED", f"file:{ACCESS}", ACCESS, message),)

    # --- requests ----------------------------------------------------------------------------------------------------

    async def text(self, _: ReadAccessFile | None = None) -> AccessText:
        """Return the text of the file as it is now, and what is wrong with it.

        Raises:
            AccessFileBroken: it cannot be read.
        """
        raw = self._read()
        issues = () if raw is None else self._issues_of(raw)
        return AccessText(
            path=str(self.path),
            text=None if raw is None else raw.decode("utf-8-sig", "replace"),
            hash=file_hash(raw),
            issues=issues,
            in_force=self._state.snapshot.access is not None,
        )

    async def check(self, body: CheckAccessFile) -> AccessChecked:
        """Return what would be wrong with a text."""
        return AccessChecked(issues=self._issues_of(_encoded(body.text)))

    async def put(self, body: PutAccessFile) -> AccessSaved:
        """Replace or remove the file. A copy of the former text is kept in `backups`.

        Raises:
            AccessInvalid, EditConflict, AccessFileBroken, DataDirUnusable: nothing was written.
        """
        async with self.editing(ACCESS):
            return await self._put(body)

    async def _put(self, body: PutAccessFile) -> AccessSaved:
        before = self._read()
        if body.hash is not None and body.hash != file_hash(before):
            raise EditConflict(f"{ACCESS} was changed after it was read.")
        after = None if body.text is None else _encoded(body.text)
        issues = () if after is None else self._issues_of(after)
        if faults := [each for each in issues if each.severity == "error"]:
            data = {"issues": [each.model_dump(mode="json") for each in faults]}
            raise AccessInvalid(faults[0].message, data=data)
        if after != before:
            self._write(before, after)
        return AccessSaved(snapshot=await self.reread(), hash=file_hash(after), issues=issues)

    def _issues_of(self, raw: bytes) -> tuple[Issue, ...]:
        checked = check_access(raw)
        if checked.file is None:
            return checked.issues
        return tuple(unknown_names(checked.file, self._state.servers, self._state.workspaces))

    def _read(self) -> bytes | None:
        try:
            return read(self.path)
        except OSError as error:
            raise AccessFileBroken(f"{self.path} cannot be read: {error.strerror}.") from None

    def _write(self, before: bytes | None, after: bytes | None) -> None:
        if before is not None:
            self._backups.keep(ACCESS, before)
        try:
            if after is None:
                self.path.unlink(missing_ok=True)
            else:
                write_file(self.path, after)
        except OSError as error:
            raise DataDirUnusable(f"{self.path} cannot be written: {error.strerror}.") from None

    # --- what follows from other changes -----------------------------------------------------------------------------

    def rename(self, servers: Mapping[str, str], workspaces: Mapping[str, str]) -> None:
        """Write renamed servers and workspaces into the file. If that fails, the former names stay there, which is
        reported as an issue; the desired state has the new ones until the file is read again."""
        try:
            raw = self._read()
            if raw is None or check_access(raw).file is None:
                return
            content: dict[str, Any] = orjson.loads(raw.decode("utf-8-sig"))
            if (renamed := with_access_renames(content, servers, workspaces)) != content:
                self._write(raw, dump(renamed))
                log.info("access.json updated for renamed servers and workspaces")
        except (AccessFileBroken, DataDirUnusable) as error:
            log.warning("access.json cannot be updated for renames", extra={"code": error.code, "why": error.message})

    def tell_front(self, snapshot: Snapshot) -> None:
        """Write the roles in force to access.applied.json, if they have changed; remove it where there are none."""
        if self._told is not False and self._told == snapshot.access:
            return
        try:
            if snapshot.access is None:
                self._applied_path.unlink(missing_ok=True)
            else:
                write_file(self._applied_path, applied_roles(snapshot.access), sync=False)
            self._told = snapshot.access
        except OSError as error:
            fields = {"file": str(self._applied_path), "why": error.strerror}
            log.warning("the front cannot be told the roles of access.json", extra=fields)


def applied_roles(file: AccessFile) -> bytes:
    """Return the content of access.applied.json."""
    return dump({"version": 1, "roles": [role.model_dump(mode="json") for role in file.roles]})


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")
