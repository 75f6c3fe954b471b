"""access.json in the adapter: last good version, requests, renames, the roles for the front, over real files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bridge.client import BridgeClient
from bridge.errors import ErrorBody, RemoteError
from bridge.models import (
    AccessFile,
    CheckAccessFile,
    PutAccessFile,
    PutServer,
    PutWorkspace,
    ReadAccessFile,
    ReadDesired,
    Reload,
    Request,
    Snapshot,
)
from tests.unit.yamcp_ui_adapter.fixtures import Adapter, in_place, server
from yamcp_ui_adapter.access.parse import CLOSED
from yamcp_ui_adapter.desired.change_log import describe
from yamcp_ui_adapter.desired.state import DesiredState
from yamcp_ui_adapter.desired.store import StateStore

RULES = {
    "roles": [{"subject": "group:dev", "role": "owner", "servers": ["a"], "workspaces": ["w"]}],
    "rules": [{"effect": "deny", "subject": "*", "servers": ["a"], "workspaces": ["w"]}],
}
TEXT = json.dumps(RULES)
FAULTY = '{"rules": [{"effect": "deny"}]}'


@pytest.fixture
def adapter(tmp_path: Path) -> Adapter:
    """An adapter with one server in a workspace, not started."""
    made = Adapter(tmp_path)
    in_place(made.providers, {"a": server("1", namespace="A")})
    in_place(made.workspaces, {"w": ["a"]})
    return made


def file_of(adapter: Adapter) -> Path:
    return adapter.settings.data_dir / "access.json"


def applied(adapter: Adapter) -> Any:
    """What the front reads; None if it is not there."""
    path = adapter.settings.data_dir / "access.applied.json"
    return json.loads(path.read_text()) if path.exists() else None


async def refusal(client: BridgeClient, body: Request[Any]) -> ErrorBody:
    with pytest.raises(RemoteError) as caught:
        await client.request(body)
    return caught.value.body()


async def codes(client: BridgeClient) -> list[str]:
    return [issue.code for issue in (await client.request(ReadDesired())).issues]


async def test_a_file_is_published_and_its_roles_are_told_to_the_front(adapter: Adapter) -> None:
    """Both are gone with the file; a fault keeps the last good version of both."""
    async with adapter.sidecar.running(), adapter.running() as client:
        first = await adapter.sidecar.until(lambda found: True)
        assert (first.access, applied(adapter)) == (None, None)
        in_place(file_of(adapter), RULES)
        found = await adapter.sidecar.until(lambda found: found.access is not None)
        assert found.access == AccessFile.model_validate(RULES)
        assert found.id.newer_than(first.id)
        assert applied(adapter) == {"version": 1, "roles": [{**RULES["roles"][0]}]}
        assert (adapter.settings.data_dir / "access.applied.json").stat().st_mode & 0o777 == 0o600
        file_of(adapter).write_text(FAULTY)
        await client.request(Reload())
        assert await codes(client) == ["ACCESS_INVALID", "ACCESS_NOT_ENFORCED"]
        assert adapter.sidecar.snapshots[-1].access == found.access
        assert applied(adapter) is not None
        file_of(adapter).unlink()
        await adapter.sidecar.until(lambda later: later.access is None, since=len(adapter.sidecar.snapshots))
        assert applied(adapter) is None
        assert await codes(client) == []


async def test_a_file_that_was_never_good_closes_the_hub_to_all_but_admins(adapter: Adapter) -> None:
    """It might deny anything; what was good before a restart is known."""
    adapter.settings.data_dir.mkdir(parents=True, exist_ok=True)
    file_of(adapter).write_text(FAULTY)
    async with adapter.sidecar.running(), adapter.running() as client:
        found = await adapter.sidecar.until(lambda found: True)
        assert found.access == CLOSED
        assert await codes(client) == ["ACCESS_INVALID", "ACCESS_NEVER_READ", "ACCESS_NOT_ENFORCED"]
        in_place(file_of(adapter), RULES)
        await adapter.sidecar.until(lambda found: found.access == AccessFile.model_validate(RULES))
    file_of(adapter).write_text(FAULTY)
    async with adapter.sidecar.running(), adapter.running() as client:
        assert adapter.sidecar.snapshots[-1].access == AccessFile.model_validate(RULES)
        assert await codes(client) == ["ACCESS_INVALID", "ACCESS_NOT_ENFORCED"]


def test_a_state_of_an_earlier_version_closes_for_a_faulty_file(tmp_path: Path) -> None:
    """Whatever else was known."""
    state = DesiredState(StateStore(tmp_path))
    state.apply({"providers.json": None, "workspaces.json": None, "hub.json": None})
    assert state.snapshot.access is None
    state.apply({"access.json": FAULTY.encode()})
    assert state.snapshot.access == CLOSED
    state.apply({"access.json": None})
    assert state.snapshot.access is None


async def test_the_text_is_read_checked_and_replaced(adapter: Adapter) -> None:
    """With the hash of what was seen; a copy of the former text is kept."""
    async with adapter.sidecar.running(), adapter.running() as client:
        empty = await client.request(ReadAccessFile())
        assert (empty.text, empty.hash, empty.in_force) == (None, "", False)
        saved = await client.request(PutAccessFile(text=TEXT, hash=""))
        await adapter.sidecar.until(lambda found: found.id == saved.snapshot)
        now = await client.request(ReadAccessFile())
        assert (now.text, now.hash, now.issues, now.in_force) == (TEXT, saved.hash, (), True)
        assert file_of(adapter).stat().st_mode & 0o777 == 0o600
        error = await refusal(client, PutAccessFile(text="{}", hash=""))
        assert error.code == "EDIT_CONFLICT"
        error = await refusal(client, PutAccessFile(text=FAULTY, hash=saved.hash))
        assert error.code == "ACCESS_TEXT_INVALID"
        assert "line 1: rules[0].subject" in error.data["issues"][0]["message"]
        assert file_of(adapter).read_text() == TEXT
        checked = await client.request(CheckAccessFile(text=TEXT.replace('"w"', '"v"')))
        assert [issue.code for issue in checked.issues] == ["ACCESS_NAME_UNKNOWN"] * 2
        gone = await client.request(PutAccessFile(text=None, hash=saved.hash))
        assert gone.hash == ""
        assert not file_of(adapter).exists()
        assert (await adapter.sidecar.until(lambda found: found.id == gone.snapshot)).access is None
    backups = sorted((adapter.settings.data_dir / "backups").glob("access.json.*"))
    assert [path.read_text() for path in backups] == [TEXT]


async def test_names_follow_renames_that_the_hub_makes(adapter: Adapter) -> None:
    """In the file and in the snapshot that has the new names first: no rule is without effect in between."""
    async with adapter.sidecar.running(), adapter.running() as client:
        await client.request(PutAccessFile(text=TEXT))
        await client.request(PutServer(key="b", entry=server("2", namespace="B"), old_key="a"))
        changed = await client.request(PutWorkspace(name="v", servers=("b",), old_name="w"))
        last = await adapter.sidecar.until(lambda found: found.id == changed.snapshot)
        named = [(each.servers, each.workspaces) for each in (*last.access.roles, *last.access.rules)]  # type: ignore[union-attr]
        assert named == [(("b",), ("v",))] * 2
        rules = json.loads(file_of(adapter).read_text())["rules"]
        assert (rules[0]["servers"], rules[0]["workspaces"]) == (["b"], ["v"])
        assert await codes(client) == ["ACCESS_NOT_ENFORCED"]
    for snapshot in adapter.sidecar.snapshots:
        if snapshot.access is not None:
            assert {spec.key for spec in snapshot.servers} == set(snapshot.access.rules[0].servers or ())


async def test_names_follow_renames_in_the_files(adapter: Adapter) -> None:
    """As the settings in hub.json do."""
    async with adapter.sidecar.running(), adapter.running() as client:
        await client.request(PutAccessFile(text=TEXT))
        in_place(adapter.workspaces, {"w": ["b"]})
        in_place(adapter.providers, {"b": server("1", namespace="A")})
        found = await adapter.sidecar.until(lambda found: {spec.key for spec in found.servers} == {"b"})
        assert found.access is not None
        assert found.access.rules[0].servers == ("b",)
        assert json.loads(file_of(adapter).read_text())["rules"][0]["servers"] == ["b"]


def test_a_change_is_described_entry_by_entry() -> None:
    """For the history: what was added and what was removed."""
    before = Snapshot.of(1, 1, (), (), AccessFile.model_validate(RULES))
    after = Snapshot.of(1, 2, (), (), AccessFile.model_validate({**RULES, "rules": []}))
    subject, diff = describe(before, after)
    assert subject == "access.json"
    removed = [line for line in diff.splitlines() if line.startswith("-") and not line.startswith("---")]
    assert removed == [
        '-rules: {"effect": "deny", "subject": "*", "workspaces": ["w"], "servers": ["a"]}',
    ]
    assert describe(Snapshot.of(1, 1, (), ()), before)[0] == "access.json"
