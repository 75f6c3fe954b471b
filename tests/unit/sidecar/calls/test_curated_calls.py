"""A curated workspace, by every way to its items: the direct and the waiting way, the hub's tools, subscriptions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bridge.models import Curation, Snapshot
from sidecar.errors import PromptUnknown, ResourceUnknown, ToolUnknown
from sidecar.hub.reconciler import load, save
from tests.support.fake_server import FakeServer, text, until
from tests.support.inprocess import Recorder, World, space, world
from tests.support.peers import connected
from tests.support.ways import serving

pytestmark = pytest.mark.outside

PEERS = [("sse", "legacy"), ("http", "legacy"), ("http", "modern")]


def curated(**kinds: Any) -> Curation:
    """Curation of the server `a`."""
    return Curation.model_validate({"servers": {"a": kinds}})


def noting() -> FakeServer:
    """A server with tools, a prompt and a resource."""
    server = FakeServer(tools={"find": lambda **given: text(json.dumps(given)), "drop": lambda: text("dropped")})
    server.prompts = [{"name": "p"}, {"name": "q"}]
    server.resources = [{"uri": "x://open", "name": "o"}, {"uri": "x://shut", "name": "s"}]
    return server


async def put(hub: World, server: FakeServer, **settings: Any) -> None:
    """Serve it in a workspace."""
    hub.put(server.spec("a"), space("a", **settings))
    await hub.settled()


async def names(hub: World) -> list[str]:
    """The names of the server's tools as a client sees them."""
    return await hub.tools(Recorder())


@pytest.mark.parametrize(("transport", "era"), PEERS)
async def test_the_direct_way_serves_a_curated_workspace(tmp_path: Path, transport: Any, era: Any) -> None:
    """Other names and texts, and presets, which each way fills in; the waiting way refuses what is hidden or off."""
    items = {
        "wrong": {"name": "say", "description": "Say it."},
        "echo": {"arguments": {"a": {"value": 1, "hidden": True}, "b": {"default": 2}}},
        "fail": {"on": False},
    }
    async with serving(tmp_path) as ways:
        await put(ways.hub, ways.server, curation=curated(tools={"items": items}))
        async with connected(f"{ways.hub.base}/mcp/w", transport, era) as peer:
            await peer.request("tools/list")

            async def call(name: str, **arguments: Any) -> Any:
                return (await peer.request("tools/call", {"name": f"a_{name}", "arguments": arguments})).answer

            for name in ("say", "echo"):
                await call(name)  # as in any workspace, the hub learns the headers of a connection first
            ways.usual.clear()
            assert (await call("say"))["result"]["isError"] is True
            assert ways.usual == []
            sent = ways.server.channel.got
            for given, arguments in (({}, {"a": 1, "b": 2}), ({"b": 3}, {"a": 1, "b": 3})):
                assert "result" in await call("echo", **given)
                assert sent("tools/call")[-1]["params"]["arguments"] == arguments
            assert ways.usual == []
            for name in ("wrong", "fail"):
                assert (await call(name))["error"]["data"]["code"] == "TOOL_UNKNOWN"
            assert (await call("echo", a=5))["error"]["data"]["code"] == "ARGUMENT_HIDDEN"
            assert ways.usual == ["a_wrong", "a_fail", "a_echo"]
            assert len(sent("tools/call")) == 5


async def test_the_hubs_tools_see_what_clients_see(tmp_path: Path) -> None:
    """Search, single calls and fan-out: new names and texts, presets, and nothing of what is off or pending."""
    items = {"find": {"name": "look", "description": "Locate marmalade.", "arguments": {"a": {"value": 1}}}}
    tools = {"new": "ask", "known": ["find"], "items": items}
    async with world(tmp_path, server := noting()) as hub:
        await put(hub, server, hub_tools=True, curation=curated(tools=tools))
        client = Recorder()

        async def ask(tool: str, **arguments: Any) -> Any:
            result = await hub.ask(client, "tools/call", {"name": tool, "arguments": arguments})
            return result.get("structuredContent") or result

        found = (await ask("hub_search_tools", query="marmalade find drop"))["tools"]
        assert [(tool["name"], tool["description"]) for tool in found] == [("a_look", "Locate marmalade.")]
        assert (await ask("hub_search_tools", query="drop"))["tools"] == []
        called = await ask("hub_call_tool", name="a_look", arguments={"b": 2})
        assert json.loads(called["content"][0]["text"]) == {"a": 1, "b": 2}
        calls = [("a_look", {}), ("a_look", {"a": 5}), ("a_find", {}), ("a_drop", {})]
        many = await ask("hub_call_many", calls=[{"name": name, "arguments": given} for name, given in calls])
        codes = [(each["error"] or {}).get("code") for each in many["calls"]]
        assert codes == [None, "ARGUMENT_HIDDEN", "TOOL_UNKNOWN", "TOOL_UNKNOWN"]


