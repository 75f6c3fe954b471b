"""The kinds that read and edit YAMCP's files, with real files, over the bridge in memory."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from bridge.client import BridgeClient, Subscriber
from bridge.errors import ErrorBody, RemoteError
from bridge.models import (
    ConfigFile,
    Curation,
    DeleteServer,
    DeleteWorkspace,
    ForgetSettings,
    Imported,
    ImportServers,
    PutConfig,
    PutServer,
    PutWorkspace,
    ReadConfig,
    ReadDesired,
    Reload,
    Request,
    SetServer,
    SetWorkspace,
)
from tests.unit.yamcp_ui_adapter.fixtures import Adapter, in_place, keys, names, server
from yamcp_ui_adapter.format.jsontext import stringify


@pytest.fixture
def adapter(tmp_path: Path) -> Adapter:
    """An adapter with two servers in a workspace, not started."""
    made = Adapter(tmp_path)
    in_place(made.providers, {"a": server("1", namespace="A"), "b": {**server("2"), "note": "kept"}})
    in_place(made.workspaces, {"w": ["a", "b"], "v": {"name": "v", "servers": ["a"]}})
    return made


async def refusal(client: BridgeClient, body: Request[Any]) -> ErrorBody:
    """The error that a request is answered with."""
    with pytest.raises(RemoteError) as caught:
        await client.request(body)
    return caught.value.body()


async def entry_hash(client: BridgeClient, file: Any, key: str) -> str:
    """The hash of an entry as it is now."""
    return (await client.request(ReadConfig(file=file))).entries[key]


def said(path: Path) -> Any:
    """What a file says."""
    return json.loads(path.read_text("utf-8"))


async def test_a_server_is_written_in_its_place_and_published(adapter: Adapter) -> None:
    """In YAMCP's format, and for its owner alone; the answer names the snapshot that holds it."""
    adapter.providers.chmod(0o640)
    async with adapter.sidecar.running(), adapter.running() as client:
        changed = await client.request(PutServer(key="a", entry=server("9", namespace="A")))
        snapshot = await adapter.sidecar.until(lambda found: found.id == changed.snapshot)
        assert snapshot.servers[0].launch.args == ("9",)  # type: ignore[union-attr]
        assert list(said(adapter.providers)) == ["a", "b"]
        assert adapter.providers.read_bytes() == stringify(said(adapter.providers))
        assert said(adapter.providers)["b"]["note"] == "kept"
        assert adapter.providers.stat().st_mode & 0o777 == 0o600
        again = await client.request(PutServer(key="a", entry=server("9", namespace="A")))
        assert again.snapshot == changed.snapshot
    assert len(list((adapter.settings.data_dir / "backups").iterdir())) == 1
    assert [path.name for path in adapter.settings.yamcp_dir.iterdir() if path.name.startswith(".")] == []


async def test_a_new_server_comes_last_and_a_missing_file_is_made(adapter: Adapter) -> None:
    """For its owner alone, as it may hold secrets."""
    adapter.providers.unlink()
    adapter.workspaces.unlink()
    async with adapter.sidecar.running(), adapter.running() as client:
        await client.request(PutServer(key="z", entry=server("1"), expect=""))
        changed = await client.request(PutServer(key="", entry=server("2"), expect=""))
        await client.request(PutWorkspace(name="", servers=("z", ""), expect=""))
        snapshot = await adapter.sidecar.until(lambda found: names(found) == {""})
        assert snapshot.id.newer_than(changed.snapshot)
        assert list(said(adapter.providers)) == ["z", ""]
        assert adapter.providers.stat().st_mode & 0o777 == 0o600


async def test_a_change_of_what_somebody_else_changed_is_refused(adapter: Adapter) -> None:
    """With what is there now; a change of another entry is no hindrance."""
    async with adapter.running() as client:
        seen = await entry_hash(client, "providers", "a")
        in_place(adapter.providers, {"a": server("1", namespace="A"), "b": server("3")})
        await client.request(PutServer(key="a", entry=server("4"), expect=seen))
        assert said(adapter.providers) == {"a": server("4"), "b": server("3")}
        error = await refusal(client, PutServer(key="a", entry=server("5"), expect=seen))
        assert error.code == "EDIT_CONFLICT"
        now = await entry_hash(client, "providers", "a")
        assert error.data == {"file": "providers", "key": "a", "hash": now}
        error = await refusal(client, DeleteServer(key="a", expect=seen))
        assert error.code == "EDIT_CONFLICT"
        in_place(adapter.providers, {"b": server("3")})
        error = await refusal(client, PutServer(key="c", entry=server(), expect=now, old_key="a"))
        assert (error.code, error.data["hash"]) == ("EDIT_CONFLICT", "")
        assert said(adapter.providers) == {"b": server("3")}


