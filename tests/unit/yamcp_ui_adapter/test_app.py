"""The whole adapter with real files, in one process, over the bridge in memory."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from bridge.client import BridgeClient
from bridge.errors import RemoteError
from bridge.models import ReadDesired, Reload, Request, SetServer, SetWorkspace
from tests.unit.yamcp_ui_adapter.fixtures import PATIENCE, Adapter, in_place, keys, names, server, until
from yamcp_ui_adapter import app
from yamcp_ui_adapter.desired.store import STATE_FILE
from yamcp_ui_adapter.errors import AdapterRunning
from yamcp_ui_adapter.files import reader as files


@pytest.fixture
def adapter(tmp_path: Path) -> Adapter:
    """An adapter with two servers in a workspace, not started."""
    made = Adapter(tmp_path)
    in_place(made.providers, {"a": server("1", namespace="A"), "b": server("2", namespace="B")})
    in_place(made.workspaces, {"w": ["a", "b"]})
    return made


async def refusal(client: BridgeClient, body: Request[Any]) -> str:
    """The code of the error that a request is answered with."""
    with pytest.raises(RemoteError) as caught:
        await client.request(body)
    return caught.value.remote_code


async def test_files_are_published_and_edits_follow(adapter: Adapter) -> None:
    """Written in place, replaced, deleted."""
    sidecar = adapter.sidecar
    async with sidecar.running(), adapter.running():
        await sidecar.until(lambda snapshot: keys(snapshot) == {"a", "b"})
        in_place(adapter.providers, {"a": server("1")})
        await sidecar.until(lambda snapshot: keys(snapshot) == {"a"})
        new = adapter.workspaces.with_suffix(".new")
        in_place(new, {"v": ["a"]})
        new.replace(adapter.workspaces)
        await sidecar.until(lambda snapshot: names(snapshot) == {"v"})
        adapter.workspaces.unlink()
        await sidecar.until(lambda snapshot: not snapshot.workspaces)
        assert sidecar.snapshots[-1].servers


async def test_a_storm_of_writes_in_place_never_yields_an_empty_configuration(adapter: Adapter) -> None:
    """Every reader that looks at the wrong moment sees an empty file; none may believe it."""
    sidecar = adapter.sidecar
    async with sidecar.running(), adapter.running():
        await sidecar.count(1)
        for number in range(150):
            with adapter.providers.open("w") as file:
                await asyncio.sleep(0.002 if number % 3 else 0.06)  # longer than the settle time: truncated and quiet
                json.dump({"a": server(str(number)), "b": server("2")}, file)
        await sidecar.until(lambda snapshot: snapshot.servers[0].launch.args == ("149",))  # type: ignore[union-attr]
    assert all(keys(snapshot) == {"a", "b"} for snapshot in sidecar.snapshots)
    assert all(snapshot.workspaces[0].servers == ("a", "b") for snapshot in sidecar.snapshots)


async def test_an_editor_that_renames_while_it_saves_deletes_nothing(
    adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is gone for longer than the settle time, for less than the grace."""
    monkeypatch.setattr(files, "DELETION_GRACE_SECONDS", 30)
    sidecar = adapter.sidecar
    async with sidecar.running(), adapter.running() as client:
        await sidecar.count(1)
        backup = adapter.workspaces.with_suffix(".bak")
        adapter.workspaces.rename(backup)
        await asyncio.sleep(0.1)
        assert (await client.request(ReadDesired())).issues == ()
        in_place(adapter.workspaces, {"w": ["b"]})
        await sidecar.until(lambda snapshot: snapshot.workspaces[0].servers == ("b",))
    assert all(snapshot.workspaces for snapshot in sidecar.snapshots)


