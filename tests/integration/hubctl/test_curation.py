"""hubctl curation at a running hub: what clients see afterwards, and what hub.json says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.integration.hubctl.test_editing import hubctl
from tests.support.hub import Hub, running
from tests.support.yamcp import mock


async def tools(hub: Hub, workspace: str = "w") -> set[str]:
    """The names of the tools that clients of a workspace see."""
    code, out = await hubctl(hub, "tools", workspace, "--json")
    assert code == 0, out
    return {tool["name"] for tool in json.loads(out)}


def settings(hub: Hub) -> Any:
    """The curations in hub.json, by workspace."""
    content = json.loads((hub.settings.data_dir / "hub.json").read_text("utf-8"))
    return {name: each.get("curation") for name, each in content["workspaces"].items()}


async def test_a_workspace_is_curated(tmp_path: Path) -> None:
    """Each command returns when clients see what it says; names and deletions of servers are followed."""
    async with running({"m": mock("m")}, {"w": ["m"], "v": ["m"]}) as hub:
        await hub.wait_settled()
        every = await tools(hub)
        assert "m_echo" in every
        for words in (
            ("new", "w", "m", "ask"),
            ("off", "w", "m", "e*"),
            ("on", "w", "m", "echo"),
            ("rename", "w", "m", "echo", "say"),
            ("preset", "w", "m", "echo", "text", '"fixed"'),
        ):
            code, out = await hubctl(hub, "curation", *words)
            assert (code, out) == (0, "The curation of workspace w is in force.\n"), words
        shown = await tools(hub)
        assert shown == {name for name in every if not name.startswith("m_e")} | {"m_say"}
        assert "fixed" in (await hubctl(hub, "call", "w", "m_say", "{}"))[1]
        assert (await hubctl(hub, "call", "w", "m_say", '{"text": "mine"}'))[1].startswith("ARGUMENT_HIDDEN")
        assert await tools(hub, "v") == every

        code, exported = await hubctl(hub, "curation", "export", "w")
        known = json.loads(exported)["servers"]["m"]["tools"]["known"]
        assert (code, sorted(known)) == (0, sorted(name.removeprefix("m_") for name in every))
        code, listed = await hubctl(hub, "curation", "list", "w", "--json")
        states = {item["name"]: item["state"] for item in json.loads(listed)["items"] if item["kind"] == "tool"}
        assert code == 0 and {name for name, state in states.items() if state == "on"} >= {"echo"}

        assert (await hubctl(hub, "curation", "clone", "w", "v"))[0] == 0
        assert await tools(hub, "v") == shown
        source = tmp_path / "curation.json"
        source.write_text('{"servers": {}}')
        assert (await hubctl(hub, "curation", "import", "v", str(source)))[0] == 0
        assert await tools(hub, "v") == every

        assert (await hubctl(hub, "edit", "m", "--rename", "n"))[0] == 0
        assert list(settings(hub)["w"]["servers"]) == ["n"]
        assert {name.partition("_")[2] for name in await tools(hub)} == {name.partition("_")[2] for name in shown}
        assert (await hubctl(hub, "remove", "n"))[0] == 0
        assert settings(hub)["w"] is None