async def test_a_name_that_is_taken_is_refused(adapter: Adapter) -> None:
    """For a new one, and for a rename."""
    async with adapter.running() as client:
        before = adapter.providers.read_bytes(), adapter.workspaces.read_bytes()
        new = PutServer(key="a", entry=server(), expect="")
        assert (await refusal(client, new)).code == "ALREADY_EXISTS"
        rename = PutServer(key="a", entry=server(), old_key="b")
        assert (await refusal(client, rename)).code == "ALREADY_EXISTS"
        assert (await refusal(client, PutWorkspace(name="w", servers=(), expect=""))).code == ("ALREADY_EXISTS")
        taken = PutWorkspace(name="w", servers=(), old_name="v")
        assert (await refusal(client, taken)).code == "ALREADY_EXISTS"
        assert (adapter.providers.read_bytes(), adapter.workspaces.read_bytes()) == before


async def test_what_is_not_there_cannot_be_changed(adapter: Adapter) -> None:
    """Renamed or deleted."""
    async with adapter.running() as client:
        rename = PutServer(key="y", entry=server(), old_key="x")
        assert (await refusal(client, rename)).code == "NO_SUCH_SERVER"
        assert (await refusal(client, DeleteServer(key="x"))).code == "NO_SUCH_SERVER"
        moved = PutWorkspace(name="y", servers=(), old_name="x")
        assert (await refusal(client, moved)).code == "NO_SUCH_WORKSPACE"
        assert (await refusal(client, DeleteWorkspace(name="x"))).code == "NO_SUCH_WORKSPACE"


async def test_an_entry_that_cannot_be_used_is_refused_with_the_reason(adapter: Adapter) -> None:
    """What is only odd is taken."""
    async with adapter.running() as client:
        before = adapter.providers.read_bytes()
        error = await refusal(client, PutServer(key="c", entry={"type": "stdio", "command": ""}))
        assert (error.code, error.data) == ("ENTRY_INVALID", {"issue": "SERVER_NO_COMMAND", "key": "c"})
        assert (await refusal(client, PutServer(key="\0", entry=server()))).code == "ENTRY_INVALID"
        bad = PutWorkspace(name="x", servers=("\0",))
        assert (await refusal(client, bad)).code == "ENTRY_INVALID"
        assert adapter.providers.read_bytes() == before
        await client.request(PutServer(key="c", entry={"command": "run me", "color": "red"}))
        issues = (await client.request(ReadDesired())).issues
        assert "SERVER_FLAT" in {found.code for found in issues if found.subject == "server:c"}


async def test_a_broken_file_is_not_overwritten(adapter: Adapter) -> None:
    """Unless the whole of it is, by somebody who saw what is there."""
    async with adapter.running() as client:
        adapter.providers.write_bytes(b'{"a": ')
        error = await refusal(client, PutServer(key="a", entry=server()))
        assert (error.code, error.data) == ("CONFIG_FILE_BROKEN", {"file": "providers"})
        blind = PutConfig(file="providers", content={})
        assert (await refusal(client, blind)).code == "CONFIG_FILE_BROKEN"
        seen = await client.request(ReadConfig(file="providers"))
        assert (seen.text, seen.content, seen.error and seen.error.code) == (None, None, "FILE_UNPARSABLE")
        await client.request(PutWorkspace(name="new", servers=("a",)))
        assert adapter.providers.read_bytes() == b'{"a": '
        await client.request(PutConfig(file="providers", content={"a": server("7")}, expect=seen.hash))
        assert said(adapter.providers) == {"a": server("7")}
        adapter.providers.unlink()
        adapter.providers.mkdir()
        assert (await refusal(client, DeleteServer(key="a"))).code == "CONFIG_FILE_BROKEN"
        unreadable = await client.request(ReadConfig(file="providers"))
        replaced = PutConfig(file="providers", content={}, expect=unreadable.hash)
        assert (await refusal(client, replaced)).code == "CONFIG_FILE_BROKEN"


