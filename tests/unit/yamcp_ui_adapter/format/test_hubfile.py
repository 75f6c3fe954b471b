"""hub.json: settings that are used, held and reported, and edits of its document."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bridge.models import Curation, ServerSettings, SetServer, SetWorkspace, WorkspaceSpec
from yamcp_ui_adapter.errors import EditConflict, EditInvalid, FileUnusable
from yamcp_ui_adapter.format.entries import HubFile, WorkspaceSettings
from yamcp_ui_adapter.format.hubfile import (
    dump,
    parse_hub,
    with_renames,
    with_server,
    with_settings_moved,
    with_workspace,
)


def parse(content: object, last: HubFile | None = None) -> HubFile:
    """The parse of a file with that content."""
    return parse_hub(json.dumps(content).encode(), last or HubFile())


def codes(file: HubFile) -> list[str]:
    """The codes of what was reported."""
    return [found.code for found in file.issues]


def test_settings_are_read() -> None:
    """Of servers those that are set, of workspaces all."""
    parsed = parse(
        {
            "version": 1,
            "servers": {"a": {"session": "per_client", "start_timeout": 5, "tool_timeouts": {"t": 1}}},
            "workspaces": {"w": {"enabled": False}},
        }
    )
    assert parsed.servers == {"a": {"session": "per_client", "start_timeout": 5.0, "tool_timeouts": {"t": 1.0}}}
    assert parsed.workspaces == {"w": WorkspaceSettings(enabled=False)}
    assert parsed.issues == ()


def test_no_file_is_all_defaults() -> None:
    """Nothing said, nothing reported."""
    assert parse_hub(None, HubFile(servers={"a": {"enabled": False}})) == HubFile(known=True)


@pytest.mark.parametrize("version", [2, "1", True, None])
def test_a_file_of_another_version_is_held(version: Any) -> None:
    """A newer hub may have written what this one would misread."""
    with pytest.raises(FileUnusable) as caught:
        parse({"version": version})
    assert caught.value.issue.code == "HUB_VERSION"


BAD_SETTINGS = [
    ("session", "often"), ("start_timeout", 0), ("call_timeout", "soon"), ("max_inflight", 0), ("enabled", None),
    ("tool_timeouts", {"t": -1}), ("era", "\ud800"),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value"), BAD_SETTINGS)
def test_a_bad_setting_leaves_the_others_and_is_reported(field: str, value: Any) -> None:
    """One bad one never hides a good one."""
    parsed = parse({"servers": {"a": {field: value, "max_instances": 3}, "b": {"enabled": False}}})
    assert parsed.servers == {"a": {"max_instances": 3}, "b": {"enabled": False}}
    assert codes(parsed) == ["HUB_SETTING_INVALID"]


def test_a_setting_that_turned_bad_keeps_its_last_good_value() -> None:
    """For servers and for workspaces."""
    last = parse({"servers": {"a": {"call_timeout": 7}}, "workspaces": {"w": {"enabled": False}}})
    parsed = parse({"servers": {"a": {"call_timeout": -7}}, "workspaces": {"w": {"enabled": "maybe"}}}, last)
    assert parsed.servers == last.servers
    assert parsed.workspaces == last.workspaces
    assert parse({"servers": {"a": None}}, last).servers == last.servers


BAD_CONTAINERS = [
    ("a container", "valid dictionary"), ({}, "image: it is the name of an image"),
    ({"image": "-v"}, "image: it is the name of an image"), ({"image": "x", "memory": "1"}, "memory: it is a number"),
    ({"image": "x", "cpus": 0}, "cpus: it is a number"), ({"image": "x", "pull": "now"}, "pull: it is missing, "),
    ({"image": "x", "mounts": [{"source": "docs", "target": "/x"}]}, "mounts.0.source: it is an absolute path"),
    ({"image": "x", "privileged": True}, "privileged: Extra inputs are not permitted"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "words"), BAD_CONTAINERS)
def test_a_container_that_cannot_be_used_is_no_reason_to_run_without(value: Any, words: str) -> None:
    """The place in it is said; the server is not started, unless there is a last good container."""
    parsed = parse({"servers": {"a": {"container": value, "enabled": True}}})
    assert parsed.servers == {"a": {"enabled": False}}
    assert codes(parsed) == ["HUB_SETTING_INVALID"]
    assert words in parsed.issues[0].message
    assert parsed.issues[0].message.endswith("The server is not started.")
    good = parse({"servers": {"a": {"container": {"image": "x"}}}})
    held = parse({"servers": {"a": {"container": value}}}, good)
    assert held.servers == good.servers
    assert not held.issues[0].message.endswith("The server is not started.")
    with pytest.raises(EditInvalid, match=words.partition(":")[0]):
        with_server({}, SetServer(key="a", settings={"container": value}))


BAD_LIMITS = [
    ({"memory": "512"}, "memory: it is a number and k, m or g, such as 512m, or 0 for no limit"),
    ({"memory": "0m"}, "memory: it is a number"), ({"pids": -1}, "pids: it is a whole number"),
    ({"cpus": "two"}, "cpus: it is a number such as 0.5"), ({"open_files": 1.5}, "open_files: it is a whole number"),
    ({"swap": 1}, "swap: Extra inputs are not permitted"), (5, "valid dictionary"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "words"), BAD_LIMITS)
def test_limits_that_cannot_be_used(value: Any, words: str) -> None:
    """The place in them is said; the last good ones, or the hub's own, are in force."""
    parsed = parse({"servers": {"a": {"limits": value}}})
    assert parsed.servers == {"a": {}}
    assert words in parsed.issues[0].message
    good = parse({"servers": {"a": {"limits": {"memory": "512m", "cpus": 0}}}})
    assert good.issues == ()
    assert parse({"servers": {"a": {"limits": value}}}, good).servers == good.servers


