"""Computes the changed documents for one request about several servers and workspaces. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bridge.models import EditMany, SetServer, SetWorkspace
from yamcp_ui_adapter.edit.edits import Contents, Files, members_of, with_members
from yamcp_ui_adapter.errors import EditInvalid, NoSuchServer, NoSuchWorkspace
from yamcp_ui_adapter.format.entries import PROVIDERS, WORKSPACES
from yamcp_ui_adapter.format.entry_positions import ABSENT, Content, entries_of, with_entries
from yamcp_ui_adapter.format.hubfile import with_server, with_settings_moved, with_workspace

SWITCHES = {"enable": True, "disable": False}


def edit_many(files: Files, body: EditMany) -> Contents:
    """Return YAMCP's files after `edit_many`; if one of the names does not exist, nothing is changed.

    Raises:
        NoSuchServer, NoSuchWorkspace: one of the names does not exist.
        EditInvalid: the request names nothing.
        ConfigFileBroken: a file that must be changed cannot be parsed.
    """
    servers, workspaces = entries_of(PROVIDERS, files[PROVIDERS].content), files[WORKSPACES].content
    _check(body, servers, workspaces)
    if body.action in SWITCHES:
        return {}
    if body.action != "delete":
        changes = {name: _with_servers(name, workspaces[name], body) for name in body.workspaces}
        return {WORKSPACES: with_entries(WORKSPACES, workspaces, changes)}
    contents: Contents = {WORKSPACES: with_entries(WORKSPACES, workspaces, _deleted(workspaces, body))}
    if body.servers:
        gone = dict.fromkeys(body.servers, ABSENT)
        contents[PROVIDERS] = with_entries(PROVIDERS, files[PROVIDERS].content, gone)
    return contents


def settings_of_many(content: dict[str, Any], body: EditMany) -> dict[str, Any]:
    """Return hub.json after `edit_many`. Raises EditInvalid."""
    if body.action in SWITCHES:
        on = SWITCHES[body.action]
        for key in body.servers:
            content = with_server(content, SetServer(key=key, settings={"enabled": on}))
        for name in body.workspaces:
            content = with_workspace(content, SetWorkspace(name=name, enabled=on))
    elif body.action == "delete":
        for key in body.servers:
            content = with_settings_moved(content, "servers", key, None)
        for name in body.workspaces:
            content = with_settings_moved(content, "workspaces", name, None)
    return content


def _check(body: EditMany, servers: Content, workspaces: Content) -> None:
    membership = body.action in ("join", "leave")
    if not (body.servers and body.workspaces if membership else body.servers or body.workspaces):
        raise EditInvalid("No server and no workspace is named to do it to.", data={"field": "servers"})
    if missing := _first_missing(body.servers, servers):
        raise NoSuchServer(f"There is no server {missing[0]!r}; nothing was changed.")
    if missing := _first_missing(body.workspaces, workspaces):
        raise NoSuchWorkspace(f"There is no workspace {missing[0]!r}; nothing was changed.")


def _first_missing(names: Iterable[str], known: Content) -> list[str]:
    return [name for name in names if name not in known][:1]


def _with_servers(name: str, entry: Any, body: EditMany) -> Any:
    """Return a workspace after `join` or `leave`."""
    members = members_of(entry)
    if members is None:
        raise EditInvalid(f"The entry of the workspace {name!r} is no list of servers.", data={"field": "workspaces"})
    kept = [member for member in members if body.action == "join" or member not in body.servers]
    new = [key for key in body.servers if body.action == "join" and key not in members]
    return with_members(entry, [*kept, *new])


def _deleted(workspaces: Content, body: EditMany) -> Content:
    """Return the changes of workspaces when some are deleted, and others lose servers."""
    changes: Content = dict.fromkeys(body.workspaces, ABSENT)
    for name, entry in workspaces.items():
        members = members_of(entry)
        if name not in changes and members and any(key in members for key in body.servers):
            changes[name] = with_members(entry, [member for member in members if member not in body.servers])
    return changes