async def test_a_write_in_progress_is_waited_out(adapter: Adapter) -> None:
    """What it writes is kept."""
    async with adapter.running() as client:
        adapter.providers.write_bytes(b"")
        asyncio.get_running_loop().call_later(
            0.1, in_place, adapter.providers, {"a": server("1", namespace="A"), "n": server("new")}
        )
        await client.request(PutServer(key="b", entry=server("2"), expect=""))
        assert list(said(adapter.providers)) == ["a", "n", "b"]


async def test_an_editor_that_renames_while_it_saves_is_waited_for(adapter: Adapter) -> None:
    """The file that is gone for a moment was not deleted."""
    async with adapter.running() as client:
        aside = adapter.providers.rename(adapter.providers.with_suffix(".bak"))
        asyncio.get_running_loop().call_later(0.05, aside.rename, adapter.providers)
        await client.request(PutServer(key="c", entry=server("3")))
        assert list(said(adapter.providers)) == ["a", "b", "c"]


async def test_a_rename_moves_members_and_settings(adapter: Adapter) -> None:
    """No snapshot in between has lost the server, even when its definition changes as well."""
    sidecar = adapter.sidecar
    async with sidecar.running(), adapter.running() as client:
        await client.request(SetServer(key="a", settings={"max_inflight": 3}))
        await client.request(SetServer(key="b", settings={"max_inflight": 4}))
        approvals = adapter.settings.data_dir / "approvals.json"
        approvals.write_text('{"added": ["a"]}')
        entry = server("new", namespace="A")
        changed = await client.request(PutServer(key="c", entry=entry, old_key="a"))
        snapshot = await sidecar.until(lambda found: found.id == changed.snapshot)
        assert [(spec.key, spec.settings.max_inflight) for spec in snapshot.servers] == [("c", 3), ("b", 4)]
        assert {spec.name: spec.servers for spec in snapshot.workspaces} == {"w": ("c", "b"), "v": ("c",)}
        assert said(adapter.workspaces) == {"w": ["c", "b"], "v": {"name": "v", "servers": ["c"]}}
        assert list(said(adapter.hub)["servers"]) == ["c", "b"]
        assert said(approvals)["added"] == ["c"]
    assert all(keys(found) in ({"a", "b"}, {"c", "b"}) for found in sidecar.snapshots)
    assert all(len(spec.servers) == (2 if spec.name == "w" else 1) for s in sidecar.snapshots for spec in s.workspaces)


async def test_a_renamed_workspace_stays_switched_off(adapter: Adapter) -> None:
    """In its form and its place, whatever its members become."""
    async with adapter.sidecar.running(), adapter.running() as client:
        await client.request(SetWorkspace(name="v", enabled=False))
        changed = await client.request(PutWorkspace(name="u", servers=("b",), old_name="v"))
        snapshot = await adapter.sidecar.until(lambda found: found.id == changed.snapshot)
        assert [(spec.name, spec.enabled) for spec in snapshot.workspaces] == [("w", True), ("u", False)]
        assert said(adapter.workspaces)["u"] == {"name": "u", "servers": ["b"]}


async def test_a_deleted_server_leaves_nothing_behind(adapter: Adapter) -> None:
    """No member, no settings; nothing to report."""
    async with adapter.sidecar.running(), adapter.running() as client:
        await client.request(SetServer(key="a", settings={"max_inflight": 3}))
        await client.request(DeleteServer(key="a", expect=await entry_hash(client, "providers", "a")))
        assert said(adapter.workspaces) == {"w": ["b"], "v": {"name": "v", "servers": []}}
        assert said(adapter.hub)["servers"] == {}
        await client.request(SetWorkspace(name="v", enabled=False))
        await client.request(DeleteWorkspace(name="v"))
        codes = {found.code for found in (await client.request(ReadDesired())).issues}
        assert codes == {"SERVER_FIELD_UNKNOWN"}
        await client.request(DeleteWorkspace(name="w"))
        assert said(adapter.workspaces) == {}