async def test_what_is_off_is_unknown_by_every_method(tmp_path: Path) -> None:
    """Prompts, completions, resources and subscriptions; an open subscription ends with its resource."""
    off = curated(prompts={"items": {"p": {"on": False}}}, resources={"rules": [{"match": "x://shut", "on": False}]})
    async with world(tmp_path, server := noting()) as hub:
        server.capabilities |= {"resources": {"subscribe": True}, "completions": {}}
        await put(hub, server)
        hub.workspace().join(client := Recorder())
        await hub.ask(client, "resources/subscribe", {"uri": "x://a/shut"})
        await hub.ask(client, "resources/subscribe", {"uri": "x://a/open"})
        await put(hub, server, curation=off)
        await server.channel.sent("resources/unsubscribe")
        assert [frame["params"]["uri"] for frame in server.channel.got("resources/unsubscribe")] == ["x://shut"]
        argument = {"name": "x", "value": ""}
        for method, params in (
            ("prompts/get", {"name": "a_p"}),
            ("completion/complete", {"ref": {"type": "ref/prompt", "name": "a_p"}, "argument": argument}),
        ):
            with pytest.raises(PromptUnknown):
                await hub.ask(client, method, params)
        for method, params in (
            ("resources/read", {"uri": "x://a/shut"}),
            ("resources/subscribe", {"uri": "x://a/%73hut"}),
            ("completion/complete", {"ref": {"type": "ref/resource", "uri": "x://a/shut"}, "argument": argument}),
        ):
            with pytest.raises(ResourceUnknown):
                await hub.ask(client, method, params)


async def test_tools_and_servers_that_come_and_go(tmp_path: Path) -> None:
    """A tool keeps its curation while its server does not list it; one that nobody has looked at waits; a server that
    leaves the workspace and comes back, or restarts, is shown as before."""
    items = {"find": {"name": "look"}}
    wanted = {"curation": curated(tools={"new": "ask", "known": ["find"], "items": items})}
    async with world(tmp_path, server := noting()) as hub:
        await put(hub, server, **wanted)
        assert await names(hub) == ["a_look"]
        find = server.tools.pop("find")
        server.tools["more"] = lambda: text("more")
        server.channel.notify("notifications/tools/list_changed")
        await until(lambda: not hub.workspace().view.tools)
        with pytest.raises(ToolUnknown):
            await hub.ask(Recorder(), "tools/call", {"name": "a_more"})
        server.tools["find"] = find
        server.channel.notify("notifications/tools/list_changed")
        await until(lambda: hub.workspace().view.tools)
        assert await names(hub) == ["a_look"]
        hub.put(server.spec("a"), space(**wanted))
        assert await names(hub) == []
        await put(hub, server, **wanted)
        await server.connected(2)
        await until(lambda: hub.workspace().view.tools)
        assert await names(hub) == ["a_look"]


def test_a_snapshot_of_an_earlier_version_is_still_valid(tmp_path: Path) -> None:
    """applied.json without the settings that came later: its hash is the same, and so it is applied at a start. With
    a curation, the copy has all of it."""
    server = noting().spec("a")
    plain = Snapshot.of(1, 1, (server,), (space("a"),))
    content = json.loads(plain.model_dump_json())
    for name in ("curation", "hub_tools", "registry", "tools", "pinned_tools"):
        del content["workspaces"][0][name]
    (tmp_path / "applied.json").write_text(json.dumps(content))
    assert load(tmp_path / "applied.json") == plain
    what = curated(tools={"new": "ask", "known": ["find"], "items": {"find": {"arguments": {"a": {"value": [1]}}}}})
    full = Snapshot.of(1, 2, (server,), (space("a", curation=what),))
    assert full.id.hash != plain.id.hash
    save(tmp_path / "applied.json", full)
    again = load(tmp_path / "applied.json")
    assert again == full and again is not None and again.workspaces[0].curation == what
