"""`hub_call_tool` and `hub_call_many`: calls of other tools of the workspace, with the caller's rights."""

from __future__ import annotations

from typing import Annotated, Any

from fastmcp.tools import ToolResult
from mcp_types import CallToolResult, ToolAnnotations
from pydantic import BaseModel, ConfigDict, Field

from sidecar.calls.fan_out import FanOut, Limits, Outcome, Planned
from sidecar.hub_tools.base import Arguments, HubTools

MAX_CALLS = 50
CALLS_ANY = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=True)


class Call(BaseModel):
    """One call."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="name of the tool, as tools/list or hub_search_tools shows it")
    arguments: dict[str, Any] = Field(default_factory=dict)


class CallOutcome(BaseModel):
    """What became of one call."""

    name: str
    outcome: Outcome
    seconds: float
    result: dict[str, Any] | None = Field(None, description="the tool's result (content, structuredContent, isError)")
    error: dict[str, Any] | None = Field(None, description="why there is no result: code, message, hint")


class FanOutReport(BaseModel):
    """The outcomes of all calls, in their order."""

    ok: int = Field(description="number of calls with the outcome ok")
    calls: list[CallOutcome]


class CallTools(HubTools):
    """The tools `hub_call_tool` and `hub_call_many`."""

    def __init__(self) -> None:
        super().__init__("calls")
        self.add(self.hub_call_tool, "hub_call_tool", title="Call any tool", annotations=CALLS_ANY, output=False)
        self.add(self.hub_call_many, "hub_call_many", title="Call several tools at once", annotations=CALLS_ANY)

    async def hub_call_tool(
        self,
        name: Annotated[str, Field(description="name of the tool, as tools/list or hub_search_tools shows it")],
        arguments: Arguments,
    ) -> ToolResult:
        """Call any tool of this workspace, also one that is not in the list of tools. Returns that tool's result."""
        result = await self.caller().call(name, arguments, self.caller().progress())
        return ToolResult.from_mcp_result(CallToolResult.model_validate(result))

    async def hub_call_many(
        self,
        calls: Annotated[list[Call], Field(min_length=1, max_length=MAX_CALLS)],
        at_once: Annotated[int, Field(ge=1, le=16, description="how many run at a time")] = 8,
        timeout: Annotated[float, Field(gt=0, le=3600, description="seconds for all calls together")] = 60,
        each_timeout: Annotated[float | None, Field(gt=0, le=3600, description="seconds for one call")] = None,
        stop_on_error: Annotated[bool, Field(description="begin no further call after one has failed")] = False,
    ) -> FanOutReport:
        """Call several tools of this workspace at the same time, and return what became of each. There are always
        results of those calls that succeeded, whatever becomes of the others."""
        planned = [Planned(call.name, call.arguments) for call in calls]
        limits = Limits(at_once, timeout, each_timeout, stop_on_error)
        await FanOut(self.caller(), planned, limits).run()
        return FanOutReport(
            ok=sum(each.outcome == "ok" for each in planned),
            calls=[
                CallOutcome(
                    name=each.name,
                    outcome=each.outcome,
                    seconds=each.seconds,
                    result=each.result,
                    error=each.error,
                )
                for each in planned
            ],
        )
