"""Which of the hub's own tools a workspace shows, by its settings."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.models import ServerSpec, Snapshot, StdioLaunch, WorkspaceSpec
from sidecar.protocol.in_process import InProcessLaunch, is_hubs_own
from sidecar.workspaces.hub_tools_member import hub_tools_member, hub_tools_of
from sidecar.workspaces.plan import wanted_workspaces

READING = {"registry_find", "registry_active", "registry_status"}
CHANGING = {"registry_add", "registry_exec", "registry_remove", "registry_config_set"}
SEARCH = {"hub_search_tools", "hub_call_tool"}
ALL = {"hub_status", "hub_call_many", *SEARCH}


def space(**settings: Any) -> WorkspaceSpec:
    """A workspace of the server `s`."""
    return WorkspaceSpec(name="w", slug="w", servers=("s",), **settings)


def server(key: str) -> ServerSpec:
    """A server."""
    return ServerSpec(key=key, namespace=key, launch=StdioLaunch(command="c"))


@pytest.mark.parametrize(
    ("settings", "tools"),
    [
        ({}, set()),
        ({"hub_tools": True}, ALL),
        ({"tools": "search"}, SEARCH),
        ({"hub_tools": True, "tools": "search"}, ALL),
        ({"registry": "find"}, READING),
        ({"registry": "ask"}, READING | CHANGING),
        ({"registry": "add", "hub_tools": True}, READING | CHANGING | ALL),
    ],
)
def test_each_setting(settings: dict[str, Any], tools: set[str]) -> None:
    """Names of tools; no member without any."""
    spec = space(**settings)
    assert set(hub_tools_of(spec)) == tools and len(hub_tools_of(spec)) == len(tools)
    assert (hub_tools_member(spec, (server("s"),), {"s"}) is not None) == bool(tools)


def test_the_key_of_a_configured_server_stays_its_own() -> None:
    """The member is called otherwise then."""
    member = hub_tools_member(space(hub_tools=True), (server("s"),), {"yamcp-hub", "yamcp-hub-tools"})
    assert member is not None and member.key == "yamcp-hub-tools-tools"
    assert isinstance(member.launch, InProcessLaunch) and member.launch.servers == ("s",)


def test_in_the_plan() -> None:
    """The last server of a workspace that is on; rights do not take it away. None in one that is off."""
    servers = (server("s"),)
    on = wanted_workspaces(Snapshot.of(1, 1, servers, (space(hub_tools=True),)))["w"]
    assert on.has_hub_tools and [each.key for each in on.servers] == ["s", "yamcp-hub"]
    [alone] = on.seen_by(lambda key: False).servers
    assert is_hubs_own(alone) and isinstance(alone.launch, InProcessLaunch)
    assert alone.launch.servers == (), "its description names a server that the principal must not know of"
    assert on.seen_by(lambda key: True) == on
    assert not wanted_workspaces(Snapshot.of(1, 1, servers, (space(hub_tools=True, enabled=False),)))["w"].servers
    assert not wanted_workspaces(Snapshot.of(1, 1, servers, (space(),)))["w"].has_hub_tools