async def test_a_restart_while_the_files_are_truncated_changes_nothing(adapter: Adapter) -> None:
    """And repairing them then is seen."""
    sidecar = adapter.sidecar
    async with sidecar.running():
        async with adapter.running():
            before = await sidecar.until(lambda _: True)
        adapter.providers.write_bytes(b"")
        adapter.workspaces.write_bytes(b'{"w": [')
        async with adapter.running() as client:
            await sidecar.count(2)
            after = sidecar.snapshots[-1]
            assert (after.servers, after.workspaces) == (before.servers, before.workspaces)
            assert after.id.newer_than(before.id)
            codes = [found.code for found in (await client.request(ReadDesired())).issues]
            assert codes == ["FILE_EMPTY", "FILE_UNPARSABLE"]
            in_place(adapter.workspaces, {"w": ["a"]})
            await sidecar.until(lambda snapshot: snapshot.workspaces[0].servers == ("a",))


async def test_a_first_start_waits_for_a_file_that_is_being_written(adapter: Adapter) -> None:
    """With nothing remembered, an empty file would empty a sidecar that may be serving."""
    adapter.workspaces.write_bytes(b"")
    asyncio.get_running_loop().call_later(0.3, in_place, adapter.workspaces, {"w": ["a"]})
    async with adapter.sidecar.running(), adapter.running():
        await adapter.sidecar.count(1)
    assert names(adapter.sidecar.snapshots[0]) == {"w"}


async def test_a_first_start_does_not_wait_for_ever(adapter: Adapter, monkeypatch: pytest.MonkeyPatch) -> None:
    """What can be used is."""
    monkeypatch.setattr(app, "FIRST_START_WAIT_SECONDS", 0.1)
    adapter.workspaces.write_bytes(b"broken")
    async with adapter.sidecar.running(), adapter.running():
        await adapter.sidecar.until(lambda snapshot: keys(snapshot) == {"a", "b"})


async def test_the_directory_may_go_and_come_back(adapter: Adapter) -> None:
    """With other files in it."""
    sidecar = adapter.sidecar
    async with sidecar.running(), adapter.running():
        await sidecar.count(1)
        shutil.rmtree(adapter.settings.yamcp_dir)
        adapter.settings.yamcp_dir.mkdir()
        in_place(adapter.providers, {"c": server()})
        await sidecar.until(lambda snapshot: keys(snapshot) == {"c"})


async def test_switching_a_workspace_off_is_kept_and_published(adapter: Adapter) -> None:
    """The answer names the snapshot that holds the change."""
    sidecar = adapter.sidecar
    async with sidecar.running(), adapter.running() as client:
        changed = await client.request(SetWorkspace(name="w", enabled=False))
        snapshot = await sidecar.until(lambda found: found.id == changed.snapshot)
        assert [spec.enabled for spec in snapshot.workspaces] == [False]
        again = await client.request(SetWorkspace(name="w", enabled=False))
        assert again.snapshot == changed.snapshot
        assert adapter.hub.stat().st_mode & 0o777 == 0o600
    async with sidecar.running(), adapter.running():
        after = await sidecar.until(lambda found: found.id.epoch == 2)
        assert [spec.enabled for spec in after.workspaces] == [False]


async def test_a_setting_of_a_server_is_kept_and_published(adapter: Adapter) -> None:
    """Those left out stay."""
    async with adapter.sidecar.running(), adapter.running() as client:
        await client.request(SetServer(key="a", settings={"max_inflight": 2}))
        changed = await client.request(SetServer(key="a", settings={"session": "per_client"}))
        snapshot = await adapter.sidecar.until(lambda found: found.id == changed.snapshot)
        settings = snapshot.servers[0].settings
        assert (settings.max_inflight, settings.session) == (2, "per_client")


async def test_a_change_that_cannot_be_made_is_refused(adapter: Adapter) -> None:
    """With the reason, and nothing written."""
    async with adapter.running() as client:
        assert await refusal(client, SetWorkspace(name="x", enabled=False)) == "NO_SUCH_WORKSPACE"
        assert await refusal(client, SetServer(key="A", settings={})) == "NO_SUCH_SERVER"
        assert await refusal(client, SetServer(key="a", settings={"x": 1})) == "EDIT_INVALID"
        assert not adapter.hub.exists()
        for broken in (b"{", b"", b'{"version": 2}'):
            adapter.hub.write_bytes(broken)
            assert await refusal(client, SetWorkspace(name="w", enabled=False)) == "HUB_FILE_BROKEN"
            assert adapter.hub.read_bytes() == broken
        adapter.hub.unlink()
        adapter.hub.mkdir()
        assert await refusal(client, SetWorkspace(name="w", enabled=False)) == "HUB_FILE_BROKEN"


