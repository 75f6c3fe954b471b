"""Compares a snapshot with the running workspaces: which to create, update and remove. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from bridge.models import ServerSpec, Snapshot, WorkspaceSpec
from sidecar.protocol.in_process import is_hubs_own
from sidecar.workspaces.hub_tools_member import hub_tools_member, naming


@dataclass(frozen=True, slots=True)
class WantedWorkspace:
    """A workspace with the servers that should run for it, the hub's own tools among them; none if it is switched
    off."""

    spec: WorkspaceSpec
    servers: tuple[ServerSpec, ...]

    @property
    def has_hub_tools(self) -> bool:
        """Whether the hub's own tools are among the servers: then they are the last."""
        return bool(self.servers) and is_hubs_own(self.servers[-1])

    def seen_by(self, sees: Callable[[str], bool]) -> WantedWorkspace:
        """Without the servers that `sees` denies. The hub's own tools act with the rights of their callers, and their
        descriptions do not name those servers either."""
        seen = tuple(spec for spec in self.servers if not is_hubs_own(spec) and sees(spec.key))
        own = (naming(self.servers[-1], seen),) if self.has_hub_tools else ()
        return replace(self, servers=(*seen, *own))


@dataclass(frozen=True, slots=True)
class Plan:
    """The workspaces to create, update and remove; all others stay as they are."""

    create: tuple[WantedWorkspace, ...]
    update: tuple[WantedWorkspace, ...]
    remove: tuple[str, ...]


def wanted_workspaces(snapshot: Snapshot) -> dict[str, WantedWorkspace]:
    """The workspaces of a snapshot by name, each with the servers that are enabled, both in it and in general."""
    servers = {server.key: server for server in snapshot.servers if server.settings.enabled}
    keys = frozenset(server.key for server in snapshot.servers)
    found = {}
    for spec in snapshot.workspaces:
        members = tuple(servers[key] for key in _on(spec) if key in servers)
        own = hub_tools_member(spec, members, keys) if spec.enabled else None
        found[spec.name] = WantedWorkspace(spec, (*members, own) if own is not None else members)
    return found


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
