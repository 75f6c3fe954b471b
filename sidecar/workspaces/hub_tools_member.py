"""The hub's own tools as a member of a workspace: which of them it shows, and under which key. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from bridge.models import ServerSettings, ServerSpec, WorkspaceSpec
from sidecar.protocol.in_process import InProcessLaunch

KEY = "yamcp-hub"
"""The key of the member, unless a configured server has it."""
HUB_TOOLS = ("hub_status", "hub_search_tools", "hub_call_tool", "hub_call_many")
SEARCH_TOOLS = ("hub_search_tools", "hub_call_tool")
"""Those that a workspace with `tools: search` needs."""
REGISTRY_READING = ("registry_find", "registry_active", "registry_status")
REGISTRY_TOOLS = (*REGISTRY_READING, "registry_add", "registry_exec", "registry_remove", "registry_config_set")
SETTINGS = ServerSettings(era="legacy", health_interval=0, max_inflight=1000, tenancy="all", call_timeout=3600)


def hub_tools_of(spec: WorkspaceSpec) -> tuple[str, ...]:
    """The names of the hub's own tools that a workspace shows; empty for most workspaces."""
    registry = {"off": (), "find": REGISTRY_READING}.get(spec.registry, REGISTRY_TOOLS)
    hub_tools = HUB_TOOLS if spec.hub_tools else SEARCH_TOOLS if spec.tools == "search" else ()
    return (*hub_tools, *registry)


def hub_tools_member(spec: WorkspaceSpec, servers: Iterable[ServerSpec], keys: Collection[str]) -> ServerSpec | None:
    """The member with the hub's own tools; None if the workspace shows none. `servers`: those of the workspace; `keys`:
    those of all servers."""
    tools = hub_tools_of(spec)
    if not tools:
        return None
    key = KEY
    while key in keys:
        key += "-tools"
    launch = InProcessLaunch(workspace=spec.name, tools=tools, servers=_namespaces(servers))
    return ServerSpec(key=key, namespace="hub", launch=launch, settings=SETTINGS)


def naming(member: ServerSpec, servers: Iterable[ServerSpec]) -> ServerSpec:
    """The member whose tools name these servers in their descriptions, and no others."""
    launch = member.launch.model_copy(update={"servers": _namespaces(servers)})
    return member.model_copy(update={"launch": launch})


def _namespaces(servers: Iterable[ServerSpec]) -> tuple[str, ...]:
    return tuple(each.namespace for each in servers)
