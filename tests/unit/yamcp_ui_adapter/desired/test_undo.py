"""Many entries in one change, and the last change undone, with real files, over the bridge in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bridge.client import BridgeClient
from bridge.models import (
    DeleteServer,
    Duplicate,
    EditMany,
    ImportServers,
    PutServer,
    PutWorkspace,
    ReadDesired,
    Request,
    SetServer,
    SetWorkspace,
    Undo,
)
from tests.unit.yamcp_ui_adapter.desired.test_editor import refusal, said
from tests.unit.yamcp_ui_adapter.fixtures import Adapter, in_place, server
from yamcp_ui_adapter.edit.history import MOST_CHANGES

PROVIDERS = {key: server(key, namespace=key) for key in "abcd"}
WORKSPACES = {"v": ["a", "b"], "w": {"name": "w", "servers": ["b", "c"]}, "x": []}
HUB = {"servers": {"b": {"max_inflight": 2}}, "workspaces": {"w": {"disabled_servers": ["b"]}}}


@pytest.fixture
def adapter(tmp_path: Path) -> Adapter:
    """An adapter with four servers and three workspaces, not started."""
    made = Adapter(tmp_path)
    in_place(made.providers, PROVIDERS)
    in_place(made.workspaces, WORKSPACES)
    in_place(made.hub, HUB)
    return made


def files(adapter: Adapter) -> tuple[Any, Any, Any]:
    """What the three files say; hub.json without its version."""
    hub = {name: value for name, value in said(adapter.hub).items() if name != "version"}
    return list(said(adapter.providers).items()), list(said(adapter.workspaces).items()), hub


async def last(client: BridgeClient) -> str:
    """What the last change is said to be."""
    change = (await client.request(ReadDesired())).last_change
    return change.summary if change else ""


CHANGES: list[tuple[Request[Any], str]] = [
    (EditMany(action="disable", servers=("a", "b"), workspaces=("x",)),
     "settings of servers 'b', 'a' changed; settings of workspace 'x' changed"),
    (EditMany(action="join", servers=("a", "d"), workspaces=("v", "w")), "workspaces 'v', 'w' changed"),
    (EditMany(action="leave", servers=("b",), workspaces=("v", "w", "x")), "workspaces 'v', 'w' changed"),
    (EditMany(action="delete", servers=("a", "b"), workspaces=("x",)),
     "servers 'a', 'b' removed; workspaces 'v', 'w' changed; workspace 'x' removed"),
    (EditMany(action="delete", servers=("a", "b", "c", "d")), "4 servers removed; workspaces 'v', 'w' changed"),
    (DeleteServer(key="b"), "server 'b' removed; workspaces 'v', 'w' changed"),
    (PutServer(key="z", entry=server("z", namespace="z"), old_key="b"),
     "server 'b' removed; server 'z' added; workspaces 'v', 'w' changed"),
    (SetServer(key="a", settings={"max_inflight": 3}), "settings of server 'a' changed"),
    (SetWorkspace(name="v", enabled=False), "settings of workspace 'v' changed"),
    (Duplicate(section="servers", name="b", to="b 2"), "server 'b 2' added"),
    (Duplicate(section="workspaces", name="w", to="w2"), "workspace 'w2' added"),
    (ImportServers(config={"mcpServers": {"n": {"command": "n"}}}, workspace="v"),
     "server 'n' added; workspace 'v' changed"),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "summary"), CHANGES, ids=[type(change[0]).__name__ for change in CHANGES])
async def test_a_change_is_undone_in_every_file(adapter: Adapter, request_: Request[Any], summary: str) -> None:
    """Each entry is as it was, at its place, with its settings."""
    async with adapter.running() as client:
        before = files(adapter)
        await client.request(request_)
        assert files(adapter) != before
        assert await last(client) == summary
        assert (await client.request(Undo())).summary == summary
        assert files(adapter) == before
        assert (await refusal(client, Undo())).code == "NOTHING_TO_UNDO"


async def test_many_entries_are_one_revision(adapter: Adapter) -> None:
    """Not one for each of them."""
    async with adapter.sidecar.running(), adapter.running() as client:
        await adapter.sidecar.count(1)
        for action in ("disable", "enable", "delete"):
            before = (await client.request(ReadDesired())).snapshot.id
            body = EditMany(action=action, servers=("a", "b", "c"), workspaces=("v", "x"))  # type: ignore[arg-type]
            changed = await client.request(body)
            assert changed.snapshot.revision == before.revision + 1
        found = (await client.request(ReadDesired())).snapshot
        assert ([spec.key for spec in found.servers], [spec.name for spec in found.workspaces]) == (["d"], ["w"])


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (EditMany(action="delete", servers=("a", "no")), "NO_SUCH_SERVER"),
        (EditMany(action="disable", servers=("a",), workspaces=("no",)), "NO_SUCH_WORKSPACE"),
        (EditMany(action="join", servers=("a",)), "EDIT_INVALID"),
        (EditMany(action="enable"), "EDIT_INVALID"),
    ],
)
async def test_where_one_cannot_be_changed_none_is(adapter: Adapter, body: EditMany, code: str) -> None:
    """Nothing is written, and there is nothing to undo."""
    async with adapter.running() as client:
        before = files(adapter)
        assert (await refusal(client, body)).code == code
        assert files(adapter) == before
        assert await last(client) == ""


async def test_what_somebody_changed_since_is_not_undone(adapter: Adapter) -> None:
    """In YAMCP's files and in hub.json; other entries may have changed."""
    async with adapter.running() as client:
        await client.request(EditMany(action="delete", servers=("a", "b")))
        in_place(adapter.workspaces, {**said(adapter.workspaces), "v": ["d"]})
        before = files(adapter)
        error = await refusal(client, Undo())
        assert (error.code, error.data["key"]) == ("EDIT_CONFLICT", "v")
        await client.request(PutWorkspace(name="v", servers=()))
        await client.request(SetWorkspace(name="w", enabled=False))
        in_place(adapter.hub, {**said(adapter.hub), "workspaces": {"w": {"enabled": True}}})
        assert (await refusal(client, Undo())).data == {"file": "hub", "key": "w"}
        assert files(adapter)[0] == before[0]


