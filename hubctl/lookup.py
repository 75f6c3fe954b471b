"""Find a workspace or server by the name that the user typed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from bridge.models import Status, WorkspaceSpec, WorkspaceStatus
from hubctl.errors import NoSuchServer, NoSuchWorkspace
from hubctl.render import clean, suggestion

MOST_NAMES = 20
"""Maximum number of names that a message lists."""
W = TypeVar("W", WorkspaceStatus, WorkspaceSpec)


def find_status(status: Status, workspace: str) -> WorkspaceStatus:
    """Find a workspace in the status: by name, else by slug, else by an alias of it.

    Raises:
        NoSuchWorkspace: no workspace matches.
    """
    return _find({entry.name: entry for entry in status.workspaces}, status.workspaces, workspace)


def find_spec(specs: tuple[WorkspaceSpec, ...], workspace: str) -> WorkspaceSpec:
    """Find a workspace in the desired state, as `find_status` does."""
    return _find({entry.name: entry for entry in specs}, specs, workspace)


def spec_or_name(specs: tuple[WorkspaceSpec, ...], workspace: str) -> str:
    """Return the name of the workspace with that name or slug, else the word: the name of a new workspace."""
    names = {slug: entry.name for entry in specs for slug in entry.slugs} | {entry.name: entry.name for entry in specs}
    return names.get(workspace, workspace)


def check_server(known: Iterable[str], server: str) -> str:
    """Return the key if the server is known.

    Raises:
        NoSuchServer: it is not.
    """
    names = list(known)
    if server not in names:
        raise NoSuchServer(f"There is no server {server!r}{_others(server, names)}.")
    return server


def check_workspace(known: Iterable[str], workspace: str) -> str:
    """Return the name if the workspace is known. Raises NoSuchWorkspace."""
    names = list(known)
    if workspace not in names:
        raise NoSuchWorkspace(f"There is no workspace {workspace!r}{_others(workspace, names)}.")
    return workspace


def _find(by_name: dict[str, W], entries: tuple[W, ...], wanted: str) -> W:
    called = (entry for entry in entries if wanted == entry.slug or wanted in entry.aliases)
    found = by_name.get(wanted) or next(called, None)
    return found or by_name[check_workspace(by_name, wanted)]


def _others(wanted: str, names: list[str]) -> str:
    """Return the name that the user may have meant, and the known names."""
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"{suggestion(wanted, names)}; there are: {', '.join(map(clean, names[:MOST_NAMES])) or 'none'}{more}"