async def test_a_switch_in_a_workspace_follows_a_server_and_is_for_members_alone(adapter: Adapter) -> None:
    """Renamed by the hub or in the file; a server that is no member is refused."""
    async with adapter.sidecar.running(), adapter.running() as client:
        stranger = SetWorkspace(name="v", servers={"a": True, "b": False})
        assert (await refusal(client, stranger)).code == "NO_SUCH_SERVER"
        await client.request(SetWorkspace(name="w", servers={"a": False, "b": False}))
        await client.request(PutServer(key="c", entry=server("1", namespace="A"), old_key="a"))
        assert said(adapter.hub)["workspaces"] == {"w": {"disabled_servers": ["c", "b"]}}
        in_place(adapter.workspaces, {"w": ["c", "d"]})
        in_place(adapter.providers, {"c": server("1", namespace="A"), "d": {**server("2"), "note": "kept"}})
        snapshot = await adapter.sidecar.until(
            lambda found: [spec.disabled_servers for spec in found.workspaces] == [("c", "d")]
        )
        assert snapshot.workspaces[0].servers == ("c", "d")
        assert said(adapter.hub)["workspaces"] == {"w": {"disabled_servers": ["c", "d"]}}


async def test_a_curation_follows_a_server_that_has_no_settings_of_its_own(adapter: Adapter) -> None:
    """Renamed by the hub or in the file; with a removed server it goes."""
    rules = {"tools": {"new": "ask", "known": ["t"]}}

    def curated() -> Any:
        servers = said(adapter.hub)["workspaces"]["w"]["curation"]["servers"]
        return {key: each["tools"]["known"] for key, each in servers.items()}

    async with adapter.sidecar.running(), adapter.running() as client:
        chosen = Curation.model_validate({"servers": dict.fromkeys("ab", rules)})
        await client.request(SetWorkspace(name="w", curation=chosen))
        await client.request(PutServer(key="c", entry=server("1", namespace="A"), old_key="a"))
        assert curated() == {"c": ["t"], "b": ["t"]}
        in_place(adapter.workspaces, {"w": ["c", "d"]})
        in_place(adapter.providers, {"c": server("1", namespace="A"), "d": {**server("2"), "note": "kept"}})
        snapshot = await adapter.sidecar.until(
            lambda found: [set(spec.curation.servers) for spec in found.workspaces if spec.curation] == [{"c", "d"}]
        )
        assert snapshot.workspaces[0].servers == ("c", "d")
        assert curated() == {"c": ["t"], "d": ["t"]}
        await client.request(DeleteServer(key="d"))
        assert curated() == {"c": ["t"]}


async def test_settings_of_what_is_gone_are_forgotten_on_request(adapter: Adapter) -> None:
    """Not of what is there, even with an entry that cannot be used; asked twice, nothing more happens."""
    async with adapter.running() as client:
        await client.request(SetServer(key="a", settings={"max_inflight": 3}))
        await client.request(SetWorkspace(name="w", enabled=False, servers={"a": False}))
        in_place(adapter.providers, {"a": {"type": "odd"}, "b": server("2")})
        await client.request(Reload())
        assert (await refusal(client, ForgetSettings(section="servers", name="a"))).code == "EDIT_INVALID"
        assert (await refusal(client, ForgetSettings(section="workspaces", name="w"))).code == "EDIT_INVALID"
        in_place(adapter.providers, {"b": server("2")})
        in_place(adapter.workspaces, {"v": ["b"]})
        await client.request(Reload())
        unused = [found.subject for found in (await client.request(ReadDesired())).issues if found.file == "hub.json"]
        assert unused == ["server:a", "workspace:w"]
        for _ in range(2):
            await client.request(ForgetSettings(section="servers", name="a"))
            await client.request(ForgetSettings(section="workspaces", name="w"))
        assert (await client.request(ReadDesired())).issues == ()
        assert said(adapter.hub) == {"version": 1, "servers": {}, "workspaces": {}}


async def test_settings_that_cannot_be_moved_stop_a_rename(adapter: Adapter) -> None:
    """While there are any; nothing is changed then."""
    async with adapter.running() as client:
        await client.request(SetServer(key="a", settings={"max_inflight": 3}))
        adapter.hub.write_bytes(b"{")
        rename = PutServer(key="c", entry=server(), old_key="a")
        assert (await refusal(client, rename)).code == "HUB_FILE_BROKEN"
        assert list(said(adapter.providers)) == ["a", "b"]
        await client.request(PutServer(key="d", entry=server("2"), old_key="b"))
        assert list(said(adapter.providers)) == ["a", "d"]


