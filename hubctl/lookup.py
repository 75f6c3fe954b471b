"""A workspace or server by what a person calls it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from bridge.models import Status, WorkspaceSpec, WorkspaceStatus
from hubctl.errors import NoSuchServer, NoSuchWorkspace
from hubctl.render import clean, suggestion

MOST = 20
"""Names that a message lists."""
W = TypeVar("W", WorkspaceStatus, WorkspaceSpec)


def find_status(status: Status, workspace: str) -> WorkspaceStatus:
    """The workspace of that name, else of that slug, else of that alias.

    Raises:
        NoSuchWorkspace: there is neither.
    """
    return _find({entry.name: entry for entry in status.workspaces}, status.workspaces, workspace)


def find_spec(specs: tuple[WorkspaceSpec, ...], workspace: str) -> WorkspaceSpec:
    """As `find_status`, in the desired state."""
    return _find({entry.name: entry for entry in specs}, specs, workspace)


def spec_or_name(specs: tuple[WorkspaceSpec, ...], workspace: str) -> str:
    """The name of the workspace that is called so, or has that slug; else the name of one that is to be made."""
    names = {slug: entry.name for entry in specs for slug in entry.slugs} | {entry.name: entry.name for entry in specs}
    return names.get(workspace, workspace)


def check_server(known: Iterable[str], server: str) -> str:
    """The server's key, which must be one of those known.

    Raises:
        NoSuchServer: it is not.
    """
    names = list(known)
    if server not in names:
        raise NoSuchServer(f"There is no server {server!r}{_others(server, names)}.")
    return server


def check_workspace(known: Iterable[str], workspace: str) -> str:
    """The workspace's name, which must be one of those known. Raises NoSuchWorkspace."""
    names = list(known)
    if workspace not in names:
        raise NoSuchWorkspace(f"There is no workspace {workspace!r}{_others(workspace, names)}.")
    return workspace


def _find(by_name: dict[str, W], entries: tuple[W, ...], wanted: str) -> W:
    called = (entry for entry in entries if wanted == entry.slug or wanted in entry.aliases)
    found = by_name.get(wanted) or next(called, None)
    return found or by_name[check_workspace(by_name, wanted)]


def _others(wanted: str, names: list[str]) -> str:
    """The name that may be meant, and those that there are."""
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return f"{suggestion(wanted, names)}; there are: {', '.join(map(clean, names[:MOST])) or 'none'}{more}"
