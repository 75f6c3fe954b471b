"""What the bridge asks of YAMCP's files: to be read, and to be changed."""

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
    Imported,
    ImportServers,
    PutConfig,
    PutServer,
    PutWorkspace,
    ReadConfig,
    SetServer,
    UnmaskConfig,
    Unmasked,
    UnmaskServer,
)
from bridge.server import Handlers
from yamcp_ui_adapter.desired.service import Edit, Owner
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
from yamcp_ui_adapter.edit.importing import Import, import_servers
from yamcp_ui_adapter.edit.writer import Writer
from yamcp_ui_adapter.errors import NoSuchServer
from yamcp_ui_adapter.format.document import encodable
from yamcp_ui_adapter.format.entries import PROVIDERS, WORKSPACES
from yamcp_ui_adapter.format.entry_positions import entries_of
from yamcp_ui_adapter.format.hubfile import Section, moved, with_server
from yamcp_ui_adapter.format.jsontext import entry_hash, file_hash, sendable
from yamcp_ui_adapter.format.masked_text import masked_text
from yamcp_ui_adapter.format.masking import mask_entry, unmask_config, unmask_entry
from yamcp_ui_adapter.format.outline import outlines


class Editor:
    """The handlers of the kinds that read and edit YAMCP's files."""

    def __init__(self, owner: Owner, writer: Writer, paths: Mapping[str, Path]) -> None:
        self._owner = owner
        self._writer = writer
        self._paths = paths
        self._told: dict[ConfigName, tuple[Found, ConfigFile]] = {}

    def handlers(self) -> Handlers:
        """What is served on the desired socket, beside what its owner serves."""
        return {
            ReadConfig: self.config,
            UnmaskServer: self.unmask_server,
            UnmaskConfig: self.unmask_config,
            PutServer: self.put_server,
            DeleteServer: self.delete_server,
            PutWorkspace: self.put_workspace,
            DeleteWorkspace: self.delete_workspace,
            PutConfig: self.put_config,
            ImportServers: self.import_servers,
        }

    async def config(self, body: ReadConfig) -> ConfigFile:
        """One of the files as it is now, with its secret values masked. What did not change is not masked again."""
        found = await self._writer.look(FILES[body.file])
        known = self._told.get(body.file)
        if known is None or known[0] is not found:
            known = self._told[body.file] = found, config_file(found, body, str(self._paths[found.file]))
        return known[1]

    async def unmask_server(self, body: UnmaskServer) -> Unmasked:
        """An entry with stored values in the place of masked ones. Raises NoSuchServer, MaskedValue."""
        stored = None
        if body.key is not None:
            servers = stored_servers(await self._writer.look(PROVIDERS))
            if body.key not in servers:
                raise NoSuchServer(f"There is no {body.key!r} in {PROVIDERS}.")
            stored = servers[body.key]
        return Unmasked(content=sendable(unmask_entry(body.entry, stored)))

    async def unmask_config(self, body: UnmaskConfig) -> Unmasked:
        """A whole providers.json with stored values in the place of masked ones.

        Raises:
            MaskedValue: none is stored.
            ConfigFileBroken: the file cannot be parsed.
        """
        found = await self._writer.look(PROVIDERS)
        return Unmasked(content=sendable(unmask_config(body.content, found.content)))

    async def put_server(self, body: PutServer) -> Changed:
        """Write one server. Raises what `edits.put_server` and `Owner.edit` raise."""
        return await self._owner.edit(partial(put_server, body=body), self._move("servers", body.old_key, body.key))

    async def delete_server(self, body: DeleteServer) -> Changed:
        """Remove one server, and its settings. Raises what `edits.delete_server` and `Owner.edit` raise."""
        return await self._owner.edit(partial(delete_server, body=body), self._move("servers", body.key, None))

    async def put_workspace(self, body: PutWorkspace) -> Changed:
        """Write one workspace. Raises what `edits.put_workspace` and `Owner.edit` raise."""
        settings = self._move("workspaces", body.old_name, body.name)
        renamed = {body.old_name: body.name} if body.old_name is not None else None
        return await self._owner.edit(partial(put_workspace, body=body), settings, renamed)

    async def delete_workspace(self, body: DeleteWorkspace) -> Changed:
        """Remove one workspace, and its settings. Raises what `edits.delete_workspace` and `Owner.edit` raise."""
        return await self._owner.edit(partial(delete_workspace, body=body), self._move("workspaces", body.name, None))

    async def put_config(self, body: PutConfig) -> Changed:
        """Replace a whole file. Raises what `edits.put_config` and `Owner.edit` raise."""
        return await self._owner.edit(partial(put_config, body=body))

    async def import_servers(self, body: ImportServers) -> Imported:
        """Take in servers of another client. Raises what `importing.import_servers` and `Owner.edit` raise."""
        made = import_servers({name: await self._writer.look(name) for name in (PROVIDERS, WORKSPACES)}, body)
        if body.dry_run:
            snapshot = (await self._owner.desired()).snapshot.id
            return Imported(servers=made.servers, workspace=body.workspace, snapshot=snapshot)
        last = [made]

        def edit(files: Files) -> Contents:
            last[0] = import_servers(files, body)
            return last[0].contents

        def switch_off(content: dict[str, Any]) -> dict[str, Any]:
            return _off(content, last[0])

        changed = await self._owner.edit(edit, switch_off if made.disabled else None)
        return Imported(servers=last[0].servers, workspace=body.workspace, snapshot=changed.snapshot)

    def _move(self, section: Section, old: str | None, new: str | None) -> Edit | None:
        """What a rename, or a removal (None), makes of hub.json; none if there is nothing to be made."""
        names: Collection[str] = [name for name in (old, new) if name is not None]
        if old is None or old == new or not self._owner.has_settings(section, names):
            return None
        return partial(moved, section=section, old=old, new=new)


def _off(content: dict[str, Any], made: Import) -> dict[str, Any]:
    for key in made.disabled:
        content = with_server(content, SetServer(key=key, settings={"enabled": False}))
    return content


def config_file(found: Found, body: ReadConfig, path: str) -> ConfigFile:
    """The answer to `config`, in which everything can cross the bridge, and secret values are masked."""
    document, problem, servers = found.document, found.issue, found.file == PROVIDERS
    every = entries_of(found.file, document or {})
    entries = {name: entry for name, entry in every.items() if encodable(name)}
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
    """A file's text, masked; None of one with secrets that cannot be parsed."""
    text = None if found.raw is None else found.raw.decode("utf-8-sig", "replace")
    if text is None or found.file != PROVIDERS:
        return text
    return None if found.document is None else masked_text(text, found.document)
