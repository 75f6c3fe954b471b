"""Computes the changed documents for an import of another client's configuration. Pure."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from bridge.models import ImportedServer, ImportServers
from yamcp_ui_adapter.edit.edits import Contents, Files, members_of, refuse_too_deep, with_members
from yamcp_ui_adapter.errors import EntryInvalid
from yamcp_ui_adapter.format.document import is_encodable
from yamcp_ui_adapter.format.entries import PROVIDERS, WORKSPACES, ServerEntry
from yamcp_ui_adapter.format.entry_positions import entries_of, with_entries
from yamcp_ui_adapter.format.masking import unmask_entry
from yamcp_ui_adapter.format.other_clients import ForeignServer, foreign_servers
from yamcp_ui_adapter.format.providers import BadEntry, check_entry

Outcome = Literal["added", "replaced", "same", "exists", "unusable"]


class Import(NamedTuple):
    """The documents to be written, the result for each server, and the servers that are disabled in the client's
    configuration.
    """

    contents: Contents
    servers: tuple[ImportedServer, ...]
    disabled: tuple[str, ...]


def import_servers(files: Files, body: ImportServers) -> Import:
    """Add the servers of another client's configuration to the documents. An unusable server does not affect the
    others.

    Raises:
        MaskedValue: a value is masked, and no value is stored for it.
        EntryInvalid: the configuration has no server, or the workspace's name is invalid.
        ConfigFileBroken: a file that must be changed cannot be parsed.
    """
    refuse_too_deep(body.config)
    wanted = foreign_servers(body.config)
    if not wanted:
        message = "There is no server in what is to be imported: it has no `mcpServers`, `servers`, or servers by name."
        raise EntryInvalid(message, data={"issue": "SERVER_ENTRY_INVALID", "key": None})
    document = files[PROVIDERS].content
    there = entries_of(PROVIDERS, document)
    wanted = [_unmasked(server, there) for server in wanted]
    results = [_result(server, there, body.replace) for server in wanted]
    taken = [server for server, result in zip(wanted, results, strict=True) if result.outcome in ("added", "replaced")]
    contents: Contents = {}
    if taken:
        contents[PROVIDERS] = with_entries(PROVIDERS, document, {server.key: server.entry for server in taken})
    members = [result.key for result in results if result.outcome in ("added", "replaced", "same")]
    if body.workspace is not None and members:
        contents[WORKSPACES] = _with_members(files, body.workspace, members)
    return Import(contents, tuple(results), tuple(server.key for server in taken if not server.enabled))


def _unmasked(server: ForeignServer, there: dict[str, Any]) -> ForeignServer:
    """Return the server with masked values replaced by stored ones. Raises MaskedValue."""
    return server._replace(entry=unmask_entry(server.entry, there.get(server.key), server.key))


def _result(server: ForeignServer, there: dict[str, Any], replace: bool) -> ImportedServer:
    given = server.entry.get("type") if server.entry else ""
    kind = given if given in ("stdio", "sse", "http", "websocket") else ""
    if server.entry is None:
        return _imported(server, kind, "unusable", *server.notes)
    try:
        entry, issues = check_entry(server.key, server.entry)
    except BadEntry as error:
        return _imported(server, kind, "unusable", _sentence(error.message), *server.notes)
    odd = [found.message for found in issues if found.severity == "warning"]
    off = () if server.enabled else ("It was switched off there, and is here.",)
    if server.key not in there:
        return _imported(server, kind, "added", *odd, *server.notes, *off)
    if _same(entry, there[server.key]):
        return _imported(server, kind, "same")
    if replace:
        return _imported(server, kind, "replaced", *odd, *server.notes, *off)
    return _imported(server, kind, "exists", "Another server of that name is there already; it was left as it is.")


def _imported(server: ForeignServer, kind: str, outcome: Outcome, *messages: str) -> ImportedServer:
    return ImportedServer(key=server.key, type=kind, outcome=outcome, message=" ".join(messages))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _same(entry: ServerEntry, other: Any) -> bool:
    """Return whether an existing entry launches the same server."""
    try:
        return check_entry(entry.key, other)[0].launch == entry.launch
    except BadEntry:
        return False


def _with_members(files: Files, name: str, members: list[str]) -> dict[str, Any]:
    """Return workspaces.json with these servers added to a workspace, after its present members."""
    document = files[WORKSPACES].content
    entry = document.get(name, [])
    there = members_of(entry)
    if there is None or not is_encodable(name):
        message = f"Workspace {name!r} is not a list of servers, or its name holds a NUL."
        raise EntryInvalid(message, data={"issue": "WORKSPACE_INVALID", "key": name})
    new = [key for key in members if key not in there]
    return with_entries(WORKSPACES, document, {name: with_members(entry, [*there, *new])})
