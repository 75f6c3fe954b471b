"""The base class of tools of the hub's own: a FastMCP server with usage counts and health. Loaded on first use."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Annotated, Any, ParamSpec, TypeVar

from fastmcp import FastMCP
from fastmcp.exceptions import FastMCPError, NotFoundError, ToolError
from fastmcp.tools import Tool, ToolResult
from mcp_types import CallToolResult, ToolAnnotations
from pydantic import BaseModel, Field

from sidecar.calls.error_response import ErrorResponse
from sidecar.calls.hub_caller import CALLER, HubCaller
from sidecar.errors import SidecarError, ToolUnknown
from sidecar.hub_tool_errors import SecretsNeeded

P = ParamSpec("P")
R = TypeVar("R")

SERVERS = "{servers}"
"""Stands for the names of the workspace's servers in a description."""
Arguments = Annotated[dict[str, Any], Field(default_factory=dict, description="arguments by the tool's input schema")]
"""The arguments of another tool. Not `| None`: smolagents takes `anyOf` for a string."""
READS = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)


@dataclass(slots=True)
class Usage:
    """How often a tool was called, failed, and when last (Unix time)."""

    calls: int = 0
    failures: int = 0
    last_used: float | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """Why a tool cannot work, and what to do about it; both None if nothing is known to be wrong."""

    problem: str | None = None
    what_to_do: str | None = None


HEALTHY = Health()
BROKEN = "Its last call failed in the hub itself ({why})."
REPORT = "The sidecar's log has the traceback; report it. The next call may succeed."


class HubTools:
    """Tools of the hub's own. A subclass registers its tools in `__init__`, by `add`.

    A tool is a method with type hints, from which FastMCP makes the schemas; its docstring is the description that
    agents read. `caller()` is the one who calls it. Tools that depend on something else override `depends`.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.usage: dict[str, Usage] = {}
        self._server = FastMCP(name)
        self._names: set[str] = set()
        self._broken: dict[str, str] = {}
        """The types of the exceptions with which the last calls failed in the hub itself, by tool."""

    def add(
        self,
        function: Callable[..., Awaitable[Any]],
        name: str,
        *,
        title: str,
        annotations: ToolAnnotations,
        description: str | None = None,
        output: bool = True,
    ) -> None:
        """Register a tool. `output`: results are structured by the function's return type."""
        more: dict[str, Any] = {} if output else {"output_schema": None}
        made = Tool.from_function(
            self._explained(function, name),
            name=name,
            title=title,
            description=description,
            annotations=annotations,
            **more,
        )
        self._server.add_tool(made)
        self._names.add(name)
        self.usage[name] = Usage()

    @staticmethod
    def caller() -> HubCaller:
        """The caller of the tool that runs."""
        return CALLER.get()

    @property
    def names(self) -> frozenset[str]:
        """The names of its tools."""
        return frozenset(self._names)

    async def depends(self) -> Health:
        """The health of what all tools of this group depend on. Answers within 2 s, and raises nothing."""
        return HEALTHY

    async def health(self) -> dict[str, Health]:
        """The health of each tool, by its name."""
        common = await self.depends()
        return {name: self._health(name, common) for name in self.usage}

    def _health(self, name: str, common: Health) -> Health:
        why = self._broken.get(name)
        return Health(BROKEN.format(why=why), REPORT) if why is not None and common.problem is None else common

    async def list_tools(self) -> dict[str, dict[str, Any]]:
        """The tools by name, as in a `tools/list` result."""
        listed = {tool.name: tool.to_mcp_tool(name=tool.name) for tool in await self._server.list_tools()}
        return {name: _json(tool) for name, tool in listed.items()}

    async def call_tool(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The result of a call, as in a `tools/call` result. An error of the hub, and arguments that do not fit, are
        results with `isError`, as agents read these.

        Raises:
            ToolUnknown: there is no such tool.
            SecretsNeeded: the tool asks a modern client to open a page.
        """
        usage = self.usage[name]
        usage.calls, usage.last_used = usage.calls + 1, time.time()
        try:
            result = _result_of(await self._server.call_tool(name, dict(arguments)))
        except NotFoundError:
            raise ToolUnknown(f"The hub has no tool {name!r}.") from None
        except FastMCPError as error:
            if (caller := CALLER.get(None)) is not None and caller.asks is not None:
                raise caller.asks from None
            result = _failure(error)
        if result.get("isError"):
            usage.failures += 1
        return result

    def _explained(self, function: Callable[P, Awaitable[R]], name: str) -> Callable[P, Awaitable[R]]:
        """The function, whose errors of the hub and of servers are errors of a tool. Others are noted as defects."""

        @wraps(function)
        async def call(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                result = await function(*args, **kwargs)
            except SecretsNeeded as error:
                self.caller().asks = error
                raise ToolError(error.message) from None
            except SidecarError as error:
                raise ToolError(f"{error.message} {error.advice} ({error.code})") from None
            except ErrorResponse as response:
                raise ToolError(f"The server answered with an error: {response.error.get('message')}") from None
            except FastMCPError:
                raise
            except Exception as error:
                self._broken[name] = type(error).__name__
                raise
            self._broken.pop(name, None)
            return result

        return call


def _result_of(result: ToolResult) -> dict[str, Any]:
    """A result of FastMCP as JSON."""
    made = result.to_mcp_result()
    if not isinstance(made, CallToolResult):
        content, structured = made if isinstance(made, tuple) else (made, None)
        made = CallToolResult(content=content, structured_content=structured)
    return _json(made)


def _failure(error: FastMCPError) -> dict[str, Any]:
    """The result for an exception in a tool."""
    return {"content": [{"type": "text", "text": str(error)}], "isError": True}


def _json(model: BaseModel) -> dict[str, Any]:
    """A model of the SDK as JSON, without what FastMCP adds to `_meta` for itself."""
    value = model.model_dump(mode="json", by_alias=True, exclude_none=True)
    meta = {key: each for key, each in value.get("_meta", {}).items() if key not in ("fastmcp", "_fastmcp")}
    return {**{key: each for key, each in value.items() if key != "_meta"}, **({"_meta": meta} if meta else {})}
