"""keys.json as the adapter keeps it: made, listed, revoked, followed through renames, never half written."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from bridge.client import BridgeClient, Subscriber
from bridge.errors import ErrorBody, RemoteError
from bridge.keys import Keyring, Principal, token_hash
from bridge.models import (
    AddKey,
    DeleteWorkspace,
    ListKeys,
    PutWorkspace,
    ReadDesired,
    Reload,
    Request,
    RevokeKey,
)
from tests.unit.yamcp_ui_adapter.fixtures import PATIENCE, Adapter, in_place, server
from yamcp_ui_adapter import keys as cabinet


@pytest.fixture
def adapter(tmp_path: Path) -> Adapter:
    """An adapter with a server in two workspaces, not started."""
    made = Adapter(tmp_path)
    in_place(made.providers, {"a": server("1")})
    in_place(made.workspaces, {"w": ["a"], "other one": ["a"]})
    return made


def principal(key: str, name: str, workspaces: frozenset[str] | None = None, admin: bool = False) -> Principal:
    """That of a named key."""
    return Principal(key, name, workspaces, admin, subjects=frozenset({f"key:{key}", f"key:{name}"}))


def check(adapter: Adapter, token: str) -> Principal | None:
    """What whoever reads the file now makes of the token."""
    return Keyring(adapter.settings).check(token)


async def refusal(client: BridgeClient, body: Request[Any]) -> ErrorBody:
    """The error that a request is answered with."""
    with pytest.raises(RemoteError) as caught:
        await client.request(body)
    return caught.value.body()


async def issues(client: BridgeClient) -> list[str]:
    """The codes of what the adapter reports."""
    return [found.code for found in (await client.request(ReadDesired())).issues]


async def test_a_key_is_made_listed_and_revoked(adapter: Adapter) -> None:
    """Its token opens what it is for, over a restart too, until it is revoked; the file has its hash alone."""
    async with adapter.running() as client:
        everything = await client.request(AddKey(name="laptop"))
        one = await client.request(AddKey(name="agent", workspaces=("w", "w")))
        boss = await client.request(AddKey(name="boss", admin=True))
    file = adapter.settings.keys_file
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not [made for made in (everything, one, boss) if made.token in file.read_text()]
    assert json.loads(file.read_text())["keys"][1]["hash"] == token_hash(one.token)
    assert check(adapter, everything.token) == principal(everything.id, "laptop")
    assert check(adapter, one.token) == principal(one.id, "agent", frozenset({"w"}))
    assert check(adapter, boss.token) == principal(boss.id, "boss", None, True)
    async with adapter.running() as client:
        listed = (await client.request(ListKeys())).keys
        assert [(key.id, key.name, key.workspaces, key.admin) for key in listed] == [
            (everything.id, "laptop", None, False), (one.id, "agent", ("w",), False), (boss.id, "boss", None, True),
        ]  # fmt: skip
        await client.request(RevokeKey(key="laptop"))
        await client.request(RevokeKey(key=boss.id))
        assert [key.name for key in (await client.request(ListKeys())).keys] == ["agent"]
        assert await issues(client) == []
    assert [check(adapter, made.token) is not None for made in (everything, one, boss)] == [False, True, False]


async def test_what_cannot_be_made_or_revoked_is_refused(adapter: Adapter, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is taken, one that could be an id, workspaces that are not there; nothing is written."""
    async with adapter.running() as client:
        made = await client.request(AddKey(name="taken"))
        before = adapter.settings.keys_file.read_bytes()
        for body, code in (
            (AddKey(name="taken"), "ALREADY_EXISTS"),
            (AddKey(name="x", workspaces=("w", "gone")), "NO_SUCH_WORKSPACE"),
            (AddKey(name="x", workspaces=()), "KEY_INVALID"),
            (AddKey(name="x", workspaces=("w",), admin=True), "KEY_INVALID"),
            (AddKey(name="admin"), "KEY_INVALID"),
            (AddKey(name="front"), "KEY_INVALID"),
            (AddKey(name=made.id), "KEY_INVALID"),
            (AddKey(name=" x"), "KEY_INVALID"),
            (AddKey(name="x\x1b[2J"), "KEY_INVALID"),
        ):
            assert (await refusal(client, body)).code == code
        assert (await refusal(client, RevokeKey(key="nobody"))).code == "NO_SUCH_KEY"
        monkeypatch.setattr(cabinet, "MAX_KEYS", 1)
        assert (await refusal(client, AddKey(name="x"))).code == "KEY_INVALID"
        assert adapter.settings.keys_file.read_bytes() == before


