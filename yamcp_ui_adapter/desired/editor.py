"""Handles the bridge's requests to read and edit YAMCP's files."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from bridge.errors import ErrorBody
from bridge.models import (
    Changed,
    ConfigFile,
    ConfigName,
    DeleteServer,
    DeleteWorkspace,
    Duplicate,
    EditMany,
    Export,
    Exported,
    Imported,
    ImportServers,
    PutConfig,
    PutServer,
    PutWorkspace,
    ReadConfig,
    SetServer,
    Undo,
    Undone,
    UnmaskConfig,
    Unmasked,
    UnmaskServer,
)
from bridge.server import Handlers
from yamcp_ui_adapter.desired.hub_json import HubFileEdit
from yamcp_ui_adapter.desired.service import DesiredStateService
from yamcp_ui_adapter.edit.duplicate import duplicate, duplicate_settings
from yamcp_ui_adapter.edit.edits import (
    FILES,
    Contents,
    Files,
    Found,
    delete_server,
    delete_workspace,
    put_config,
    put_server,
    put_workspace,
    stored_servers,
)
from yamcp_ui_adapter.edit.history import changes_settings, undo_files, undo_settings
from yamcp_ui_adapter.edit.importing import Import, import_servers
from yamcp_ui_adapter.edit.many import SWITCHES, edit_many, settings_of_many
from yamcp_ui_adapter.edit.writer import Writer
from yamcp_ui_adapter.errors import NoSuchServer, NothingToUndo
from yamcp_ui_adapter.format.document import is_encodable
from yamcp_ui_adapter.format.entries import PROVIDERS, WORKSPACES
from yamcp_ui_adapter.format.entry_positions import entries_of
from yamcp_ui_adapter.format.export import exported
from yamcp_ui_adapter.format.hubfile import Section, with_server, with_settings_moved
from yamcp_ui_adapter.format.jsontext import entry_hash, file_hash, sendable
from yamcp_ui_adapter.format.masked_text import masked_text
from yamcp_ui_adapter.format.masking import mask_entry, unmask_config, unmask_entry
from yamcp_ui_adapter.format.outline import outlines


class Editor:
    """The handlers of the requests that read and edit YAMCP's files."""

    def __init__(self, service: DesiredStateService, writer: Writer, paths: Mapping[str, Path]) -> None:
        self._service = service
        self._writer = writer
        self._paths = paths
        self._told: dict[ConfigName, tuple[Found, ConfigFile]] = {}

    def handlers(self) -> Handlers:
        """Return the handlers of the requests on the desired socket, beside those of `DesiredStateService`."""
        return {
            ReadConfig: self.config,
            Export: self.export,
            UnmaskServer: self.unmask_server,
            UnmaskConfig: self.unmask_config,
            PutServer: self.put_server,
            DeleteServer: self.delete_server,
            PutWorkspace: self.put_workspace,
            DeleteWorkspace: self.delete_workspace,
            PutConfig: self.put_config,
            ImportServers: self.import_servers,
            EditMany: self.edit_many,
            Duplicate: self.duplicate,
            Undo: self.undo,
        }

    async def config(self, body: ReadConfig) -> ConfigFile:
        """Return one of the files as it is now, with its secret values masked. The masked content is cached until the
        file changes.
        """
        found = await self._writer.look(FILES[body.file])
        known = self._told.get(body.file)
        if known is None or known[0] is not found:
            known = self._told[body.file] = found, config_file(found, body, str(self._paths[found.file]))
        return known[1]

    async def export(self, body: Export) -> Exported:
        """Return servers as a configuration for other programs. Raises NoSuchServer, ConfigFileBroken."""
        servers = entries_of(PROVIDERS, (await self._writer.look(PROVIDERS)).content)
        keys = servers if body.servers is None else body.servers
        if missing := [key for key in keys if key not in servers]:
            raise NoSuchServer(f"There is no {missing[0]!r} in {PROVIDERS}.")
        config, variables = exported({key: servers[key] for key in keys}, body.form, secrets=body.secrets)
        return Exported(config=sendable(config), variables=variables)

    async def unmask_server(self, body: UnmaskServer) -> Unmasked:
        """Return an entry with masked values replaced by stored ones.

        Raises:
            NoSuchServer, MaskedValue: there is no stored value.
        """
        stored = None
        if body.key is not None:
            servers = stored_servers(await self._writer.look(PROVIDERS))
            if body.key not in servers:
                raise NoSuchServer(f"There is no {body.key!r} in {PROVIDERS}.")
            stored = servers[body.key]
        return Unmasked(content=sendable(unmask_entry(body.entry, stored)))

    async def unmask_config(self, body: UnmaskConfig) -> Unmasked:
        """Return a whole providers.json with masked values replaced by stored ones.

        Raises:
            MaskedValue: a value is not stored.
            ConfigFileBroken: the file cannot be parsed.
        """
        found = await self._writer.look(PROVIDERS)
        return Unmasked(content=sendable(unmask_config(body.content, found.content)))

    async def put_server(self, body: PutServer) -> Changed:
        """Write one server. Raises as `edits.put_server` and `DesiredStateService.edit`."""
        settings = self._settings_move("servers", body.old_key, body.key)
        renamed = {body.old_key: body.key} if body.old_key is not None else None
        return await self._service.edit(partial(put_server, body=body), settings, servers=renamed)

    async def delete_server(self, body: DeleteServer) -> Changed:
        """Remove one server, and its settings. Raises as `edits.delete_server` and `DesiredStateService.edit`."""
        return await self._service.edit(
            partial(delete_server, body=body), self._settings_move("servers", body.key, None)
        )

    async def put_workspace(self, body: PutWorkspace) -> Changed:
        """Write one workspace. Raises as `edits.put_workspace` and `DesiredStateService.edit`."""
        settings = self._settings_move("workspaces", body.old_name, body.name)
        renamed = {body.old_name: body.name} if body.old_name is not None else None
        return await self._service.edit(partial(put_workspace, body=body), settings, renamed)

    async def delete_workspace(self, body: DeleteWorkspace) -> Changed:
        """Remove one workspace, and its settings. Raises as `edits.delete_workspace` and `DesiredStateService.edit`."""
        return await self._service.edit(
            partial(delete_workspace, body=body), self._settings_move("workspaces", body.name, None)
        )

    async def put_config(self, body: PutConfig) -> Changed:
        """Replace a whole file. Raises as `edits.put_config` and `DesiredStateService.edit`."""
        return await self._service.edit(partial(put_config, body=body))

    async def edit_many(self, body: EditMany) -> Changed:
        """Change several entries at once. Raises as `many.edit_many` and `DesiredStateService.edit`."""
        settings = partial(settings_of_many, body=body)
        named = self._service.has_settings("servers", body.servers) or self._service.has_settings(
            "workspaces", body.workspaces
        )
        wanted = body.action in SWITCHES or (body.action == "delete" and named)
        return await self._service.edit(partial(edit_many, body=body), settings if wanted else None)

    async def duplicate(self, body: Duplicate) -> Changed:
        """Add a copy of a server or workspace. Raises as `duplicate.duplicate` and `DesiredStateService.edit`."""
        settings = partial(duplicate_settings, body=body)
        wanted = self._service.has_settings(body.section, (body.name,))
        return await self._service.edit(partial(duplicate, body=body), settings if wanted else None)

    async def undo(self, body: Undo) -> Undone:
        """Restore the entries as they were before a change: the last one, unless the request names another.

        Raises:
            NothingToUndo: there is no change, or the adapter does not remember the named one.
            EditConflict: one of the entries was changed since.
            HubFileBroken: and as `DesiredStateService.edit` raises. Nothing was changed.
        """
        history = self._service.history
        change = history.last if body.change is None else history.find(body.change)
        if change is None:
            gone = "That change was undone, or the adapter does not remember it any more."
            raise NothingToUndo(gone if body.change else "There is no change to undo.")
        settings = partial(undo_settings, change=change) if changes_settings(change) else None
        back = {new: old for old, new in change.renamed.items()}
        changed = await self._service.edit(partial(undo_files, change=change), settings, back, change)
        return Undone(snapshot=changed.snapshot, summary=change.shown.summary)

    async def import_servers(self, body: ImportServers) -> Imported:
        """Import servers of another client. Raises as `importing.import_servers` and `DesiredStateService.edit`."""
        made = import_servers({name: await self._writer.look(name) for name in (PROVIDERS, WORKSPACES)}, body)
        if body.dry_run:
            snapshot = (await self._service.desired()).snapshot.id
            return Imported(servers=made.servers, workspace=body.workspace, snapshot=snapshot)
        last = [made]

        def edit(files: Files) -> Contents:
            last[0] = import_servers(files, body)
            return last[0].contents

        def switch_off(content: dict[str, Any]) -> dict[str, Any]:
            return _off(content, last[0])

        changed = await self._service.edit(edit, switch_off if made.disabled else None)
        return Imported(servers=last[0].servers, workspace=body.workspace, snapshot=changed.snapshot)

    def _settings_move(self, section: Section, old: str | None, new: str | None) -> HubFileEdit | None:
        """Return the edit of hub.json that follows from a rename, or from a removal (`new` is None); None if there is
        none.
        """
        names: Collection[str] = [name for name in (old, new) if name is not None]
        if old is None or old == new or not self._service.has_settings(section, names):
            return None
        return partial(with_settings_moved, section=section, old=old, new=new)