async def test_any_change_that_is_remembered_is_undone(adapter: Adapter) -> None:
    """Unless a later one changed the same entries; the later one stays, and can be undone as well."""
    async with adapter.running() as client:
        before = files(adapter)
        await client.request(SetServer(key="a", settings={"max_inflight": 3}))
        await client.request(PutServer(key="z", entry=server("z", namespace="z")))
        seen = await client.request(ReadDesired())
        assert seen.last_change
        assert seen.undoable[1:] == (seen.last_change.id,)
        assert (await client.request(Undo(change=seen.undoable[0]))).summary == "settings of server 'a' changed"
        assert "z" in said(adapter.providers)
        assert (await refusal(client, Undo(change=seen.undoable[0]))).code == "NOTHING_TO_UNDO"
        assert (await client.request(ReadDesired())).undoable == seen.undoable[1:]
        await client.request(Undo(change=seen.undoable[1]))
        assert files(adapter) == before


async def test_only_the_change_that_was_seen_is_undone(adapter: Adapter) -> None:
    """Another page made a change of the same entries meanwhile: nothing is undone unseen. Then one after the other."""
    async with adapter.running() as client:
        before = files(adapter)
        await client.request(DeleteServer(key="a"))
        seen = (await client.request(ReadDesired())).last_change
        assert seen
        await client.request(DeleteServer(key="b"))
        assert (await refusal(client, Undo(change=seen.id))).code == "EDIT_CONFLICT"
        await client.request(Undo())
        await client.request(Undo(change=seen.id))
        assert files(adapter) == before


async def test_a_rename_is_undone_with_keys_settings_and_slug(adapter: Adapter) -> None:
    """The slug that it had in between leads to it still."""
    async with adapter.running() as client:
        await client.request(PutWorkspace(name="y", servers=("b", "c"), old_name="w"))
        assert said(adapter.hub)["workspaces"]["y"] == {"disabled_servers": ["b"], "aliases": ["w"]}
        await client.request(Undo())
        assert said(adapter.hub)["workspaces"] == {"w": {"disabled_servers": ["b"], "aliases": ["y"]}}
        assert list(said(adapter.workspaces)) == ["v", "w", "x"]


async def test_no_more_than_so_many_changes_are_remembered(adapter: Adapter) -> None:
    """Their entries are kept in memory."""
    async with adapter.running() as client:
        for number in range(MOST_CHANGES + 2):
            await client.request(SetServer(key="a", settings={"max_inflight": number + 1}))
        for _ in range(MOST_CHANGES):
            await client.request(Undo())
        assert (await refusal(client, Undo())).code == "NOTHING_TO_UNDO"
        assert said(adapter.hub)["servers"]["a"] == {"max_inflight": 2}


async def test_a_copy_has_the_settings_of_the_original(adapter: Adapter) -> None:
    """Beside it in the file; a server under a namespace of its own, a workspace under a slug of its own."""
    async with adapter.running() as client:
        await client.request(SetWorkspace(name="w", slug="own"))
        await client.request(Duplicate(section="servers", name="b", to="b 2"))
        await client.request(Duplicate(section="workspaces", name="w", to="w2"))
        snapshot = (await client.request(ReadDesired())).snapshot
        found = {spec.key: spec for spec in snapshot.servers}
        assert list(found) == ["a", "b", "b 2", "c", "d"]
        assert (found["b 2"].launch, found["b 2"].namespace) == (found["b"].launch, "b_2")
        assert found["b 2"].settings == found["b"].settings
        copy = {spec.name: spec for spec in snapshot.workspaces}["w2"]
        assert (copy.slug, copy.servers, copy.disabled_servers) == ("w2", ("b", "c"), ("b",))
        for section, name, to, code in (
            ("servers", "b", "a", "ALREADY_EXISTS"),
            ("servers", "no", "x", "NO_SUCH_SERVER"),
            ("workspaces", "no", "x", "NO_SUCH_WORKSPACE"),
            ("workspaces", "w", "\0", "ENTRY_INVALID"),
        ):
            assert (await refusal(client, Duplicate(section=section, name=name, to=to))).code == code  # type: ignore[arg-type]
