"""A workspace by what a person calls it: its name, or its slug."""

from __future__ import annotations

from typing import TypeVar

from bridge.models import Status, WorkspaceSpec, WorkspaceStatus
from hubctl.errors import NoSuchWorkspace
from hubctl.render import clean

W = TypeVar("W", WorkspaceStatus, WorkspaceSpec)


def find_status(status: Status, workspace: str) -> WorkspaceStatus:
    """The workspace of that name, else of that slug.

    Raises:
        NoSuchWorkspace: there is neither.
    """
    return _find({entry.name: entry for entry in status.workspaces}, status.workspaces, workspace)


def find_spec(specs: tuple[WorkspaceSpec, ...], workspace: str) -> WorkspaceSpec:
    """As `find_status`, in the desired state."""
    return _find({entry.name: entry for entry in specs}, specs, workspace)


def _find(by_name: dict[str, W], entries: tuple[W, ...], wanted: str) -> W:
    found = by_name.get(wanted) or next((entry for entry in entries if entry.slug == wanted), None)
    if found is None:
        known = ", ".join(clean(name) for name in by_name) or "none"
        raise NoSuchWorkspace(f"There is no workspace {wanted!r}; there are: {known}.")
    return found
