"""`registry_find`, `registry_active` and `registry_status`: they change nothing."""

from __future__ import annotations

from typing import Annotated

from fastmcp.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import Field

from bridge.models.catalog.activation import CatalogInput
from bridge.models.catalog.approvals import ReadRegistryProgress, RegistryEntry, RegistryFind, RegistryProgress
from sidecar.hub_tools.base import HEALTHY, READS, Health, HubTools
from sidecar.hub_tools.registry.adapter import Adapter, vouched
from sidecar.hub_tools.registry.results import (
    ActiveServer,
    ActiveServers,
    FoundServer,
    FoundServers,
    FoundSetting,
    StatusReport,
)
from sidecar.hub_tools.registry.waiting import tools_of
from sidecar.protocol.in_process import is_hubs_own

READS_CATALOGUE = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=True)


class ReadingTools(HubTools):
    """The registry tools of a workspace with `registry: find`."""

    def __init__(self, adapter: Adapter) -> None:
        super().__init__("registry")
        self._adapter = adapter
        self.add(self.registry_find, "registry_find", title="Find MCP servers", annotations=READS_CATALOGUE)
        self.add(self.registry_active, "registry_active", title="Servers of this workspace", annotations=READS)
        self.add(self.registry_status, "registry_status", title="State of a change", annotations=READS)

    async def depends(self) -> Health:
        """Whether the adapter answers."""
        away = await self._adapter.away()
        return HEALTHY if away is None else Health(away.message, away.advice)

    async def registry_find(
        self,
        query: Annotated[str, Field(min_length=1, max_length=200, description="keywords, such as `github issues`")],
        limit: Annotated[int, Field(ge=1, le=50, description="number of servers")] = 10,
    ) -> FoundServers:
        """Find MCP servers in the hub's catalogue that could be added to this workspace, with their settings."""
        caller = self.caller()
        found = await self._adapter.request(
            RegistryFind(caller=vouched(caller), workspace=caller.workspace.name, text=query, limit=limit)
        )
        return FoundServers(servers=[_server(each) for each in found.entries], more=found.more)

    async def registry_active(self) -> ActiveServers:
        """List the MCP servers of this workspace with their tools, and which of them agents have added."""
        caller = self.caller()
        added, view = (await self._progress("")).added, await caller.view()
        keys = [key for key, member in caller.workspace.members.items() if not is_hubs_own(member.spec)]
        return ActiveServers(
            workspace=caller.workspace.name,
            servers=[ActiveServer(server=key, tools=tools_of(view, key), added_by_agent=key in added) for key in keys],
        )

    async def registry_status(
        self,
        change: Annotated[str, Field(min_length=1, max_length=64, description="the `id` that registry_add returned")],
    ) -> StatusReport:
        """Show what became of a change: an installation, a proposal, or a page for secrets."""
        found = await self._progress(change)
        job, proposal = found.job, found.proposal
        if job is not None:
            why = f"{job.error.message} {job.error.hint or ''}" if job.error is not None else job.step
            tools = tools_of(await self.caller().view(), job.key)
            return StatusReport(id=change, state=job.state, server=job.key, detail=why.strip(), tools=tools)
        if proposal is not None:
            why = proposal.error.message if proposal.error is not None else ""
            tools = tools_of(await self.caller().view(), proposal.key)
            return StatusReport(id=change, state=proposal.state, server=proposal.key, detail=why, tools=tools)
        if found.ticket is not None:
            return StatusReport(id=change, state=found.ticket, detail="the page on which a person enters secrets")
        raise ToolError(f"You have begun no change {change!r}, or the hub has forgotten it.")

    async def _progress(self, number: str) -> RegistryProgress:
        caller = self.caller()
        return await self._adapter.request(
            ReadRegistryProgress(caller=vouched(caller), workspace=caller.workspace.name, id=number)
        )


def _server(entry: RegistryEntry) -> FoundServer:
    return FoundServer(
        name=entry.name,
        version=entry.version,
        title=entry.title,
        description=entry.description,
        source=entry.source,
        settings=[_setting(each) for each in entry.inputs],
    )


def _setting(given: CatalogInput) -> FoundSetting:
    return FoundSetting(
        name=given.name,
        description=given.description,
        required=given.required,
        secret=given.secret,
        default=given.default,
        choices=list(given.choices),
    )