async def test_the_other_form_of_the_file_is_kept(adapter: Adapter) -> None:
    """Entries inside `mcpServers` stay there, new ones join them."""
    in_place(adapter.providers, {"mcpServers": {"a": {"command": "x"}, "b": {"command": "y", "args": ["1"]}}})
    async with adapter.running() as client:
        config = await client.request(ReadConfig(file="providers"))
        assert set(config.entries) == {"a", "b"}
        assert config.content == {"a": {"command": "x"}, "b": {"command": "y", "args": ["1"]}}
        edit = PutServer(key="A", entry={"command": "z"}, old_key="a", expect=config.entries["a"])
        await client.request(edit)
        await client.request(PutServer(key="c", entry=server("2")))
        await client.request(DeleteServer(key="b"))
        assert said(adapter.providers) == {"mcpServers": {"A": {"command": "z"}, "c": server("2")}}


async def test_links_are_followed(adapter: Adapter) -> None:
    """What they point at is replaced."""
    real = adapter.settings.data_dir / "dotfiles.json"
    adapter.providers.rename(real)
    adapter.providers.symlink_to(real)
    async with adapter.running() as client:
        await client.request(PutServer(key="c", entry=server("2")))
    assert adapter.providers.is_symlink()
    assert list(said(real)) == ["a", "b", "c"]


async def test_what_cannot_be_sent_is_told_as_well_as_it_can(adapter: Adapter) -> None:
    """Half a character, a number beyond 64 bits."""
    adapter.providers.write_text(
        '{"a": {"command": "x", "n": 1e400, "m": %d, "t": "\\ud800"}, "\\udfff": 1}'.replace("%d", str(10**30))
    )
    async with adapter.running() as client:
        config = await client.request(ReadConfig(file="providers"))
        assert config.content == {"a": {"command": "x", "n": None, "m": 1e30, "t": "\ufffd"}, "\ufffd": 1}
        assert list(config.entries) == ["a"]
        await client.request(PutServer(key="b", entry=server("2")))
        after = adapter.providers.read_text()
        assert '"m": 1' + "0" * 30 in after
        assert '"n": 1e999' in after
        assert '"t": "\\ud800"' in after
        assert '"\\udfff": 1' in after


async def test_a_file_that_is_nested_too_deep_is_left_alone(adapter: Adapter) -> None:
    """And told of as one that cannot be read."""
    text = '{"a": ' + "[" * 600 + "]" * 600 + "}"
    adapter.workspaces.write_text(text)
    async with adapter.running() as client:
        config = await client.request(ReadConfig(file="workspaces"))
        assert (config.content, config.error and config.error.code) == (None, "FILE_UNPARSABLE")
        error = await refusal(client, PutWorkspace(name="x", servers=()))
        assert error.code == "CONFIG_FILE_BROKEN"
        deep: dict[str, Any] = {"command": "x"}
        for _ in range(100):
            deep = {"x": deep, "command": "x"}
        for body in (
            PutServer(key="x", entry=deep),
            PutConfig(file="providers", content=deep),
            ImportServers(config={"x": deep}),
        ):
            assert (await refusal(client, body)).code == "ENTRY_INVALID"


async def test_whole_files_are_replaced(adapter: Adapter) -> None:
    """By those who saw what was there, or do not mind."""
    async with adapter.sidecar.running(), adapter.running() as client:
        seen = await client.request(ReadConfig(file="workspaces"))
        changed = await client.request(PutConfig(file="workspaces", content={"only": ["b"]}, expect=seen.hash))
        await adapter.sidecar.until(lambda found: found.id == changed.snapshot)
        error = await refusal(client, PutConfig(file="workspaces", content={}, expect=seen.hash))
        now = (await client.request(ReadConfig(file="workspaces"))).hash
        assert (error.code, error.data) == ("EDIT_CONFLICT", {"file": "workspaces", "key": None, "hash": now})
        await client.request(PutConfig(file="workspaces", content={}))
        assert adapter.workspaces.read_bytes() == b"{}"
        adapter.workspaces.unlink()
        absent: ConfigFile = await client.request(ReadConfig(file="workspaces"))
        assert (absent.text, absent.content, absent.hash) == (None, {}, "")
        await client.request(PutConfig(file="workspaces", content={"x": []}, expect=""))
        assert said(adapter.workspaces) == {"x": []}


