"""What has to change to get from what runs to what is desired. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bridge.models import ServerSpec, Snapshot, WorkspaceSpec


@dataclass(frozen=True, slots=True)
class Wanted:
    """A workspace with the servers that should run for it: none when it is off."""

    spec: WorkspaceSpec
    servers: tuple[ServerSpec, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Workspaces to make, to change and to give up; what is not named stays untouched."""

    create: tuple[Wanted, ...]
    update: tuple[Wanted, ...]
    remove: tuple[str, ...]


def wanted(snapshot: Snapshot) -> dict[str, Wanted]:
    """Each workspace of a snapshot, by name, with its servers that are switched on, there and everywhere."""
    servers = {server.key: server for server in snapshot.servers if server.settings.enabled}
    return {
        spec.name: Wanted(spec, tuple(servers[key] for key in _on(spec) if key in servers))
        for spec in snapshot.workspaces
    }


def _on(spec: WorkspaceSpec) -> tuple[str, ...]:
    """The servers that a workspace switches on: none when it is off itself."""
    return tuple(key for key in spec.servers if key not in spec.disabled_servers) if spec.enabled else ()


def plan(desired: Snapshot, running: Mapping[str, Wanted]) -> Plan:
    """The steps from `running` (by workspace name) to `desired`."""
    target = wanted(desired)
    return Plan(
        create=tuple(item for name, item in target.items() if name not in running),
        update=tuple(item for name, item in target.items() if name in running and running[name] != item),
        remove=tuple(name for name in running if name not in target),
    )
