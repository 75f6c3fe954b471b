"""`hub_search_tools`: finds tools of the caller's workspace by words."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from sidecar.calls.tool_search import search
from sidecar.hub_tools.base import READS, SERVERS, HubTools
from sidecar.routing.search import Found

MAX_DESCRIPTION = 1000
"""Characters of a description that a result has."""


class FoundTool(BaseModel):
    """A tool that fits."""

    name: str = Field(description="the name to call it by: directly, or with hub_call_tool")
    server: str
    description: str
    input_schema: dict[str, Any] | None = None


class FoundTools(BaseModel):
    """The tools that fit best, the best first."""

    tools: list[FoundTool]


class SearchTools(HubTools):
    """The tool `hub_search_tools`."""

    def __init__(self) -> None:
        super().__init__("search")
        self.add(
            self.hub_search_tools,
            "hub_search_tools",
            title="Find tools",
            annotations=READS,
            description="Find tools of this workspace. Search with keywords, such as `create issue`. Most tools are "
            f"not in the list of tools; find them here, and call them by hub_call_tool. Servers: {SERVERS}.",
        )

    async def hub_search_tools(
        self,
        query: Annotated[str, Field(min_length=1, max_length=500, description="keywords: action and object")],
        limit: Annotated[int, Field(ge=1, le=20, description="number of tools")] = 8,
        server: Annotated[str | None, Field(description="only tools of this server")] = None,
        schemas: Annotated[bool, Field(description="with the input schema of each tool")] = True,
    ) -> FoundTools:
        """Find tools of the caller's workspace."""
        found = await search(await self.caller().view(), query, limit, server)
        return FoundTools(tools=[_described(each, schemas=schemas) for each in found])


def _described(found: Found, *, schemas: bool) -> FoundTool:
    item = found.entry.item
    description, schema = item.get("description"), item.get("inputSchema")
    return FoundTool(
        name=item["name"],
        server=found.entry.namespace,
        description=description[:MAX_DESCRIPTION] if isinstance(description, str) else "",
        input_schema=schema if schemas and isinstance(schema, dict) else None,
    )
