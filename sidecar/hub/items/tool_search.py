"""Answers `search_tools` over the bridge: tools of a workspace, found by words (routing/search.py)."""

from __future__ import annotations

from bridge.models.actual import FoundTool, FoundTools, SearchTools
from bridge.server import Handlers
from sidecar.calls.tool_search import search
from sidecar.errors import WorkspaceUnknown
from sidecar.hub.hub import Hub
from sidecar.routing.search import Found


class ToolSearch:
    """The handler of one hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def handlers(self) -> Handlers:
        """The handlers for the bridge's `actual` socket, by kind of request."""
        return {SearchTools: self._search}

    async def _search(self, request: SearchTools) -> FoundTools:
        """Raises WorkspaceUnknown."""
        workspace = self._hub.find(request.workspace)
        if workspace is None:
            known = sorted(self._hub.workspaces)
            raise WorkspaceUnknown(f"There is no workspace {request.workspace!r}.", data={"workspaces": known})
        found = await search(workspace.view, request.text, request.limit, request.server)
        return FoundTools(tools=tuple(map(_described, found)))


def _described(found: Found) -> FoundTool:
    item = found.entry.item
    title, description = item.get("title"), item.get("description")
    return FoundTool(
        tool=item["name"],
        server=found.entry.server,
        title=title if isinstance(title, str) else "",
        description=description if isinstance(description, str) else "",
        score=round(found.score, 3),
    )