async def test_a_full_disk_refuses_a_change(adapter: Adapter, monkeypatch: pytest.MonkeyPatch) -> None:
    """And keeps the file that was there."""

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    async with adapter.running() as client:
        monkeypatch.setattr("yamcp_ui_adapter.desired.hub_json.write_file", full)
        assert await refusal(client, SetWorkspace(name="w", enabled=False)) == "DATA_DIR_UNUSABLE"


async def test_hub_json_may_be_edited_by_hand(adapter: Adapter) -> None:
    """A broken edit holds what was before it."""
    sidecar = adapter.sidecar
    async with sidecar.running(), adapter.running() as client:
        in_place(adapter.hub, {"workspaces": {"w": {"enabled": False}}})
        await sidecar.until(lambda snapshot: not snapshot.workspaces[0].enabled)
        adapter.hub.write_text('{"workspaces": {"w": {"enabled": true}')
        changed = await client.request(Reload())
        desired = await client.request(ReadDesired())
        assert desired.snapshot.id == changed.snapshot
        assert [spec.enabled for spec in desired.snapshot.workspaces] == [False]
        assert [found.code for found in desired.issues] == ["FILE_UNPARSABLE"]


async def test_a_rename_moves_settings_in_hub_json(adapter: Adapter) -> None:
    """As YAMCP-UI does it: workspaces.json first, providers.json after."""
    in_place(adapter.hub, {"servers": {"a": {"max_inflight": 2}}, "workspaces": {"w": {"enabled": False}, "gone": {}}})
    sidecar = adapter.sidecar
    async with sidecar.running(), adapter.running() as client:
        await sidecar.count(1)
        in_place(adapter.workspaces, {"v": ["x", "b"]})
        await asyncio.sleep(0)  # the adapter may see the first, and waits whether more comes
        in_place(adapter.providers, {"x": server("1", namespace="X"), "b": server("2", namespace="B")})
        renamed = await sidecar.until(lambda snapshot: keys(snapshot) == {"x", "b"})
        assert renamed.servers[0].settings.max_inflight == 2
        assert [(spec.name, spec.servers, spec.enabled) for spec in renamed.workspaces] == [("v", ("x", "b"), False)]
        await client.request(Reload())
        assert sidecar.snapshots[-1] == renamed
    assert json.loads(adapter.hub.read_text()) == {
        "version": 1,
        "servers": {"x": {"max_inflight": 2}},
        "workspaces": {"gone": {}, "v": {"enabled": False, "aliases": ["w"]}},
    }


async def test_a_rename_while_hub_json_is_broken_keeps_settings_in_memory(adapter: Adapter) -> None:
    """What a person is in the middle of writing is not overwritten."""
    in_place(adapter.hub, {"workspaces": {"w": {"enabled": False}}})
    sidecar = adapter.sidecar
    async with sidecar.running(), adapter.running():
        await sidecar.count(1)
        adapter.hub.write_bytes(b"{")
        in_place(adapter.workspaces, {"v": ["a", "b"]})
        renamed = await sidecar.until(lambda snapshot: names(snapshot) == {"v"})
        assert [spec.enabled for spec in renamed.workspaces] == [False]
        assert adapter.hub.read_bytes() == b"{"


