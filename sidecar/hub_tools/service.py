"""Makes the servers of the hub's own tools: one for each workspace that shows some, all over the same tools."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bridge.models.actual import HubToolStatus
from sidecar.errors import ToolUnknown
from sidecar.hub_tools.base import SERVERS, Health, HubTools, Usage
from sidecar.hub_tools.call_tools import CallTools
from sidecar.hub_tools.search_tool import SearchTools
from sidecar.hub_tools.status_tool import StatusTools
from sidecar.workspaces.hub_tools_member import REGISTRY_TOOLS

MAX_NAMED = 40
"""Servers that a description names."""


class HubToolsService:
    """The tools of one hub, in groups by the name of the tool."""

    def __init__(self, adapter: str) -> None:
        """`adapter` is the address of the adapter's socket, which the registry tools ask."""
        self._adapter = adapter
        self._groups: dict[str, HubTools] = {}
        for group in (CallTools(), SearchTools(), StatusTools(self.report)):
            self._add(group)

    def _add(self, group: HubTools) -> None:
        self._groups.update(dict.fromkeys(group.names, group))

    def server_of(self, tools: Sequence[str], servers: Sequence[str]) -> WorkspaceTools:
        """The server of a workspace that shows these tools and has these servers, by namespace."""
        if any(name in REGISTRY_TOOLS and name not in self._groups for name in tools):
            from sidecar.hub_tools.registry.adapter import Adapter  # noqa: PLC0415 - most workspaces show no such tools
            from sidecar.hub_tools.registry.tools import RegistryTools  # noqa: PLC0415

            self._add(RegistryTools(Adapter(self._adapter)))
        return WorkspaceTools({name: self._groups[name] for name in tools if name in self._groups}, servers)

    async def report(self) -> tuple[HubToolStatus, ...]:
        """How often each tool was called, and whether it can work, in the order of their names."""
        groups = dict.fromkeys(self._groups.values())
        health = {name: each for group in groups for name, each in (await group.health()).items()}
        return tuple(_status(name, self._groups[name].usage[name], health[name]) for name in sorted(self._groups))


def _status(name: str, usage: Usage, health: Health) -> HubToolStatus:
    return HubToolStatus(
        name=name,
        calls=usage.calls,
        failures=usage.failures,
        last_used=usage.last_used,
        problem=health.problem,
        what_to_do=health.what_to_do,
    )


class WorkspaceTools:
    """Those of the hub's tools that a workspace shows (`InProcessServer`), in their order."""

    def __init__(self, groups: dict[str, HubTools], servers: Sequence[str]) -> None:
        self._groups = groups
        more = f" and {len(servers) - MAX_NAMED} more" if len(servers) > MAX_NAMED else ""
        self._servers = f"{', '.join(servers[:MAX_NAMED])}{more}" or "none"

    async def list_tools(self) -> list[dict[str, Any]]:
        """The tools."""
        found: dict[str, dict[str, Any]] = {}
        for group in dict.fromkeys(self._groups.values()):
            found |= await group.list_tools()
        return [self._with_servers(found[name]) for name in self._groups]

    def _with_servers(self, tool: dict[str, Any]) -> dict[str, Any]:
        return {**tool, "description": tool["description"].replace(SERVERS, self._servers)}

    async def call_tool(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """The result of a call. Raises ToolUnknown."""
        if name not in self._groups:
            raise ToolUnknown(f"The workspace does not show the hub's tool {name!r}.")
        return await self._groups[name].call_tool(name, arguments)
