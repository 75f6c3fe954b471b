"""`hub_status`: the servers of the caller's workspace, what is wrong with them, and what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable

from pydantic import BaseModel, Field

from bridge.models.actual import HubToolStatus
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


class HubToolReport(BaseModel):
    """One of the hub's own tools in this workspace."""

    tool: str
    calls: int = Field(0, description="calls in all workspaces since the hub started; for administrators, else 0")
    failures: int = 0
    last_used: float | None = Field(None, description="Unix time")
    problem: str | None = Field(None, description="why it cannot work at the moment")
    what_to_do: str | None = None


class WorkspaceReport(BaseModel):
    """The workspace of the caller."""

    workspace: str
    tools: int
    servers: list[ServerReport]
    hub_tools: list[HubToolReport] = Field(description="the hub's own tools that this workspace shows")


class StatusTools(HubTools):
    """The tool `hub_status`. `report` returns the state of all tools of the hub."""

    def __init__(self, report: Callable[[], Awaitable[tuple[HubToolStatus, ...]]]) -> None:
        super().__init__("status")
        self._hub_tools = report
        self.add(self.hub_status, "hub_status", title="Status of this workspace", annotations=READS)

    async def hub_status(self) -> WorkspaceReport:
        """Show which MCP servers this workspace has, whether they work, what is wrong with those that do not, and what
        to do about it. Call it when a tool is missing or fails."""
        caller = self.caller()
        view = await caller.view()
        counts = Counter(route.offer.spec.key for route in view.tool_routes.values())
        members = [member for member in caller.workspace.members.values() if not is_hubs_own(member.spec)]
        return WorkspaceReport(
            workspace=caller.workspace.name,
            tools=len(view.tool_routes),
            servers=[_report(member, counts[member.spec.key]) for member in members],
            hub_tools=[
                _of_hub(each, figures=caller.administrator)
                for each in await self._hub_tools()
                if each.name in view.tool_routes and is_hubs_own(view.tool_routes[each.name].offer.spec)
            ],
        )


def _of_hub(tool: HubToolStatus, *, figures: bool) -> HubToolReport:
    """The state of a tool of the hub. `figures`: with those of all callers."""
    report = HubToolReport(tool=tool.name, problem=tool.problem, what_to_do=tool.what_to_do)
    if figures:
        report.calls, report.failures, report.last_used = tool.calls, tool.failures, tool.last_used
    return report


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
