"""Computes the changed documents for each request that edits YAMCP's files. Pure.

Only the entries that a request names are changed; everything else is preserved, with unknown fields and the order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from bridge.errors import HubError
from bridge.models import ConfigName, DeleteServer, DeleteWorkspace, Issue, PutConfig, PutServer, PutWorkspace
from yamcp_ui_adapter.errors import (
    AlreadyExists,
    ConfigFileBroken,
    EditConflict,
    EntryInvalid,
    FileUnusable,
    NoSuchServer,
    NoSuchWorkspace,
    issue,
)
from yamcp_ui_adapter.format.document import is_encodable, read_document
from yamcp_ui_adapter.format.entries import PROVIDERS, WORKSPACES
from yamcp_ui_adapter.format.entry_positions import ABSENT, Content, entries_of, with_entries
from yamcp_ui_adapter.format.jsontext import entry_hash, file_hash, is_too_deep
from yamcp_ui_adapter.format.masking import unmask_config, unmask_entry
from yamcp_ui_adapter.format.providers import BadEntry, check_entry

ROLES: dict[str, ConfigName] = {PROVIDERS: "providers", WORKSPACES: "workspaces"}
FILES = {role: file for file, role in ROLES.items()}


class Found(NamedTuple):
    """One of YAMCP's files as it was read."""

    file: str
    raw: bytes | None
    """The bytes of the file; None if it does not exist."""
    document: Content | None
    issue: Issue | None
    """Why there is no document."""

    @property
    def content(self) -> Content:
        """The top-level object of the file.

        Raises:
            ConfigFileBroken: the file has none.
        """
        if self.document is None:
            reason = self.issue.message if self.issue else f"{self.file} cannot be parsed."
            raise ConfigFileBroken(reason, data={"file": ROLES[self.file]})
        return self.document


Files = Mapping[str, Found]
Contents = dict[str, Content]
"""The documents to be written, by file."""


def parse(file: str, raw: bytes | None) -> Found:
    """Return the parsed content of a file, or the issue that prevents its use."""
    try:
        content = read_document(raw, file).content
        if is_too_deep(content):
            raise FileUnusable("FILE_UNPARSABLE", file, f"{file} is nested too deep to be changed.")  # noqa: TRY301
    except FileUnusable as error:
        return Found(file, raw, None, error.issue)
    return Found(file, raw, content, None)


def unreadable(file: str, reason: str) -> Found:
    """Return the result for a file that exists but cannot be read."""
    message = f"{file} cannot be read ({reason})."
    return Found(file, b"", None, issue("FILE_UNREADABLE", f"file:{file}", file, message))


# --- servers ---------------------------------------------------------------------------------------------------------


def put_server(files: Files, body: PutServer) -> Contents:
    """Return the documents after `put_server`.

    Raises:
        MaskedValue, EntryInvalid, EditConflict, AlreadyExists, NoSuchServer, ConfigFileBroken: the edit is not
        possible.
    """
    refuse_too_deep(body.entry)
    found, old = files[PROVIDERS], body.key if body.old_key is None else body.old_key
    entry = unmask_entry(body.entry, None if body.expect == "" else stored_servers(found).get(old))
    try:
        check_entry(body.key, entry)
    except BadEntry as error:
        message = f"Server {body.key!r}: {error.message}"
        raise EntryInvalid(message, data={"issue": error.code, "key": body.key}) from None
    contents = {PROVIDERS: _put(found, old, body.key, entry, body.expect, NoSuchServer)}
    return contents if old == body.key else {**_members(files[WORKSPACES], old, body.key), **contents}


def delete_server(files: Files, body: DeleteServer) -> Contents:
    """Return the documents after `delete_server`. Raises EditConflict, NoSuchServer, ConfigFileBroken."""
    contents = {PROVIDERS: _deleted(files[PROVIDERS], body.key, body.expect, NoSuchServer)}
    return {**_members(files[WORKSPACES], body.key, None), **contents}


def stored_servers(found: Found) -> Content:
    """Return the entries of providers.json by key; empty if the file cannot be parsed."""
    return entries_of(PROVIDERS, found.document or {})


def _members(found: Found, old: str, new: str | None) -> Contents:
    """Return workspaces.json with one member renamed, or removed (None), in all workspaces."""
    changes: Content = {}
    for name, entry in found.content.items():
        members = members_of(entry)
        if members is not None and old in members:
            gone = old if new is None else new  # what is renamed to `new` takes the place of a member of that name
            keep = [member for member in members if member != gone]
            changes[name] = with_members(entry, [new if member == old else member for member in keep])
    return {WORKSPACES: with_entries(WORKSPACES, found.content, changes)} if changes else {}


# --- workspaces ------------------------------------------------------------------------------------------------------