def _off(content: dict[str, Any], made: Import) -> dict[str, Any]:
    for key in made.disabled:
        content = with_server(content, SetServer(key=key, settings={"enabled": False}))
    return content


def config_file(found: Found, body: ReadConfig, path: str) -> ConfigFile:
    """Return the answer to `config`, with secret values masked and the rest in a form that can be sent over the
    bridge.
    """
    document, problem, servers = found.document, found.issue, found.file == PROVIDERS
    every = entries_of(found.file, document or {})
    entries = {name: entry for name, entry in every.items() if is_encodable(name)}
    content = {name: mask_entry(entry) if servers else entry for name, entry in every.items()}
    return ConfigFile(
        file=body.file,
        path=path,
        text=_text(found),
        content=None if document is None else sendable(content),
        hash=file_hash(found.raw),
        entries={name: entry_hash(entry) for name, entry in entries.items()},
        outlines=outlines(entries) if servers else {},
        error=None if problem is None else ErrorBody(code=problem.code, message=problem.message, hint=problem.hint),
    )


def _text(found: Found) -> str | None:
    """Return a file's text, masked; None if it cannot be parsed and may hold secrets."""
    text = None if found.raw is None else found.raw.decode("utf-8-sig", "replace")
    if text is None or found.file != PROVIDERS:
        return text
    return None if found.document is None else masked_text(text, found.document)
