"""Parses workspaces.json entry by entry: an unusable entry does not affect the others. Pure."""

from __future__ import annotations

from bridge.models import Issue
from yamcp_ui_adapter.errors import issue
from yamcp_ui_adapter.format.document import is_encodable, json_type, read_document
from yamcp_ui_adapter.format.entries import WORKSPACES, WorkspaceEntry, WorkspacesFile


def parse_workspaces(raw: bytes | None, last: WorkspacesFile) -> WorkspacesFile:
    """Return every usable workspace; a workspace that became unusable keeps its members from `last`.

    Raises:
        FileUnusable: the file as a whole is unusable.
    """
    document = read_document(raw, WORKSPACES)
    issues = document.issues
    entries: dict[str, WorkspaceEntry] = {}
    for name, value in document.content.items():
        members = _members(name, value, issues) if is_encodable(name) else None
        if members is not None:
            entries[name] = WorkspaceEntry(name=name, members=members)
            continue
        held = last.entries.get(name)
        if held:
            entries[name] = held
        _report_bad(name, value, held, issues)
    return WorkspacesFile(entries=entries, issues=tuple(issues))


def _members(name: str, value: object, issues: list[Issue]) -> tuple[str, ...] | None:
    """Return the members without duplicates; None if the entry is not a workspace."""
    if isinstance(value, dict) and isinstance(value.get("servers"), list):
        value = value["servers"]
        _report("WORKSPACE_OBJECT", name, "it is an object with `servers`, not a list; it is used.", issues)
    if not isinstance(value, list):
        return None
    members: dict[str, None] = {}
    for place, item in enumerate(value):
        if not isinstance(item, str) or not is_encodable(item):
            _report("MEMBER_INVALID", name, f"member {place + 1} is {json_type(item)} that names no server.", issues)
        elif item in members:
            _report("MEMBER_DUPLICATE", name, f"it names {item!r} twice.", issues)
        else:
            members[item] = None
    return tuple(members)


def _report_bad(name: str, value: object, held: WorkspaceEntry | None, issues: list[Issue]) -> None:
    what = "it is an object without a list `servers`" if isinstance(value, dict) else f"it is {json_type(value)}"
    what = what if is_encodable(name) else "its name holds a NUL or half a character"
    outcome = "Its last good members stay in use." if held else "It is left out."
    _report("WORKSPACE_INVALID", name, f"{what}, not a list of servers. {outcome}", issues)


def _report(code: str, name: str, message: str, issues: list[Issue]) -> None:
    issues.append(issue(code, f"workspace:{name}", WORKSPACES, f"Workspace {name!r}: {message}"))