async def test_reload_answers_with_what_the_files_say_now(adapter: Adapter) -> None:
    """A deletion too, without waiting for an event."""
    async with adapter.running() as client:
        in_place(adapter.workspaces, {"v": []})
        changed = await client.request(Reload())
        desired = await client.request(ReadDesired())
        assert names(desired.snapshot) == {"v"}
        assert desired.snapshot.id == changed.snapshot
        adapter.workspaces.unlink()
        await client.request(Reload())
        assert (await client.request(ReadDesired())).snapshot.workspaces == ()


async def test_desired_says_where_the_files_are_and_what_the_sidecar_has(adapter: Adapter) -> None:
    """Nothing while there is none."""
    async with adapter.running() as client:
        desired = await client.request(ReadDesired())
        assert desired.published is None
        assert desired.files == {
            "providers": str(adapter.providers),
            "workspaces": str(adapter.workspaces),
            "hub": str(adapter.hub),
            "access": str(adapter.hub.with_name("access.json")),
        }
        async with adapter.sidecar.running():
            await adapter.sidecar.count(1)
            async with asyncio.timeout(PATIENCE):
                while (await client.request(ReadDesired())).published != desired.snapshot.id:
                    pass


async def test_the_sidecar_ahead_of_a_lost_state_is_followed(adapter: Adapter) -> None:
    """The data directory was emptied, and the sidecar runs on."""
    sidecar = adapter.sidecar
    later = None

    async def picky(snapshot):  # type: ignore[no-untyped-def]
        from bridge.errors import StaleSnapshot

        if later and not snapshot.id.newer_than(later):
            raise StaleSnapshot("old", data={"in_force": later.model_dump()})
        return await plain(snapshot)

    plain, sidecar.apply = sidecar.apply, picky  # type: ignore[method-assign]
    async with sidecar.running():
        for _ in range(3):
            count = len(sidecar.snapshots)
            async with adapter.running():
                await sidecar.count(count + 1)
        later = sidecar.snapshots[-1].id
        (adapter.settings.data_dir / STATE_FILE).unlink()
        async with adapter.running():
            await sidecar.count(4)
    assert sidecar.snapshots[-1].id.newer_than(later)


async def test_an_event_that_was_missed_is_made_up_for(adapter: Adapter, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no watcher at all, the files are looked at."""

    async def blind(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(app, "watch", blind)
    sidecar = adapter.sidecar
    async with sidecar.running(), adapter.running():
        await sidecar.count(1)
        in_place(adapter.workspaces, {"v": ["a"]})
        await sidecar.until(lambda snapshot: names(snapshot) == {"v"})


async def test_a_second_adapter_does_not_start(adapter: Adapter) -> None:
    """The first goes on."""
    async with adapter.running() as client:
        with pytest.raises(AdapterRunning):
            async with adapter.running():
                pass
        await client.request(ReadDesired())


async def test_the_demo_is_there_on_a_first_start(tmp_path: Path) -> None:
    """One workspace of two servers, nothing to report."""
    adapter = Adapter(tmp_path, seed_demo=True)
    async with adapter.running() as client:
        desired = await client.request(ReadDesired())
        assert desired.issues == ()
        assert [(spec.slug, spec.servers) for spec in desired.snapshot.workspaces] == [("demo", ("notes", "clock"))]


async def test_no_secret_is_in_what_is_reported_or_logged(adapter: Adapter, caplog: pytest.LogCaptureFixture) -> None:
    """Values of env, args, urls and headers."""
    caplog.set_level("DEBUG")
    secret = {"TOKEN": "s3cret", "LIST": ["s3cret"]}
    entry = {
        "namespace": "n",
        "type": "stdio",
        "providerParameters": {"command": "c", "env": secret, "args": ["s3cret"]},
    }
    async with adapter.sidecar.running(), adapter.running() as client:
        in_place(adapter.providers, {"a": entry, "b": {**entry, "type": "s3cret"}})
        await until(lambda: "s3cret" in (adapter.settings.data_dir / STATE_FILE).read_text())
        issues = (await client.request(ReadDesired())).issues
    assert len(issues) >= 2
    assert not [found for found in issues if "s3cret" in found.model_dump_json()]
    assert "s3cret" not in caplog.text
