"""What a workspace with `tools: search` lists, and what can be called and found nevertheless."""

from __future__ import annotations

from typing import Any

from sidecar.routing.view import View, build
from tests.unit.sidecar.routing.test_view import source

NAMES = "{name}"
HUB = source("yamcp-hub", tools=[{"name": "hub_search_tools"}, {"name": "hub_call_tool"}])
FILES = source("files", tools=[{"name": "read_file", "description": "Reads a file."}, {"name": "write_file"}])
MAIL = source("mail", tools=[{"name": "send_mail"}])


def searching(*sources: Any, pinned: tuple[str, ...] = (), before: View | None = None) -> View:
    """The view of a workspace with `tools: search`."""
    return build(sources, NAMES, pinned=pinned, before=before)


def listed(view: View) -> list[str]:
    """The names in tools/list."""
    return [tool["name"] for tool in view.items("tools", "legacy")]


def test_the_hubs_tools_and_pinned_ones_are_listed() -> None:
    """By name or pattern; all others have routes, and schemas for headers."""
    view = searching(FILES, MAIL, HUB, pinned=("send_*", "write_file"))
    assert listed(view) == ["write_file", "send_mail", "hub_search_tools", "hub_call_tool"]
    assert set(view.tool_routes) == {"read_file", "write_file", "send_mail", "hub_search_tools", "hub_call_tool"}
    assert view.listed("tools", "modern").data.count(b'"name"') == 4


def test_all_are_listed_without_search() -> None:
    """As in other workspaces, and while there is no search tool to find them with."""
    assert len(listed(build([FILES, MAIL, HUB], NAMES))) == 5
    assert listed(searching(FILES, MAIL)) == ["read_file", "write_file", "send_mail"]


def test_hidden_tools_come_and_go_silently() -> None:
    """Clients are notified of changes of listed tools only; a change of the mode is one."""
    before = searching(HUB, FILES)
    assert searching(HUB, FILES, MAIL, before=before).changed(before) == []
    assert searching(HUB, FILES, MAIL, pinned=("send_mail",), before=before).changed(before) != []
    assert build([HUB, FILES], NAMES, before=before).changed(before) == ["notifications/tools/list_changed"]


def test_the_index_has_what_is_hidden() -> None:
    """Made once; the hub's own tools are not found."""
    view = searching(HUB, FILES, MAIL)
    index = view.tool_index()
    assert index is view.tool_index()
    assert [found.entry.name for found in index.find("read a file")] == ["read_file", "write_file"]
    assert index.find("hub search tools") == []


def test_headers_of_hidden_tools_are_known() -> None:
    """A hidden tool that wants arguments in headers gets them."""
    schema = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}
    view = searching(HUB, source("cloud", tools=[{"name": "deploy", "inputSchema": schema}]))
    assert view.with_headers == {"deploy"}