BAD_TEMPLATES = ["", "x", "{name}{name}", "{namespace}", "{name}/{namespace}", "{ns}_{name}", "ü{name}"]


@pytest.mark.parametrize("template", BAD_TEMPLATES)
def test_a_name_template_that_can_be_used_nowhere_is_reported(template: str) -> None:
    """It needs {name} once, and nothing that a tool's name can't hold."""
    parsed = parse({"workspaces": {"w": {"name_template": template}}})
    assert parsed.workspaces["w"].name_template == "{namespace}_{name}"
    assert codes(parsed) == ["HUB_SETTING_INVALID"]


def test_what_nothing_reads_is_reported_and_not_fatal() -> None:
    """Unknown fields at each level, and parts that are no objects."""
    parsed = parse({"note": 1, "servers": {"a": {"enabled": False, "colour": 1}}, "workspaces": []})
    assert parsed.servers == {"a": {"enabled": False}}
    assert sorted(codes(parsed)) == ["HUB_FIELD_UNKNOWN", "HUB_FIELD_UNKNOWN", "HUB_SECTION_INVALID"]
    assert codes(parse({"servers": {"a": 1}, "workspaces": None})) == ["HUB_SECTION_INVALID"]


def test_an_edit_of_a_workspace_keeps_all_else() -> None:
    """What a person wrote survives, known or not."""
    content = {"note": "mine", "workspaces": {"w": {"name_template": "x_{name}", "odd": 1}, "v": {}}}
    assert with_workspace(content, SetWorkspace(name="w", enabled=False)) == {
        "version": 1,
        "note": "mine",
        "workspaces": {"w": {"name_template": "x_{name}", "odd": 1, "enabled": False}, "v": {}},
    }


