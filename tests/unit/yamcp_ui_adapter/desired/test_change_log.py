"""What the adapter records of changes: each once, with who made it, and without secrets."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from bridge.author import Author
from bridge.errors import RemoteError
from bridge.models import (
    AccessFile,
    AddKey,
    DeleteServer,
    Duplicate,
    PutServer,
    ReadDesired,
    Reload,
    RevokeKey,
    SetServer,
    Snapshot,
    Undo,
)
from tests.unit.yamcp_ui_adapter.fixtures import Adapter, in_place, server, until
from yamcp_ui_adapter.desired import change_log
from yamcp_ui_adapter.desired.hub_json import HubJson
from yamcp_ui_adapter.errors import DataDirUnusable
from yamcp_ui_adapter.files.debounce import QUIET_SECONDS

TOKEN = "s3cret-value-of-a-token"
ALICE = Author(principal="alice", source="console")
BOB = Author(principal="bob", source="api")


@pytest.fixture
def adapter(tmp_path: Path) -> Adapter:
    """An adapter with one server, not started."""
    made = Adapter(tmp_path)
    in_place(made.providers, {"a": server("a", namespace="a")})
    in_place(made.workspaces, {"w": ["a"]})
    return made


def recorded(adapter: Adapter) -> list[dict[str, Any]]:
    """The changes in the spool, oldest first."""
    files = sorted(adapter.settings.spool_dir.glob("*.jsonl"))
    lines = [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]
    assert [line for line in lines if line.get("end")] == [{"end": True}] * len(files), "each file is complete"
    return [change for line in lines for change in line.get("changes", ())]


def with_token(value: str) -> dict[str, Any]:
    """An entry with a secret."""
    entry = server("b", namespace="b")
    entry["providerParameters"]["env"] = {"API_TOKEN": value}
    return entry


async def test_an_edit_is_recorded_with_its_author(adapter: Adapter) -> None:
    """Who, from where, the kind, the server, the hashes before and after, and the id by which it is undone."""
    async with adapter.running() as client:
        before = (await client.request(ReadDesired())).snapshot.id.hash
        await client.request(PutServer(key="b", entry=with_token(TOKEN)), by=ALICE)
        desired = await client.request(ReadDesired())
    [change] = recorded(adapter)
    assert desired.last_change is not None
    expected = {"principal": "alice", "source": "console", "kind": "put_server", "subject": "b"}
    expected |= {"change": desired.last_change.id, "before": before, "after": desired.snapshot.id.hash}
    assert {name: change[name] for name in expected} == expected
    assert '+  "key": "b"' in change["diff"]


async def test_no_secret_is_recorded(adapter: Adapter) -> None:
    """A changed secret shows that it changed, not what it is."""
    async with adapter.running() as client:
        await client.request(PutServer(key="b", entry=with_token(TOKEN)), by=ALICE)
        stored = (await client.request(ReadDesired())).snapshot
        await client.request(DeleteServer(key="b"), by=ALICE)
        await client.request(PutServer(key="b", entry=with_token("other-" + TOKEN)), by=ALICE)
    assert stored
    assert TOKEN not in json.dumps(recorded(adapter))


async def test_a_change_of_a_secret_alone_is_said(adapter: Adapter) -> None:
    """Its masked diff would be empty."""
    async with adapter.running() as client:
        await client.request(PutServer(key="b", entry=with_token(TOKEN)))
        in_place(adapter.providers, {"a": server("a", namespace="a"), "b": with_token("other-" + TOKEN)})
        await client.request(Reload(), by=Author(source="yamcp-ui"))
    change = recorded(adapter)[-1]
    assert (change["source"], change["kind"], change["subject"]) == ("yamcp-ui", "reload", "b")
    assert change["diff"] == "# a masked value of server 'b' changed\n"


async def test_an_edit_that_is_noticed_before_the_reload_is_that_of_its_author(
    adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """YAMCP-UI's edits are announced by a reload; the hub may notice the file sooner, while that waits."""
    sleep = asyncio.sleep

    async def slow(seconds: float) -> None:
        if seconds == QUIET_SECONDS:
            await until(lambda: bool(recorded(adapter)))
        await sleep(seconds)

    async with adapter.running() as client:
        monkeypatch.setattr("yamcp_ui_adapter.desired.service.asyncio.sleep", slow)
        asked = asyncio.create_task(client.request(Reload(), by=Author(principal="ann", source="yamcp-ui")))
        await sleep(0)
        in_place(adapter.workspaces, {"w": ["a"], "x": ["a"]})
        await asked
        monkeypatch.undo()
    [change] = recorded(adapter)
    assert (change["principal"], change["source"], change["subject"]) == ("ann", "yamcp-ui", "x")


