"""Desired state as a function of the last good parses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.yamcp_ui_adapter.fixtures import keys, names, server
from yamcp_ui_adapter.desired.state import DesiredState
from yamcp_ui_adapter.desired.store import STATE_FILE, StateStore
from yamcp_ui_adapter.format.entries import KeepLastGood, Reading

TWO = {"a": server("1", namespace="A"), "b": server("2", namespace="B")}


def readings(providers: Any = None, workspaces: Any = None, hub: Any = None) -> dict[str, Reading]:
    """What was read, from content; bytes stay as they are."""
    given = {"providers.json": providers, "workspaces.json": workspaces, "hub.json": hub}
    return {
        name: value if value is None or isinstance(value, bytes | KeepLastGood) else json.dumps(value).encode()
        for name, value in given.items()
    }


@pytest.fixture
def state(tmp_path: Path) -> DesiredState:
    """A first start."""
    return DesiredState(StateStore(tmp_path))


def codes(state: DesiredState) -> list[str]:
    """The codes of what is reported."""
    return [found.code for found in state.issues]


def test_a_revision_is_a_change_of_content(state: DesiredState) -> None:
    """Not a change of bytes."""
    first = state.snapshot.id
    state.apply(readings(TWO, {"w": ["a"]}))
    second = state.snapshot.id
    assert second.newer_than(first)
    state.apply(readings(json.dumps(TWO, indent=7).encode(), {"w": ["a", "a"]}))
    assert state.snapshot.id == second
    assert codes(state) == ["MEMBER_DUPLICATE"]


@pytest.mark.parametrize("broken", [b"", b"  ", b'{"a": {', b"null", b"[]", b"\xff"])
def test_a_broken_file_changes_nothing_but_is_reported(state: DesiredState, broken: bytes) -> None:
    """Each file, alone and together with others; and the report goes with the cause."""
    good = readings(TWO, {"w": ["a"]}, {"workspaces": {"w": {"enabled": False}}})
    state.apply(good)
    snapshot = state.snapshot
    for name in good:
        state.apply({**good, name: broken})
        assert state.snapshot == snapshot
        assert [found.file for found in state.issues] == [name]
        assert state.held == {name}
    state.apply(dict.fromkeys(good, broken))
    assert state.snapshot == snapshot
    state.apply(good)
    assert state.issues == ()
    assert not state.held


def test_settings_that_were_never_read_start_no_server(state: DesiredState, tmp_path: Path) -> None:
    """Any may be meant for a container, or to be off; once hub.json was read, its last good version counts."""
    state.apply(readings(TWO, {"w": ["a"]}, b"{ broken"))
    assert codes(state) == ["FILE_UNPARSABLE", "HUB_NEVER_READ"]
    assert [spec.settings.enabled for spec in state.snapshot.servers] == [False, False]
    state.apply(readings(TWO, {"w": ["a"]}, {"servers": {"b": {"enabled": False}}}))
    assert [spec.settings.enabled for spec in state.snapshot.servers] == [True, False]
    state.apply(readings(TWO, {"w": ["a"]}, b"{ broken"))
    assert codes(state) == ["FILE_UNPARSABLE"]
    again = DesiredState(StateStore(tmp_path))
    again.apply(readings(TWO, {"w": ["a"]}, b"{ broken"))
    assert [spec.settings.enabled for spec in again.snapshot.servers] == [True, False]


def test_a_missing_file_is_empty(state: DesiredState) -> None:
    """YAMCP deletes it with the last entry."""
    state.apply(readings(TWO, {"w": ["a"]}))
    state.apply(readings(None, {"w": ["a"]}))
    assert keys(state.snapshot) == set()
    assert names(state.snapshot) == {"w"}


def test_a_file_that_settles_is_expected_and_not_reported(state: DesiredState) -> None:
    """Gone for a moment."""
    state.apply(readings(TWO, {"w": ["a"]}))
    assert state.expected == {"providers.json", "workspaces.json"}
    state.apply(readings(KeepLastGood(None), {"w": ["a"]}))
    assert keys(state.snapshot) == {"a", "b"}
    assert state.settling
    assert state.issues == ()


def test_a_restart_while_the_files_are_broken_changes_nothing(tmp_path: Path, state: DesiredState) -> None:
    """But the epoch, which grows."""
    state.apply(readings({**TWO, "c": server("3")}, {"w": ["a"]}, {"servers": {"a": {"max_inflight": 2}}}))
    state.apply(readings({**TWO, "c": None}, {"w": ["a"]}, {"servers": {"a": {"max_inflight": 2}}}))
    before = state.snapshot
    again = DesiredState(StateStore(tmp_path))
    again.apply(readings(b"", b'{"w"', b"null"))
    assert again.remembers
    assert (again.snapshot.servers, again.snapshot.workspaces) == (before.servers, before.workspaces)
    assert [spec.stale for spec in again.snapshot.servers] == [False, False, True]
    assert again.snapshot.id.newer_than(before.id)


def test_a_state_that_was_lost_is_followed_by_a_later_epoch(tmp_path: Path, state: DesiredState) -> None:
    """Whatever the epoch was."""
    (tmp_path / STATE_FILE).write_bytes(b"broken")
    assert DesiredState(StateStore(tmp_path)).snapshot.id.newer_than(state.snapshot.id)


def test_a_later_epoch_of_the_sidecar_is_leapt_over(tmp_path: Path, state: DesiredState) -> None:
    """And remembered."""
    state.apply(readings(TWO))
    state.continue_after(40)
    assert (state.snapshot.id.epoch, keys(state.snapshot)) == (41, {"a", "b"})
    assert DesiredState(StateStore(tmp_path)).snapshot.id.epoch == 42


def test_a_rename_keeps_settings_at_once(state: DesiredState) -> None:
    """Server and workspace in one settle, before hub.json is written."""
    hub = {"servers": {"a": {"max_inflight": 2}}, "workspaces": {"w": {"enabled": False}}}
    state.apply(readings(TWO, {"w": ["a", "b"]}, hub))
    renames = state.apply(readings({"x": TWO["a"], "b": TWO["b"]}, {"v": ["x", "b"]}, hub))
    assert renames == ({"a": "x"}, {"w": "v"}, {"w": "v"}, {"v": ("w",)}, {"a": "x"})
    assert {spec.key: spec.settings.max_inflight for spec in state.snapshot.servers} == {"x": 2, "b": 64}
    assert [spec.enabled for spec in state.snapshot.workspaces] == [False]
    assert codes(state) == []


def test_a_rename_onto_settings_of_its_own_keeps_those(state: DesiredState) -> None:
    """A person said so."""
    hub = {"servers": {"a": {"max_inflight": 2}, "x": {"max_inflight": 3}}}
    state.apply(readings(TWO, None, hub))
    assert not state.apply(readings({"x": TWO["a"], "b": TWO["b"]}, None, hub))
    assert state.snapshot.servers[0].settings.max_inflight == 3


def test_half_an_edit_is_told_from_a_whole_one(state: DesiredState) -> None:
    """A file that says nothing any more, a server that vanished from under its workspace: until that is known."""
    whole = readings(TWO, {"w": ["a", "gone"]})
    state.apply(whole)
    assert not state.settle_seconds(whole)
    assert not state.settle_seconds(readings({**TWO, "c": server("3")}, {"w": ["c", "a", "gone"]}))
    for half, patience in ((readings(TWO, b""), 0.3), (readings({"b": TWO["b"]}, {"w": ["a", "gone"]}), 0.06)):
        assert state.settle_seconds(half) == patience
        state.apply(half)
        assert not state.settle_seconds(half)


def test_a_disk_that_takes_nothing_is_reported_and_survived(tmp_path: Path) -> None:
    """The epoch is then of the clock, as nobody will remember it."""
    state = DesiredState(StateStore(tmp_path / "gone"))
    state.apply(readings(TWO))
    assert keys(state.snapshot) == {"a", "b"}
    assert state.snapshot.id.epoch > 1_000_000_000
    assert codes(state) == ["STATE_NOT_SAVED"]


def test_each_issue_is_logged_once_when_it_comes_and_when_it_goes(
    state: DesiredState, caplog: pytest.LogCaptureFixture
) -> None:
    """With its code."""
    caplog.set_level("INFO")
    for value in (None, None, {"command": "c"}):
        state.apply(readings({"a": value, "b": value}))
    state.apply(readings({}))
    logged = [(record.levelname, getattr(record, "code", "")) for record in caplog.records]
    assert logged.count(("ERROR", "SERVER_ENTRY_INVALID")) == 2
    assert logged.count(("INFO", "SERVER_ENTRY_INVALID")) == 2