def test_an_edit_of_a_server_sets_and_unsets() -> None:
    """Null gives a setting back its default."""
    content: dict[str, Any] = {"servers": {"a": {"enabled": False, "max_inflight": 2}}}
    edited = with_server(content, SetServer(key="a", settings={"enabled": None, "era": "modern"}))
    assert edited["servers"] == {"a": {"max_inflight": 2, "era": "modern"}}
    assert with_server({"servers": 3}, SetServer(key="a", settings={}))["servers"] == {"a": {}}


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"colour": 1}, "colour"),
        ({"session": "often"}, "session"),
        ({"tool_timeouts": {"t": 0}}, "tool_timeouts.t"),
        ({"limits": {"pids": 5, "memory": "much"}}, "limits.memory"),
        ({"keep": "\ud800"}, "keep"),
    ],
)
def test_an_edit_with_a_bad_setting_is_refused(settings: dict[str, Any], field: str) -> None:
    """The caller is told which, for a form's field; nothing is half done."""
    with pytest.raises(EditInvalid) as caught:
        with_server({}, SetServer(key="a", settings=settings))
    assert caught.value.data == {"field": field}


def test_each_setting_of_a_workspace_reaches_the_sidecar_and_can_be_changed() -> None:
    """What hub.json may have of a workspace, snapshots have, and `set_workspace` sets."""
    names = {"disabled_servers": "servers", "aliases": "remove_aliases"}
    assert set(WorkspaceSettings.model_fields) <= set(WorkspaceSpec.model_fields)
    assert {names.get(name, name) for name in WorkspaceSettings.model_fields} | {"name", "expect_curation"} == set(
        SetWorkspace.model_fields
    )
    for name in WorkspaceSettings.model_fields.keys() - {"slug"}:
        assert WorkspaceSettings.model_fields[name].default == WorkspaceSpec.model_fields[name].default, name


def test_an_edit_with_a_bad_template_is_refused() -> None:
    """As a person's would be reported."""
    with pytest.raises(EditInvalid, match=r"\{name\}"):
        with_workspace({}, SetWorkspace(name="w", name_template="x"))


def test_settings_move_with_a_rename() -> None:
    """To the new name, unless that has settings of its own."""
    content = {"servers": {"a": {"enabled": False}, "c": {"era": "legacy"}, "d": {}}, "workspaces": {"w": {}}}
    renamed = with_renames(content, {"a": "b", "c": "d", "x": "y"}, {"w": "v"})
    assert renamed == {"servers": {"c": {"era": "legacy"}, "d": {}, "b": {"enabled": False}}, "workspaces": {"v": {}}}
    assert with_renames({}, {"a": "b"}, {}) == {}


def test_a_curation_replaces_only_the_one_that_its_author_saw() -> None:
    """The hash is that of the content, however it is written; without one, the curation is replaced in any case."""
    first = Curation.model_validate({"servers": {"s": {"tools": {"new": "ask"}}}})
    other = Curation.model_validate({"servers": {"s": {"tools": {"new": "off", "known": []}}}})
    now = with_workspace({}, SetWorkspace(name="w", curation=first, expect_curation=Curation().hash))
    with pytest.raises(EditConflict) as refused:
        with_workspace(now, SetWorkspace(name="w", curation=other, expect_curation=other.hash))
    assert refused.value.data["hash"] == first.hash
    again = Curation.model_validate({"servers": {"s": {"tools": {"new": "ask", "rules": []}, "prompts": {}}}})
    for expected in (again.hash, None):
        replaced = with_workspace(now, SetWorkspace(name="w", curation=other, expect_curation=expected))
        assert replaced["workspaces"]["w"]["curation"]["servers"]["s"]["tools"]["new"] == "off"


def test_switches_of_servers_in_a_workspace_are_a_list_of_those_that_are_off() -> None:
    """In the order in which they were switched off; none is no field."""
    off = with_workspace({}, SetWorkspace(name="w", servers={"b": False, "a": False}))
    assert off["workspaces"] == {"w": {"disabled_servers": ["b", "a"]}}
    assert parse(off).workspaces["w"].disabled_servers == ("b", "a")
    one = with_workspace(off, SetWorkspace(name="w", servers={"b": True, "c": True, "a": False}))
    assert one["workspaces"] == {"w": {"disabled_servers": ["a"]}}
    assert with_workspace(one, SetWorkspace(name="w", servers={"a": True}))["workspaces"] == {"w": {}}


