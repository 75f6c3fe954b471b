"""From parses to desired state."""

from __future__ import annotations

import json
from typing import Any

from bridge.models import ServerSettings, Snapshot, WorkspaceSpec
from yamcp_ui_adapter.desired.translate import Desire, translate
from yamcp_ui_adapter.format.entries import HubFile, LastGood, ServersFile, WorkspacesFile
from yamcp_ui_adapter.format.hubfile import parse_hub
from yamcp_ui_adapter.format.providers import parse_providers
from yamcp_ui_adapter.format.workspaces import parse_workspaces


def desire(providers: Any, workspaces: Any, hub: Any = None) -> Desire:
    """Desired state of three files with that content."""
    return translate(
        LastGood(
            servers=parse_providers(json.dumps(providers).encode(), ServersFile()),
            workspaces=parse_workspaces(json.dumps(workspaces).encode(), WorkspacesFile()),
            hub=parse_hub(json.dumps(hub or {}).encode(), HubFile()),
        )
    )


def server(namespace: str = "n") -> dict[str, Any]:
    """An entry of YAMCP's form."""
    return {"namespace": namespace, "type": "stdio", "providerParameters": {"command": "c"}}


def codes(found: Desire) -> list[str]:
    """The codes of what was reported."""
    return [item.code for item in found.issues]


def test_entries_become_specs_in_the_order_of_the_file() -> None:
    """With the settings of hub.json."""
    found = desire(
        {"b": server("B"), "a": server("A")},
        {"w 1": ["a", "b"], "v": ["b"]},
        {"servers": {"a": {"max_inflight": 3}}, "workspaces": {"v": {"enabled": False, "name_template": "{name}"}}},
    )
    assert [(spec.key, spec.namespace) for spec in found.servers] == [("b", "B"), ("a", "A")]
    assert found.servers[1].settings == ServerSettings(max_inflight=3)
    assert [(spec.name, spec.servers, spec.enabled) for spec in found.workspaces] == [
        ("w 1", ("a", "b"), True),
        ("v", ("b",), False),
    ]
    assert found.workspaces[1] == WorkspaceSpec(
        name="v", slug="v", servers=("b",), enabled=False, name_template="{name}"
    )
    assert found.issues == ()
    Snapshot.of(1, 1, found.servers, found.workspaces)


def test_members_that_cannot_be_used_are_dropped_and_reported() -> None:
    """A deleted server's name stays in YAMCP's workspaces for good."""
    found = desire({"a": server(), "bad": None}, {"w": ["gone", "a", "bad"]})
    assert found.workspaces[0].servers == ("a",)
    assert codes(found) == ["SERVER_ENTRY_INVALID", "MEMBER_UNKNOWN", "MEMBER_UNUSABLE"]


def test_a_workspace_without_usable_servers_is_kept_and_reported() -> None:
    """Its endpoint exists, with nothing in it."""
    found = desire({}, {"w": [], "v": ["gone"]})
    assert [spec.servers for spec in found.workspaces] == [(), ()]
    assert codes(found) == ["WORKSPACE_EMPTY", "MEMBER_UNKNOWN", "WORKSPACE_EMPTY"]


def test_a_shared_namespace_is_reported() -> None:
    """Both servers are used."""
    found = desire({"a": server(), "b": server()}, {"w": ["a", "b"]})
    assert found.workspaces[0].servers == ("a", "b")
    assert codes(found) == ["NAMESPACE_SHARED"]


def test_a_template_without_a_namespace_is_for_one_server() -> None:
    """With more, the default is used and reported."""
    hub = {"workspaces": {"w": {"name_template": "{name}"}}}
    servers = {"a": server("A"), "b": server("B")}
    assert desire(servers, {"w": ["a"]}, hub).workspaces[0].name_template == "{name}"
    found = desire(servers, {"w": ["a", "b"]}, hub)
    assert found.workspaces[0].name_template == "{namespace}_{name}"
    assert codes(found) == ["NAME_TEMPLATE_INVALID"]


def test_a_server_is_off_in_one_workspace_alone() -> None:
    """Names that are no members are left out."""
    hub = {"workspaces": {"w": {"disabled_servers": ["b", "gone"]}}}
    found = desire({"a": server("A"), "b": server("B")}, {"w": ["a", "b"], "v": ["b"]}, hub)
    assert [(spec.servers, spec.disabled_servers) for spec in found.workspaces] == [(("a", "b"), ("b",)), (("b",), ())]
    assert found.issues == ()


def test_settings_of_a_server_with_a_broken_entry_are_in_use() -> None:
    """It exists, and has them again once its entry is mended."""
    found = desire({"a": {"type": "odd"}}, {}, {"servers": {"a": {"era": "legacy"}}})
    assert "HUB_ENTRY_UNUSED" not in codes(found)


def test_settings_for_what_is_not_there_are_reported_and_kept() -> None:
    """It may come back."""
    found = desire({}, {}, {"servers": {"a": {}}, "workspaces": {"w": {}}})
    assert [(item.code, item.subject) for item in found.issues] == [
        ("HUB_ENTRY_UNUSED", "server:a"),
        ("HUB_ENTRY_UNUSED", "workspace:w"),
    ]


def test_a_slug_that_another_has_is_reported() -> None:
    """It is served all the same, under its name."""
    found = desire({"a": server()}, {"v": ["a"], "w": ["a"]}, {"workspaces": {"v": {"slug": "x"}, "w": {"slug": "x"}}})
    assert [(spec.slug, spec.own_slug) for spec in found.workspaces] == [("x", True), ("w", False)]
    assert [(item.code, item.subject) for item in found.issues] == [("SLUG_TAKEN", "workspace:w")]


def test_aliases_and_slugs_of_the_first_versions_lead_to_one_workspace_each() -> None:
    """Whatever a person wrote into hub.json."""
    earlier = "my-team-0855b74b"
    hub = {"workspaces": {"my team": {"aliases": ["v", "x", "x"]}, "v": {"aliases": ["x", "my-team", earlier]}}}
    found = desire({"a": server()}, {"my team": ["a"], "v": ["a"]}, hub)
    assert [spec.slugs for spec in found.workspaces] == [("my-team", "x"), ("v", earlier)]
    Snapshot.of(1, 1, found.servers, found.workspaces)
    alone = desire({"a": server()}, {"my team": ["a"]})
    assert (alone.workspaces[0].slug, alone.workspaces[0].earlier_slug) == ("my-team", earlier)