async def test_an_import_adds_what_can_be_used(adapter: Adapter) -> None:
    """Says what became of each, puts them into a workspace, and leaves off what was off."""
    config = {
        "mcpServers": {
            "bad": {"args": []},
            "a": {"command": "c", "args": ["1"]},
            "b": {"command": "other"},
            "c": {"url": "https://example.org/mcp", "disabled": True},
        }
    }
    async with adapter.sidecar.running(), adapter.running() as client:
        before = adapter.providers.read_bytes()
        body = ImportServers(config=config, workspace="new", dry_run=True)
        dry: Imported = await client.request(body)
        outcomes = [(found.key, found.outcome) for found in dry.servers]
        assert outcomes == [("bad", "unusable"), ("a", "same"), ("b", "exists"), ("c", "added")]
        assert adapter.providers.read_bytes() == before
        done: Imported = await client.request(body.model_copy(update={"dry_run": False}))
        assert (done.servers, done.workspace) == (dry.servers, "new")
        snapshot = await adapter.sidecar.until(lambda found: found.id == done.snapshot)
        assert [spec.servers for spec in snapshot.workspaces if spec.name == "new"] == [("a", "c")]
        assert [spec.settings.enabled for spec in snapshot.servers if spec.key == "c"] == [False]
        again: Imported = await client.request(ImportServers(config=config, replace=True))
        assert [found.outcome for found in again.servers] == ["unusable", "same", "replaced", "same"]
        empty = ImportServers(config={"command": "x"})
        assert (await refusal(client, empty)).code == "ENTRY_INVALID"
        in_place(adapter.workspaces, {"odd": "text"})
        odd = ImportServers(config={"n": {"command": "x"}}, workspace="odd")
        assert (await refusal(client, odd)).code == "ENTRY_INVALID"
        assert "n" not in said(adapter.providers)


async def test_a_directory_that_cannot_be_written_refuses_changes(adapter: Adapter) -> None:
    """That of the copies, or YAMCP's own: nothing is changed."""
    async with adapter.running() as client:
        backups = adapter.settings.data_dir / "backups"
        backups.write_bytes(b"in the way")
        error = await refusal(client, PutServer(key="a", entry=server("9")))
        assert error.code == "DATA_DIR_UNUSABLE"
        assert said(adapter.providers)["a"] == server("1", namespace="A")
        backups.unlink()
        adapter.providers.unlink()
        adapter.providers.symlink_to("/proc/none/providers.json")
        error = await refusal(client, PutServer(key="a", entry=server("9")))
        assert error.code == "DATA_DIR_UNUSABLE"


async def test_the_newest_copies_are_kept(adapter: Adapter) -> None:
    """Twenty of each file, readable by the owner alone."""
    async with adapter.running() as client:
        for number in range(25):
            await client.request(PutServer(key="a", entry=server(str(number))))
        await client.request(PutWorkspace(name="x", servers=()))
    directory = adapter.settings.data_dir / "backups"
    copies = sorted(directory.glob("providers.json.*"))
    assert (len(copies), len(list(directory.glob("workspaces.json.*")))) == (20, 1)
    assert said(copies[-1])["a"] == server("23")
    assert {path.stat().st_mode & 0o777 for path in copies} == {0o600}


async def test_whoever_listens_is_told_of_each_change(adapter: Adapter) -> None:
    """Of snapshots, issues, acknowledgements, and of files that say something else; not of what stays the same."""
    address = adapter.settings.desired_events_address
    transport = adapter.sidecar.bridge
    async with adapter.running() as client, Subscriber(address, ("desired",), transport=transport) as events:
        stream = aiter(events)
        assert (await anext(stream)).topic == "joined"

        async def told(**wanted: Any) -> dict[str, Any]:
            async with asyncio.timeout(100):
                while True:
                    event = await anext(stream)
                    if wanted.items() <= event.data.items():
                        return event.data

        changed = await client.request(PutWorkspace(name="x", servers=("a",)))
        data = await told(revision=changed.snapshot.revision)
        assert data["epoch"] == changed.snapshot.epoch
        assert data["issues"] == len((await client.request(ReadDesired())).issues)
        adapter.workspaces.write_bytes(b"{")
        await told(revision=changed.snapshot.revision, issues=data["issues"] + 1)
        in_place(adapter.workspaces, {"w": ["a", "b"], "x": ["a"], "v": {"name": "?", "servers": ["a"]}})
        await told(issues=data["issues"])
        async with adapter.sidecar.running():
            await told()
            assert (await client.request(ReadDesired())).published is not None
        before = adapter.providers.stat().st_mtime_ns
        os.utime(adapter.providers, ns=(before, before + 10**9))
        await client.request(Reload())
        await client.request(PutWorkspace(name="y", servers=()))
        revision = (await client.request(ReadDesired())).snapshot.id.revision
        seen = await anext(stream)
        while seen.data["revision"] != revision:
            seen = await anext(stream)