def test_switches_in_workspaces_follow_a_renamed_server_and_go_with_a_removed_one() -> None:
    """Of a server without settings of its own, too."""
    content = {"workspaces": {"w": {"enabled": True, "disabled_servers": ["a", "b"]}, "v": {"note": 1}}}
    renamed = with_renames(content, {"a": "c"}, {"w": "u"})
    assert renamed["workspaces"] == {"v": {"note": 1}, "u": {"enabled": True, "disabled_servers": ["c", "b"]}}
    assert with_settings_moved(content, "servers", "a", "c")["workspaces"]["w"]["disabled_servers"] == ["c", "b"]
    removed = with_settings_moved(with_settings_moved(content, "servers", "a", None), "servers", "b", None)
    assert removed == {"workspaces": {"w": {"enabled": True}, "v": {"note": 1}}}


def test_the_curation_follows_a_renamed_server_or_workspace_and_goes_with_a_removed_one() -> None:
    """Of the other servers it stays, and a server of that name that is added later has none."""
    rules = {"tools": {"new": "ask", "known": ["t"]}}
    content = {"workspaces": {"w": {"curation": {"servers": {"a": rules, "b": {}}}, "enabled": True}}}
    renamed = with_renames(content, {"a": "c"}, {"w": "u"})
    assert renamed["workspaces"] == {"u": {"curation": {"servers": {"c": rules, "b": {}}}, "enabled": True}}
    assert parse(renamed).workspaces["u"].curation is not None
    without = with_settings_moved(content, "servers", "a", None)
    assert without["workspaces"]["w"]["curation"] == {"servers": {"b": {}}}
    assert with_settings_moved(without, "servers", "b", None)["workspaces"] == {"w": {"enabled": True}}
    assert with_settings_moved(content, "workspaces", "w", None)["workspaces"] == {}


def test_the_document_is_written_for_people() -> None:
    """Indented, unicode as it is, a newline at the end."""
    assert dump({"ü": [1]}) == '{\n  "ü": [\n    1\n  ]\n}\n'.encode()


@pytest.mark.parametrize(
    ("given", "shared_by", "reported"),
    [
        ({}, "own", []),
        ({"tenancy": "group"}, "group", []),
        ({"share_between_keys": True}, "all", []),
        ({"share_between_keys": True, "tenancy": "all"}, "all", []),
        ({"share_between_keys": False, "tenancy": "own"}, "own", []),
        ({"share_between_keys": True, "tenancy": "group"}, "group", ["HUB_SETTING_CONTRADICTS"]),
        ({"share_between_keys": True, "tenancy": "own"}, "own", ["HUB_SETTING_CONTRADICTS"]),
        ({"share_between_keys": False, "tenancy": "all"}, "all", ["HUB_SETTING_CONTRADICTS"]),
        ({"tenancy": "everybody"}, "own", ["HUB_SETTING_INVALID"]),
    ],
)
def test_two_forms_say_who_shares_a_process(given: dict[str, Any], shared_by: str, reported: list[str]) -> None:
    """`tenancy` counts where they contradict; `share_between_keys` alone is shown as its value `all`."""
    parsed = parse_hub(json.dumps({"servers": {"a": given}}).encode(), HubFile())
    found = ServerSettings.model_validate(parsed.servers["a"])
    assert (found.shared_by, found.tenancy) == (shared_by, shared_by)
    assert codes(parsed) == reported


def test_setting_one_form_replaces_the_other() -> None:
    """So that a change never contradicts what was set before."""
    content = {"servers": {"a": {"share_between_keys": True}}}
    changed = with_server(content, SetServer(key="a", settings={"tenancy": "group"}))
    assert changed["servers"]["a"] == {"tenancy": "group"}
    back = with_server(changed, SetServer(key="a", settings={"share_between_keys": True}))
    assert back["servers"]["a"] == {"share_between_keys": True}
    assert with_server(back, SetServer(key="a", settings={"max_inflight": 3}))["servers"]["a"]["share_between_keys"]
