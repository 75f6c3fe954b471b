"""Compares a snapshot with the running workspaces: which to create, update and remove. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from bridge.models import ServerSpec, Snapshot, WorkspaceSpec


@dataclass(frozen=True, slots=True)
class WantedWorkspace:
    """A workspace with the servers that should run for it; none if it is switched off."""

    spec: WorkspaceSpec
    servers: tuple[ServerSpec, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The workspaces to create, update and remove; all others stay as they are."""

    create: tuple[WantedWorkspace, ...]
    update: tuple[WantedWorkspace, ...]
    remove: tuple[str, ...]


def wanted_workspaces(snapshot: Snapshot) -> dict[str, WantedWorkspace]:
    """The workspaces of a snapshot by name, each with the servers that are enabled, both in it and in general."""
    servers = {server.key: server for server in snapshot.servers if server.settings.enabled}
    return {
        spec.name: WantedWorkspace(spec, tuple(servers[key] for key in _on(spec) if key in servers))
        for spec in snapshot.workspaces
    }


def _on(spec: WorkspaceSpec) -> tuple[str, ...]:
    """The keys of the servers that a workspace enables; none if it is switched off."""
    return tuple(key for key in spec.servers if key not in spec.disabled_servers) if spec.enabled else ()


def plan(desired: Snapshot, running: Mapping[str, WantedWorkspace], renewed: Collection[str] = ()) -> Plan:
    """The steps from `running` (by workspace name) to `desired`.

    `renewed`: servers whose workspaces are updated although their definitions are the same.
    """
    target = wanted_workspaces(desired)
    stale = {name for name, item in target.items() if any(server.key in renewed for server in item.servers)}
    return Plan(
        create=tuple(item for name, item in target.items() if name not in running),
        update=tuple(
            item for name, item in target.items() if name in running and (running[name] != item or name in stale)
        ),
        remove=tuple(name for name in running if name not in target),
    )
