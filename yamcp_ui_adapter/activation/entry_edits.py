"""The changed documents when a server is activated, updated, or removed again. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from bridge.models import SetServer
from yamcp_ui_adapter.edit.edits import Contents, Files, members_of, stored_servers, with_members
from yamcp_ui_adapter.errors import AlreadyExists, EntryInvalid, NoSuchServer
from yamcp_ui_adapter.format.document import is_encodable
from yamcp_ui_adapter.format.entries import PROVIDERS, WORKSPACES
from yamcp_ui_adapter.format.entry_positions import ABSENT, Content, with_entries
from yamcp_ui_adapter.format.hubfile import with_server
from yamcp_ui_adapter.format.providers import BadEntry, check_entry


def added(files: Files, key: str, entry: Content, workspaces: Sequence[str]) -> Contents:
    """Return the documents with a new server, a member of these workspaces, which are created if they are missing.

    Raises:
        AlreadyExists, EntryInvalid, ConfigFileBroken: nothing is to be written.
    """
    if key in stored_servers(files[PROVIDERS]):
        raise AlreadyExists(f"{key!r} is in {PROVIDERS} already.", data={"key": key})
    contents = {PROVIDERS: _with_entry(files, key, entry)}
    document = files[WORKSPACES].content
    changes: Content = {}
    for name in workspaces:
        found = document.get(name, [])
        members = members_of(found)
        if members is None or not is_encodable(name):
            message = f"Workspace {name!r} is not a list of servers, or its name holds a NUL."
            raise EntryInvalid(message, data={"issue": "WORKSPACE_INVALID", "key": name})
        if key not in members:
            changes[name] = with_members(found, [*members, key])
    return contents | ({WORKSPACES: with_entries(WORKSPACES, document, changes)} if changes else {})


def replaced(files: Files, key: str, entry: Content) -> Contents:
    """Return the document with another entry for a server. Raises NoSuchServer, EntryInvalid, ConfigFileBroken."""
    if key not in stored_servers(files[PROVIDERS]):
        raise NoSuchServer(f"There is no {key!r} in {PROVIDERS}.")
    return {PROVIDERS: _with_entry(files, key, entry)}


def removed(files: Files, key: str, created: Collection[str] = ()) -> Contents:
    """Return the documents without a server, and without those of the workspaces `created` that are empty then."""
    contents: Contents = {}
    if key in stored_servers(files[PROVIDERS]):
        contents[PROVIDERS] = with_entries(PROVIDERS, files[PROVIDERS].content, {key: ABSENT})
    document = files[WORKSPACES].content
    changes: Content = {}
    for name, entry in document.items():
        members = members_of(entry)
        if members is not None and key in members:
            left = [member for member in members if member != key]
            changes[name] = with_members(entry, left) if left or name not in created else ABSENT
    return contents | ({WORKSPACES: with_entries(WORKSPACES, document, changes)} if changes else {})


def with_program(entry: Content, before: Sequence[str], program: Sequence[str]) -> Content:
    """Return an entry, which somebody may have edited, with another program; all else stays.

    Raises:
        EntryInvalid: it does not run the program that the hub installed before.
    """
    parameters = entry.get("providerParameters")
    args = parameters.get("args", []) if isinstance(parameters, dict) else None
    if not isinstance(parameters, dict) or [parameters.get("command"), *(args or [])][: len(before)] != [*before]:
        message = "The entry was changed so that it does not run what the hub installed."
        raise EntryInvalid(message, data={"issue": "SERVER_ENTRY_INVALID"})
    rest: list[Any] = [*(args or [])][len(before) - 1 :]
    return {**entry, "providerParameters": {**parameters, "command": program[0], "args": [*program[1:], *rest]}}


def with_container(key: str, image: str) -> Callable[[Content], Content]:
    """Return the edit of hub.json after which a server runs in an image; its other settings of the container stay."""

    def edit(content: Content) -> Content:
        settings = content.get("servers", {}).get(key, {}).get("container") or {"network": True}
        return with_server(content, SetServer(key=key, settings={"container": {**settings, "image": image}}))

    return edit


def _with_entry(files: Files, key: str, entry: Content) -> Content:
    try:
        check_entry(key, entry)
    except BadEntry as error:
        raise EntryInvalid(f"Server {key!r}: {error.message}", data={"issue": error.code, "key": key}) from None
    return with_entries(PROVIDERS, files[PROVIDERS].content, {key: entry})