def put_workspace(files: Files, body: PutWorkspace) -> Contents:
    """Return the documents after `put_workspace`.

    Raises:
        EntryInvalid, EditConflict, AlreadyExists, NoSuchWorkspace, ConfigFileBroken: the edit is not possible.
    """
    if not is_encodable([body.name, *body.servers]):
        message = f"Workspace {body.name!r}: its name, or a member's, holds a NUL or half a character."
        raise EntryInvalid(message, data={"issue": "WORKSPACE_INVALID", "key": body.name})
    found, old = files[WORKSPACES], body.name if body.old_name is None else body.old_name
    entry = with_members(found.content.get(old), list(body.servers))
    if isinstance(entry, dict) and entry.get("name") == old:
        entry["name"] = body.name
    return {WORKSPACES: _put(found, old, body.name, entry, body.expect, NoSuchWorkspace)}


def delete_workspace(files: Files, body: DeleteWorkspace) -> Contents:
    """Return the documents after `delete_workspace`. Raises EditConflict, NoSuchWorkspace, ConfigFileBroken."""
    return {WORKSPACES: _deleted(files[WORKSPACES], body.name, body.expect, NoSuchWorkspace)}


def members_of(entry: Any) -> list[Any] | None:
    """Return a workspace's members as the entry has them, in either of its two forms; None if it is not a workspace."""
    members = entry.get("servers") if isinstance(entry, dict) else entry
    return members if isinstance(members, list) else None


def with_members(entry: Any, members: list[Any]) -> Any:
    """Return the workspace with other members, in the same form as before."""
    return {**entry, "servers": members} if isinstance(entry, dict) and members_of(entry) is not None else members


# --- whole files -----------------------------------------------------------------------------------------------------


def put_config(files: Files, body: PutConfig) -> Contents:
    """Return the document after `put_config`. A caller that gives the hash of the present bytes may replace a broken
    file.

    Raises:
        MaskedValue, EditConflict, ConfigFileBroken: nothing is to be written.
    """
    refuse_too_deep(body.content)
    found = files[FILES[body.file]]
    now = file_hash(found.raw)
    if body.expect is None:
        found.content  # noqa: B018 - raises
    elif body.expect != now:
        message = f"{found.file} was changed by somebody else since it was read."
        raise EditConflict(message, data={"file": body.file, "key": None, "hash": now})
    elif found.issue and found.issue.code == "FILE_UNREADABLE":
        found.content  # noqa: B018 - raises
    if found.file == WORKSPACES:
        return {found.file: body.content}
    return {found.file: unmask_config(body.content, found.document or {})}


def refuse_too_deep(value: Any) -> None:
    """Check that a value to be written is not nested too deep for the programs that read the file.

    Raises:
        EntryInvalid: it is nested deeper than `MAX_DEPTH`.
    """
    if is_too_deep(value):
        message = "What is to be written is nested too deep."
        raise EntryInvalid(message, data={"issue": "SERVER_ENTRY_INVALID", "key": None})


# --- one entry -------------------------------------------------------------------------------------------------------


def _put(found: Found, old: str, new: str, entry: Any, expect: str | None, missing: type[HubError]) -> Content:
    """Return the document with the entry in place of `old`, under the name `new`."""
    entries = entries_of(found.file, found.content)
    _compare(found, old, expect, creating=old == new)
    if old == new:
        return with_entries(found.file, found.content, {new: entry})
    if old not in entries:
        raise missing(f"There is no {old!r} in {found.file}.")
    if new in entries:
        raise AlreadyExists(f"{new!r} is in {found.file} already.", data={"key": new})
    order = [new if name == old else name for name in entries]
    return with_entries(found.file, found.content, {old: ABSENT, new: entry}, order)


def _deleted(found: Found, name: str, expect: str | None, missing: type[HubError]) -> Content:
    _compare(found, name, expect)
    if name not in entries_of(found.file, found.content):
        raise missing(f"There is no {name!r} in {found.file}.")
    return with_entries(found.file, found.content, {name: ABSENT})


def _compare(found: Found, name: str, expect: str | None, creating: bool = False) -> None:
    """Check that the entry is what the caller saw, or (`creating`) that there is none.

    Raises:
        EditConflict: the entry was changed.
        AlreadyExists: an entry is to be created, and there is one.
    """
    entries = entries_of(found.file, found.content)
    now = entry_hash(entries[name]) if name in entries else ""
    if expect is None or expect == now:
        return
    data = {"file": ROLES[found.file], "key": name, "hash": now}
    if creating and not expect:
        raise AlreadyExists(f"{name!r} is in {found.file} already.", data=data)
    what = "changed" if now else "removed"
    raise EditConflict(f"{name!r} in {found.file} was {what} by somebody else since it was read.", data=data)
