"""hubctl's edits, with a real adapter and sidecar: what the files say, and what runs."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

from hubctl.context import Context
from hubctl.grammar import parser
from hubctl.main import execute
from tests.support.hub import Hub, running
from tests.support.yamcp import MOCK, mock

SERVER = str(MOCK)


async def hubctl(hub: Hub, *words: str) -> tuple[int, str]:
    """Run a command; its exit code, and what it wrote to either stream."""
    arguments = parser().parse_args(words)
    out = io.StringIO()
    context = Context(hub.settings, arguments.json, out=out, err=out)
    return await execute(context, arguments), out.getvalue()


def file(hub: Hub, name: str) -> Any:
    """What a file of YAMCP's says now."""
    return json.loads((hub.yamcp_dir / f"{name}.json").read_text("utf-8"))


async def test_a_hub_is_filled_changed_and_emptied(tmp_path: Path) -> None:
    """Each command returns when it is so, in the files and at the sidecar."""
    async with running({"old": mock("old")}, {}) as hub:
        code, out = await hubctl(
            hub, "add", "clock", "--workspace", "team", "--env", "ZONE=${TZ:-UTC}", "--", sys.executable, SERVER
        )
        assert (code, out.partition(" (")[0]) == (0, "Server clock is added; it is ready")
        assert file(hub, "workspaces") == {"team": ["clock"]}
        assert (await hubctl(hub, "add", "clock", "--url", "http://x"))[1].startswith("ALREADY_EXISTS: ")

        code, out = await hubctl(hub, "edit", "clock", "--rename", "notes", "--unset-env", "ZONE")
        assert (code, out.partition(" (")[0]) == (0, "Server notes is changed; it is ready")
        assert file(hub, "providers")["notes"] == {
            "namespace": "notes",
            "type": "stdio",
            "providerParameters": {"command": sys.executable, "args": [SERVER]},
        }
        assert file(hub, "workspaces") == {"team": ["notes"]}

        code, out = await hubctl(hub, "set", "notes", "call_timeout=20", "--json")
        assert (code, json.loads(out)["call_timeout"]) == (0, 20)
        code, out = await hubctl(hub, "set", "notes", "call_timeout=-1")
        assert (code, out.partition(":")[0]) == (1, "EDIT_INVALID")
        assert (await hubctl(hub, "set", "notes", "call_timeout=null"))[0] == 0

        assert (await hubctl(hub, "disable", "team", "--server", "notes"))[0] == 0
        [team] = (await hub.status()).workspaces
        assert team.disabled_servers == ("notes",)
        assert (await hubctl(hub, "enable", "team", "--server", "notes"))[0] == 0
        assert (await hubctl(hub, "disable", "--server", "notes"))[1] == "Server notes is off.\n"
        code, out = await hubctl(hub, "enable", "--server", "notes")
        assert (code, out) == (0, "Server notes is on; it is ready now.\n")

        source = tmp_path / "settings.json"
        source.write_text(
            json.dumps({"mcpServers": {"more": {"command": sys.executable, "args": [SERVER]}, "bad": {}}}) + " // x"
        )
        code, out = await hubctl(hub, "import", str(source), "--workspace", "imported", "--json")
        assert (code, [each["outcome"] for each in json.loads(out)["servers"]]) == (1, ["added", "unusable"])

        code, out = await hubctl(hub, "workspaces", "edit", "imported", "--add", "notes", "--rename", "all of it")
        assert (code, out.splitlines()[0]) == (0, "Workspace all of it is changed: ready, 2 of 2 servers ready.")
        code, out = await hubctl(hub, "remove", "more", "notes")
        assert (code, out) == (0, "Servers more, notes are removed.\n")
        code, out = await hubctl(hub, "workspaces", "remove", "all of it")
        assert code == 0
        assert (list(file(hub, "providers")), file(hub, "workspaces")) == (["old"], {"team": []})
        assert [space.name for space in (await hub.status()).workspaces] == ["team"]
