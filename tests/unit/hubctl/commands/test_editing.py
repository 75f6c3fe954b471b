"""Commands that change servers and workspaces, against a hub of canned answers: what they ask, and what they tell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bridge.models import (
    DeleteServer,
    DeleteWorkspace,
    Export,
    ImportedServer,
    ImportServers,
    PutServer,
    PutWorkspace,
    SetServer,
    SetWorkspace,
)
from tests.support.yamcp import stdio
from tests.unit.hubctl.canned import CannedHub, server, status, workspace

pytestmark = pytest.mark.outside


async def test_add_asks_for_a_new_entry_and_tells_how_it_started(hub: CannedHub) -> None:
    """Never over one that is there; into workspaces that are named or have the slug, after those that they have."""
    hub.status = status([workspace("My Work", "new")], [server("new")])
    code, out, err = await hub.hubctl(
        "add", "new", "--workspace", "my-work", "--workspace", "more", "--", "npx", "-y", "p"
    )
    assert (code, out, err) == (0, "Server new is added; it is ready (3 tools).\n", "")
    assert hub.asked == [
        PutServer(key="new", entry=stdio("new", "npx", "-y", "p"), expect=""),
        PutWorkspace(name="My Work", servers=("time", "gone", "new"), expect="hash of My Work"),
        PutWorkspace(name="more", servers=("new",), expect=""),
    ]


async def test_add_tells_of_a_server_that_does_not_run(hub: CannedHub) -> None:
    """In no workspace it waits for one; where it failed, the reason stands there and the exit code is 1."""
    code, out, _ = await hub.hubctl("add", "new", "--url", "http://x")
    assert code == 0
    assert out.endswith("it runs when a workspace has it (hubctl workspaces edit WORKSPACE --add new).\n")
    code, out, _ = await hub.hubctl("add", "gone", "--", "x")
    assert code == 1
    assert out.startswith("Server gone is added; it is failed. SERVER_COMMAND_MISSING: gone: no such command.")
    assert json.loads((await hub.hubctl("add", "gone", "--json", "--", "x"))[1])["state"] == "failed"


async def test_edit_sends_the_whole_entry_and_what_it_saw(hub: CannedHub) -> None:
    """A rename takes the namespace along where it was the key."""
    code, out, _ = await hub.hubctl("edit", "time", "--env", "A=b")
    assert (code, out) == (0, "Server time is changed; it is ready (3 tools).\n")
    await hub.hubctl("edit", "time", "--rename", "clock")
    assert hub.asked == [
        PutServer(key="time", entry=stdio("time", "no-such-command", env={"A": "b"}), expect="hash of time"),
        PutServer(key="clock", entry=stdio("clock", "no-such-command"), expect="hash of time", old_key="time"),
    ]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("edit", "tine", "--cwd", "/"), 1, "NO_SUCH_SERVER: There is no server 'tine' (did you mean time?)"),
        (("edit", "time"), 2, "CLI_ARGUMENTS: Nothing is to be changed"),
        (("remove", "time", "tine"), 1, "NO_SUCH_SERVER: "),
        (("set", "tine", "era=modern"), 1, "NO_SUCH_SERVER: "),
        (("set", "time", "eras=x"), 2, "CLI_ARGUMENTS: A server has no setting 'eras' (did you mean era?): "),
        (("set", "time", "x"), 2, "CLI_ARGUMENTS: 'x' is not setting=value."),
        (("enable",), 2, "CLI_ARGUMENTS: Name a workspace, or a server"),
        (("enable", "idle", "--server", "gone"), 1, "NO_SUCH_SERVER: There is no server 'gone'; there are: time."),
        (("enable", "nope", "--server", "time"), 1, "NO_SUCH_WORKSPACE: "),
        (("workspaces", "add", "w", "tine"), 1, "NO_SUCH_SERVER: "),
        (("workspaces", "edit", "idel", "--add", "gone"), 1, "NO_SUCH_WORKSPACE: There is no workspace 'idel' (did"),
        (("workspaces", "edit", "idle", "--remove", "gone"), 1, "NO_SUCH_SERVER: There is no server 'gone'; there a"),
        (("workspaces", "edit", "idle"), 2, "CLI_ARGUMENTS: Nothing is to be changed"),
        (("workspaces", "edit", "idle", "--slug", "a b"), 2, "CLI_ARGUMENTS: 'a b' is no slug: it has 1 to 64 letters"),
        (("workspaces", "remove", "nope"), 1, "NO_SUCH_WORKSPACE: "),
    ],
)
async def test_nothing_is_asked_for_what_cannot_be(
    hub: CannedHub, words: tuple[str, ...], code: int, told: str
) -> None:
    """A misspelt name is told with the one that may be meant."""
    assert ((found := await hub.hubctl(*words))[0], found[1]) == (code, "")
    assert found[2].startswith(told)
    assert hub.asked == []


async def test_remove_takes_several(hub: CannedHub) -> None:
    """Each once."""
    assert (await hub.hubctl("remove", "time", "gone", "time"))[1] == "Servers time, gone are removed.\n"
    assert hub.asked == [DeleteServer(key="time"), DeleteServer(key="gone")]


async def test_settings_are_shown_and_changed(hub: CannedHub) -> None:
    """Values are JSON where they can be; without words nothing is changed."""
    code, out, _ = await hub.hubctl("set", "time", "call_timeout=20", "era=modern", "container=null")
    assert code == 0
    assert any(line.split() == ["call_timeout", "300.0"] for line in out.splitlines())
    wanted = {"call_timeout": 20, "era": "modern", "container": None}
    assert hub.asked == [SetServer(key="time", settings=wanted)]
    assert json.loads((await hub.hubctl("set", "time", "--json"))[1])["call_timeout"] == 300
    assert len(hub.asked) == 1


async def test_a_server_is_switched_in_every_workspace(hub: CannedHub) -> None:
    """By the commands that switch workspaces."""
    assert (await hub.hubctl("enable", "--server", "time"))[1] == "Server time is on; it is ready now.\n"
    assert (await hub.hubctl("disable", "--server", "time"))[1] == "Server time is off.\n"
    assert [body.settings for body in hub.asked] == [{"enabled": True}, {"enabled": False}]


async def test_a_server_is_switched_in_one_workspace(hub: CannedHub) -> None:
    """Others keep it as it is."""
    assert await hub.hubctl("disable", "my-work", "--server", "time") == (
        0,
        "Server time is off in workspace My Work.\n",
        "",
    )
    assert json.loads((await hub.hubctl("enable", "idle", "--server", "time", "--json"))[1])["name"] == "idle"
    assert hub.asked == [
        SetWorkspace(name="My Work", servers={"time": False}),
        SetWorkspace(name="idle", servers={"time": True}),
    ]


async def test_workspaces_are_made_changed_and_removed(hub: CannedHub) -> None:
    """Members stay in order; a rename and a template are two changes."""
    hub.status = status([workspace("My Work", "time"), workspace("W", "time")], [server("time")])
    code, out, _ = await hub.hubctl("workspaces", "add", "W", "time", "gone")
    assert (code, out.splitlines()[0]) == (0, "Workspace W is added: ready, 1 of 1 server ready.")
    await hub.hubctl("workspaces", "edit", "my-work", "--remove", "time", "--add", "time")
    await hub.hubctl("workspaces", "edit", "idle", "--rename", "W", "--name-template", "{name}")
    await hub.hubctl("workspaces", "edit", "my-work", "--slug", "", "--remove-alias", "old")
    assert (await hub.hubctl("workspaces", "remove", "idle"))[1] == "Workspace idle is removed; its servers are not.\n"
    assert json.loads((await hub.hubctl("workspaces", "remove", "idle", "--json"))[1])["removed"] == "idle"
    assert hub.asked == [
        PutWorkspace(name="W", servers=("time", "gone"), expect=""),
        PutWorkspace(name="My Work", servers=("gone", "time"), expect="hash of My Work"),
        PutWorkspace(name="W", servers=("time",), expect="hash of idle", old_name="idle"),
        SetWorkspace(name="W", name_template="{name}"),
        SetWorkspace(name="My Work", slug="", remove_aliases=("old",)),
        DeleteWorkspace(name="idle"),
        DeleteWorkspace(name="idle"),
    ]


async def test_import_reads_what_the_console_reads(hub: CannedHub, tmp_path: Path) -> None:
    """TOML of Codex here; each server's outcome has a row, and one that was not taken makes the exit code 1."""
    file = tmp_path / "config.toml"
    file.write_text('[mcp_servers.a]\ncommand = "x"\n')
    hub.imported = (ImportedServer(key="a", type="stdio", outcome="added", message="Mind this."),)
    code, out, _ = await hub.hubctl("import", str(file), "--workspace", "my-work", "--dry-run")
    assert (code, out.splitlines()[1:]) == (0, ["a       added    stdio  Mind this.", "1 server would be taken."])
    hub.imported += (ImportedServer(key="b", type="", outcome="exists"),)
    code, out, _ = await hub.hubctl("import", str(file), "--replace", "--json")
    assert (code, [each["outcome"] for each in json.loads(out)["servers"]]) == (1, ["added", "exists"])
    config = {"mcp_servers": {"a": {"command": "x"}}}
    assert hub.asked == [
        ImportServers(config=config, workspace="My Work", dry_run=True),
        ImportServers(config=config, replace=True),
    ]


