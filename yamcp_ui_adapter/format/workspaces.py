"""workspaces.json, entry by entry: a bad one never hides a good one (pure)."""

from __future__ import annotations

from bridge.models import Issue
from yamcp_ui_adapter.errors import issue
from yamcp_ui_adapter.format.document import encodable, kind_of, read_document
from yamcp_ui_adapter.format.entries import WORKSPACES, WorkspaceEntry, WorkspacesFile


def parse_workspaces(raw: bytes | None, last: WorkspacesFile) -> WorkspacesFile:
    """Every workspace that can be used; one that turned bad keeps the members that `last` had for it.

    Raises:
        FileUnusable: the file as a whole says nothing.
    """
    document = read_document(raw, WORKSPACES)
    issues = document.issues
    entries: dict[str, WorkspaceEntry] = {}
    for name, value in document.content.items():
        members = _members(name, value, issues) if encodable(name) else None
        if members is not None:
            entries[name] = WorkspaceEntry(name=name, members=members)
            continue
        held = last.entries.get(name)
        if held:
            entries[name] = held
        _report_bad(name, value, held, issues)
    return WorkspacesFile(entries=entries, issues=tuple(issues))


def _members(name: str, value: object, issues: list[Issue]) -> tuple[str, ...] | None:
    """The members, each once; none if this is no workspace."""
    if isinstance(value, dict) and isinstance(value.get("servers"), list):
        value = value["servers"]
        _report("WORKSPACE_OBJECT", name, "it is an object with `servers`, not a list; it is used.", issues)
    if not isinstance(value, list):
        return None
    members: dict[str, None] = {}
    for place, item in enumerate(value):
        if not isinstance(item, str) or not encodable(item):
            _report("MEMBER_INVALID", name, f"member {place + 1} is {kind_of(item)} that names no server.", issues)
        elif item in members:
            _report("MEMBER_DUPLICATE", name, f"it names {item!r} twice.", issues)
        else:
            members[item] = None
    return tuple(members)


def _report_bad(name: str, value: object, held: WorkspaceEntry | None, issues: list[Issue]) -> None:
    what = "it is an object without a list `servers`" if isinstance(value, dict) else f"it is {kind_of(value)}"
    what = what if encodable(name) else "its name holds a NUL or half a character"
    outcome = "Its last good members stay in use." if held else "It is left out."
    _report("WORKSPACE_INVALID", name, f"{what}, not a list of servers. {outcome}", issues)


def _report(code: str, name: str, message: str, issues: list[Issue]) -> None:
    issues.append(issue(code, f"workspace:{name}", WORKSPACES, f"Workspace {name!r}: {message}"))