async def test_an_edit_that_was_noticed_before_the_reload_came_is_that_of_its_author(
    adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record waits for its author; without one it is that of a file."""
    monkeypatch.setattr(change_log, "HOLD_SECONDS", 1000.0)
    async with adapter.running() as client:
        for name, source in (("x", "yamcp-ui"), ("y", "")):
            before = (await client.request(ReadDesired())).snapshot.id.hash
            in_place(adapter.workspaces, {"w": ["a"], name: ["a"]})
            while (await client.request(ReadDesired())).snapshot.id.hash == before:  # noqa: ASYNC110 (no event tells)
                await asyncio.sleep(0.01)
            if source:
                await client.request(Reload(), by=Author(principal="ann", source=source))
    found = [(change["principal"], change["source"], change["kind"]) for change in recorded(adapter)]
    assert found == [("ann", "yamcp-ui", "reload"), ("", "file", "file")]


async def test_an_edit_of_a_file_is_recorded(adapter: Adapter) -> None:
    """Nobody says who made it."""
    async with adapter.running():
        in_place(adapter.workspaces, {"w": ["a"], "x": ["a"]})
        await until(lambda: bool(recorded(adapter)))
    [change] = recorded(adapter)
    assert (change["principal"], change["source"], change["kind"], change["subject"]) == ("", "file", "file", "x")


async def test_a_change_that_was_made_at_another_replica_is_recorded_there(tmp_path: Path) -> None:
    """If both have one history: it is no edit of a file here."""
    spool = tmp_path / "spool"
    log = change_log.ChangeLog(spool, 10**6)
    for elsewhere in (True, False):
        log.recorded_elsewhere = lambda made=elsewhere: made  # type: ignore[misc]
        log.note(Snapshot.of(1, 1, (), ()), Snapshot.of(1, 2, (), (), AccessFile()))
        log.write()
        log.close()
        assert spool.exists() != elsewhere


async def test_an_edit_while_the_hub_was_down_is_recorded_at_its_start(adapter: Adapter) -> None:
    """But not the first start, at which everything is new, nor a start without a change."""
    async with adapter.running():
        pass
    async with adapter.running():
        pass
    assert recorded(adapter) == []
    in_place(adapter.providers, {"a": server("other", namespace="a")})
    async with adapter.running():
        pass
    assert [(change["source"], change["subject"]) for change in recorded(adapter)] == [("file", "a")]


async def test_settings_and_undo_are_recorded(adapter: Adapter) -> None:
    """Each is one change; an undo has no id of its own."""
    async with adapter.running() as client:
        await client.request(SetServer(key="a", settings={"enabled": False}), by=ALICE)
        await client.request(SetServer(key="a", settings={"enabled": False}), by=ALICE)  # changes nothing
        await client.request(Undo(), by=ALICE)
    found = [(change["kind"], bool(change["change"])) for change in recorded(adapter)]
    assert found == [("set_server", True), ("undo", False)]


async def test_a_request_that_fails_half_way_is_recorded_as_its_own_author(
    adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has changed YAMCP's files when hub.json cannot be written: the change is not that of whoever comes next."""

    def full(*_: object) -> None:
        raise DataDirUnusable("hub.json cannot be written: no space left.")

    async with adapter.running() as client:
        await client.request(SetServer(key="a", settings={"enabled": False}), by=BOB)
        with monkeypatch.context() as patched, pytest.raises(RemoteError, match="no space left"):
            patched.setattr(HubJson, "write", full)
            await client.request(Duplicate(section="servers", name="a", to="b"), by=ALICE)
        await client.request(SetServer(key="a", settings={"enabled": True}), by=BOB)
    found = [(change["principal"], change["kind"], change["subject"]) for change in recorded(adapter)]
    assert found == [("bob", "set_server", "a"), ("alice", "duplicate", "b"), ("bob", "set_server", "a")]


async def test_keys_are_recorded(adapter: Adapter) -> None:
    """By name and rights, without the token or its hash."""
    async with adapter.running() as client:
        made = await client.request(AddKey(name="ci", workspaces=("w",)), by=ALICE)
        await client.request(RevokeKey(key="ci"), by=ALICE)
    added, revoked = recorded(adapter)
    assert (added["kind"], added["subject"], added["principal"]) == ("add_key", "ci", "alice")
    assert added["diff"] == f"+ key {made.id} 'ci', workspaces 'w'\n"
    assert (revoked["kind"], revoked["diff"][0]) == ("revoke_key", "-")
    assert made.token not in json.dumps([added, revoked])


async def test_nothing_is_recorded_without_a_history(tmp_path: Path) -> None:
    """HUB_HISTORY=off makes no spool."""
    adapter = Adapter(tmp_path, history=False)
    async with adapter.running() as client:
        await client.request(PutServer(key="b", entry=server("b", namespace="b")))
    assert not adapter.settings.spool_dir.exists()


async def test_a_full_spool_does_not_stop_an_edit(tmp_path: Path) -> None:
    """The edit is made; the record that is lost is counted in the next one that fits."""
    adapter = Adapter(tmp_path, spool_max_mb=1)
    adapter.settings.spool_dir.mkdir()
    full = adapter.settings.spool_dir / "0-sidecar-1-000000.jsonl"
    full.write_bytes(b"x" * 1_000_000)
    async with adapter.running() as client:
        await client.request(PutServer(key="b", entry=server("b", namespace="b")))
        full.unlink()
        await client.request(PutServer(key="c", entry=server("c", namespace="c")))
    [file] = adapter.settings.spool_dir.glob("*.jsonl")
    line = json.loads(file.read_text("utf-8").splitlines()[0])
    assert (line["lost"], line["changes"][0]["subject"]) == (1, "c")