@pytest.mark.parametrize(
    ("raw", "code", "told"),
    [
        (None, 2, "CLI_ARGUMENTS: "),
        (b"\xff\xfe", 2, "CLI_ARGUMENTS: "),
        (b"{", 1, "BODY_INVALID: The text has a missing closing }: line 1, column 2."),
    ],
)
async def test_a_file_that_cannot_be_imported_is_told(
    hub: CannedHub, tmp_path: Path, raw: bytes | None, code: int, told: str
) -> None:
    """With line and column where there are some."""
    file = tmp_path / "config.json"
    if raw is not None:
        file.write_bytes(raw)
    found, _, err = await hub.hubctl("import", str(file))
    assert found == code
    assert err.startswith(told)
    assert hub.asked == []


async def test_servers_are_exported_without_their_secrets(hub: CannedHub) -> None:
    """What is printed is the configuration alone."""
    code, out, _ = await hub.hubctl("export", "time", "time", "--form", "providers")
    assert (code, json.loads(out)) == (0, {"time": {"command": "${TIME}"}})
    assert json.loads((await hub.hubctl("export", "--secrets", "--json"))[1])["variables"] == ["TIME"]
    assert hub.asked == [Export(form="providers", servers=("time",)), Export(form="client", secrets=True)]


async def test_the_last_change_is_undone(hub: CannedHub) -> None:
    """It says what that was."""
    assert (await hub.hubctl("undo"))[:2] == (0, "Undone: server 'time' removed.\n")
    assert json.loads((await hub.hubctl("undo", "--json"))[1])["undone"] == "server 'time' removed"
