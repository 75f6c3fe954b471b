"""`hub_status`: the servers of the caller's workspace, what is wrong with them, and what to do."""

from __future__ import annotations

from collections import Counter

from pydantic import BaseModel, Field

from sidecar.hub_tools.base import READS, HubTools
from sidecar.protocol.in_process import is_hubs_own
from sidecar.workspaces.members import Member


class ServerReport(BaseModel):
    """A server of the workspace."""

    server: str
    state: str = Field(description="ready, starting, sleeping (the next call starts it), on demand, backoff or failed")
    tools: int
    problem: str | None = Field(None, description="why it does not serve")
    what_to_do: str | None = None


class WorkspaceReport(BaseModel):
    """The workspace of the caller."""

    workspace: str
    tools: int
    servers: list[ServerReport]
    hub_tools_called: dict[str, int] = Field(
        description="how often each of the hub's own tools was called; for administrators"
    )


class StatusTools(HubTools):
    """The tool `hub_status`. `groups` are all groups of tools, by the name of the tool."""

    def __init__(self, groups: dict[str, HubTools]) -> None:
        super().__init__("status")
        self._groups = groups
        self.add(self.hub_status, "hub_status", title="Status of this workspace", annotations=READS)

    async def hub_status(self) -> WorkspaceReport:
        """Show which MCP servers this workspace has, whether they work, what is wrong with those that do not, and what
        to do about it. Call it when a tool is missing or fails."""
        caller = self.caller()
        view = await caller.view()
        counts = Counter(route.offer.spec.key for route in view.tool_routes.values())
        members = [member for member in caller.workspace.members.values() if not is_hubs_own(member.spec)]
        called = {name: group.usage[name].calls for name, group in self._groups.items() if caller.administrator}
        return WorkspaceReport(
            workspace=caller.workspace.name,
            tools=len(view.tool_routes),
            servers=[_report(member, counts[member.spec.key]) for member in members],
            hub_tools_called={name: number for name, number in called.items() if number},
        )


def _report(member: Member, tools: int) -> ServerReport:
    """The state of one server, as calls of the caller meet it."""
    upstream, refused = member.serving, member.refused
    report = ServerReport(server=member.spec.key, state="on demand", tools=tools)
    if refused is not None:
        report.state, report.problem, report.what_to_do = "failed", refused.message, refused.advice
    elif upstream is not None:
        report.state = upstream.shown_state
        if (reason := upstream.reason) is not None and not member.serves:
            report.problem, report.what_to_do = reason.message, reason.hint
    return report