async def test_a_renamed_workspace_is_followed(adapter: Adapter) -> None:
    """Renamed through the hub, in the file by somebody else, or while no adapter ran; with other members too."""
    async with adapter.running() as client:
        made = await client.request(AddKey(name="agent", workspaces=("w", "other one")))
        await client.request(PutWorkspace(name="v", servers=(), old_name="w"))
        assert check(adapter, made.token) == principal(made.id, "agent", frozenset({"v", "other one"}))
        in_place(adapter.workspaces, {"v": ["a"], "another": ["a"]})
        await client.request(Reload())
        assert check(adapter, made.token) == principal(made.id, "agent", frozenset({"v", "another"}))
        assert await issues(client) == []
        in_place(adapter.workspaces, {"v": [], "another": ["a"]})
        await client.request(Reload())
    in_place(adapter.workspaces, {"u": [], "third": ["a"]})
    async with adapter.running() as client:
        assert check(adapter, made.token) == principal(made.id, "agent", frozenset({"v", "third"}))
        assert [issue for issue in await issues(client) if issue.startswith("KEY")] == ["KEY_WORKSPACE_UNKNOWN"]
    assert stat.S_IMODE(adapter.settings.keys_file.stat().st_mode) == 0o600


async def test_a_workspace_that_is_removed_leaves_a_warning(adapter: Adapter) -> None:
    """The key keeps its name; what else it may use, it still may."""
    async with adapter.running() as client:
        made = await client.request(AddKey(name="agent", workspaces=("w", "other one")))
        await client.request(DeleteWorkspace(name="w"))
        [found] = (await client.request(ReadDesired())).issues
        assert (found.code, found.message) == ("KEY_WORKSPACE_UNKNOWN", "Key 'agent' names a workspace 'w'.")
        assert check(adapter, made.token) == principal(made.id, "agent", frozenset({"w", "other one"}))


async def test_a_broken_file_lets_nobody_in_and_is_not_overwritten(adapter: Adapter) -> None:
    """It is reported as soon as it is, the hub's own token stays good, and its repair counts at once."""
    (adapter.settings.own_token_file).write_text("0123456789abcdef\n")
    async with adapter.running() as client:
        made = await client.request(AddKey(name="agent"))
        good = adapter.settings.keys_file.read_bytes()
        for broken in (b"", good[:-9], good.replace(b'"hash"', b'"hush"'), b"[]"):
            adapter.settings.keys_file.write_bytes(broken)
            async with asyncio.timeout(PATIENCE):
                while await issues(client) != ["KEYS_UNUSABLE"]:
                    pass
            assert check(adapter, made.token) is None
            assert check(adapter, "0123456789abcdef") == Principal("admin", "admin", None, True)
            for body in (ListKeys(), AddKey(name="x"), RevokeKey(key="agent")):
                error = await refusal(client, body)
                assert error.code == "KEYS_FILE_BROKEN"
                assert token_hash(made.token) not in error.model_dump_json()
            assert adapter.settings.keys_file.read_bytes() == broken
        adapter.settings.keys_file.write_bytes(good)
        assert [key.name for key in (await client.request(ListKeys())).keys] == ["agent"]
        assert await issues(client) == []
        assert check(adapter, made.token) == principal(made.id, "agent")


async def test_whoever_listens_is_told_of_a_broken_file(adapter: Adapter) -> None:
    """An edit of keys.json by hand makes an event, as one of YAMCP's files does."""
    bridge, address = adapter.sidecar.bridge, adapter.settings.desired_events_address
    async with adapter.running(), Subscriber(address, ("desired",), transport=bridge) as events:
        stream = aiter(events)
        assert (await anext(stream)).topic == "joined"
        adapter.settings.keys_file.write_text("{")
        async with asyncio.timeout(PATIENCE):
            while (await anext(stream)).data.get("issues") != 1:
                pass


async def test_a_disk_that_takes_nothing_is_told(adapter: Adapter, monkeypatch: pytest.MonkeyPatch) -> None:
    """No key is made, and the ones that there are stay; a rename goes through, and the key loses the workspace."""

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    async with adapter.running() as client:
        made = await client.request(AddKey(name="agent", workspaces=("w",)))
        monkeypatch.setattr(cabinet, "write_file", full)
        assert (await refusal(client, AddKey(name="x"))).code == "DATA_DIR_UNUSABLE"
        assert (await refusal(client, RevokeKey(key="agent"))).code == "DATA_DIR_UNUSABLE"
        await client.request(PutWorkspace(name="v", servers=("a",), old_name="w"))
        assert await issues(client) == ["KEY_WORKSPACE_UNKNOWN"]
    assert check(adapter, made.token) == principal(made.id, "agent", frozenset({"w"}))


async def test_a_directory_in_the_place_of_the_file_is_reported(adapter: Adapter) -> None:
    """It cannot be read, whoever runs the hub."""
    adapter.settings.keys_file.mkdir()
    async with adapter.running() as client:
        assert (await refusal(client, ListKeys())).code == "KEYS_FILE_BROKEN"
        assert await issues(client) == ["KEYS_UNUSABLE"]


async def test_no_token_and_no_hash_is_logged(adapter: Adapter, caplog: pytest.LogCaptureFixture) -> None:
    """Who was made and revoked is, by id and name."""
    caplog.set_level("DEBUG")
    async with adapter.running() as client:
        made = await client.request(AddKey(name="agent"))
        await client.request(ListKeys())
        await client.request(RevokeKey(key=made.id))
    assert [record.getMessage() for record in caplog.records if getattr(record, "key", "") == made.id] == [
        "key created", "key revoked",
    ]  # fmt: skip
    assert made.token not in caplog.text
    assert token_hash(made.token) not in caplog.text
