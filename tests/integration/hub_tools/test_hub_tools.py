"""`hub_status`, `hub_call_tool` and `hub_call_many` as clients of both eras and transports use them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sidecar.calls.error_response import ErrorResponse
from sidecar.errors import SidecarError
from tests.support.admission import Watcher
from tests.support.clients import Mode, sdk
from tests.support.fake_server import FakeServer, Json, RpcError, text
from tests.support.guarded import guarded, short_directory
from tests.support.inprocess import Recorder, World, space, world
from tests.support.peers import Transport

WAYS: list[tuple[Transport, Mode]] = [("sse", "legacy"), ("http", "legacy"), ("http", "2026-07-28")]
HUB_TOOLS = ["hub_status", "hub_search_tools", "hub_call_tool", "hub_call_many"]
RICH: Json = {
    "content": [
        {"type": "text", "text": "é"},
        {"type": "image", "data": "aGk=", "mimeType": "image/png"},
        {"type": "resource_link", "name": "r", "uri": "x://r"},
    ],
    "structuredContent": {"a": [1, None, {"b": 2.5}]},
    "_meta": {"mine": {"c": 3}},
}
FAILED: Json = {"content": [{"type": "text", "text": "no"}], "isError": True}


def broken() -> Json:
    """A tool that answers with a JSON-RPC error."""
    raise RpcError(-32000, "broken")


def rich_server(name: str = "s", era: str = "legacy") -> FakeServer:
    """A server with results of all sorts."""
    tools = {"rich": lambda: RICH, "failing": lambda: FAILED, "broken": broken, "plain": lambda: text(name)}
    return FakeServer(name, era, tools=tools)


async def put(hub: World, *servers: FakeServer, **settings: Any) -> None:
    """Serve these in a workspace with the hub's tools."""
    settings = {"hub_tools": True, **settings}
    hub.put(*(server.spec() for server in servers), space(*(server.name for server in servers), **settings))
    await hub.settled()


async def call(hub: World, client: Recorder, tool: str, **arguments: Any) -> Json:
    """Call a tool."""
    result: Json = await hub.ask(client, "tools/call", {"name": tool, "arguments": arguments})
    return result


async def call_many(hub: World, client: Recorder, *names: str, **more: Any) -> list[Json]:
    """The outcomes of a fan-out."""
    result = await call(hub, client, "hub_call_many", calls=[{"name": name} for name in names], **more)
    calls: list[Json] = result["structuredContent"]["calls"]
    return calls


@pytest.mark.parametrize("era", ["legacy", "modern"])
@pytest.mark.parametrize("way", WAYS, ids=["sse", "http", "modern"])
async def test_results_are_the_tools_own(tmp_path: Path, way: tuple[Transport, Mode], era: str) -> None:
    """`hub_call_tool` returns what the direct call returns, whatever it is; `hub_call_many` has it as data."""
    server = rich_server(era=era)
    async with world(tmp_path, server, serve=True) as hub:
        await put(hub, server)
        async with sdk(f"{hub.base}/mcp/w", way[0], way[1]) as client:
            for name in ("s_rich", "s_failing"):
                direct = await client.call_tool(name, {})
                through = await client.call_tool("hub_call_tool", {"name": name})
                assert _plain(through) == _plain(direct), name
            done = await client.call_tool("hub_call_many", {"calls": [{"name": "s_rich"}, {"name": "s_failing"}]})
            assert done.structured_content is not None and not done.is_error
            first, second = done.structured_content["calls"]
            assert (first["outcome"], second["outcome"]) == ("ok", "error")
            direct = await client.call_tool("s_rich", {})
            assert first["result"]["content"] == _plain(direct)["content"]
            assert first["result"]["structuredContent"] == RICH["structuredContent"]
            assert second["result"]["isError"] is True


def _plain(result: Any) -> Json:
    """A result without what the hub adds to each result for modern clients."""
    value: Json = result.model_dump(mode="json", by_alias=True, exclude_none=True)
    for key in ("ttlMs", "cacheScope"):
        value.pop(key, None)
    value["_meta"] = {key: each for key, each in value.get("_meta", {}).items() if not key.startswith("io.model")}
    return value


@pytest.mark.parametrize("way", WAYS, ids=["sse", "http", "modern"])
async def test_they_are_tools_like_others(tmp_path: Path, way: tuple[Transport, Mode]) -> None:
    """Listed under fixed names, with schemas and annotations; wrong arguments are errors that a model can read."""
    server = rich_server()
    async with world(tmp_path, server, serve=True) as hub:
        await put(hub, server, template="x.{namespace}.{name}")
        async with sdk(f"{hub.base}/mcp/w", way[0], way[1]) as client:
            listed = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert [name for name in listed if name.startswith("hub_")] == HUB_TOOLS
            assert listed["hub_status"].annotations is not None and listed["hub_status"].annotations.read_only_hint
            assert listed["hub_call_many"].output_schema is not None
            status = await client.call_tool("hub_status", {})
            assert status.structured_content is not None
            assert [each["server"] for each in status.structured_content["servers"]] == ["s"]
            own = {each["tool"]: each["calls"] for each in status.structured_content["hub_tools"]}
            assert own == {**dict.fromkeys(HUB_TOOLS, 0), "hub_status": 1}
            assert {each.name: each.calls for each in (await hub.reporter.status()).hub_tools} == own
            wrong = await client.call_tool("hub_call_many", {"calls": []})
            assert wrong.is_error


async def test_outcomes(tmp_path: Path) -> None:
    """Each call has its own, in their order."""
    server = rich_server()
    async with world(tmp_path, server) as hub:
        await put(hub, server)
        client = Recorder()
        calls = await call_many(hub, client, "s_plain", "s_failing", "s_broken", "s_none", "hub_status")
        assert [each["outcome"] for each in calls] == ["ok", "error", "error", "refused", "refused"]
        assert [each["name"] for each in calls] == ["s_plain", "s_failing", "s_broken", "s_none", "hub_status"]
        assert calls[2]["error"]["message"] == "broken"
        assert [each["error"]["code"] for each in calls[3:]] == ["TOOL_UNKNOWN", "NESTED_HUB_CALL"]


async def test_hub_tools_do_not_nest(tmp_path: Path) -> None:
    """Neither alone nor within a fan-out."""
    server = rich_server()
    async with world(tmp_path, server) as hub:
        await put(hub, server)
        for inner in HUB_TOOLS:
            refused = await call(hub, Recorder(), "hub_call_tool", name=inner)
            assert refused["isError"] and "NESTED_HUB_CALL" in refused["content"][0]["text"]


async def test_a_server_cannot_take_the_name_of_a_tool_of_the_hub(tmp_path: Path) -> None:
    """The other tool is renamed, and both can be called."""
    server = FakeServer("s", tools={"hub_status": lambda: text("theirs"), "HUB-CALL-TOOL": lambda: text("too")})
    async with world(tmp_path, server) as hub:
        for template in ("{name}", "hub_{name}"):
            await put(hub, server, template=template)
            client = Recorder()
            listed = await hub.tools(client)
            assert {*HUB_TOOLS} <= {*listed}
            assert "structuredContent" in await call(hub, client, "hub_status")
            theirs = {(await call(hub, client, name))["content"][0]["text"] for name in listed if name not in HUB_TOOLS}
            assert theirs == {"theirs", "too"}


@pytest.mark.parametrize(("transport", "era"), [("sse", "legacy"), ("http", "legacy"), ("http", "modern")])
async def test_two_principals_see_only_their_own(transport: Any, era: Any) -> None:
    """In the status, in the search, in calls, and in errors."""
    ours, theirs = rich_server("ours"), rich_server("theirs")
    with short_directory() as root:
        async with guarded(root, ours, theirs, names=("ann", "bob")) as hub:
            await put(hub.made, ours, theirs)
            allowed = [("key:ann", "ours"), ("key:bob", "theirs")]
            hub.made.allow(
                *({"effect": "allow", "subject": who, "servers": [key]} for who, key in allowed),
                keys="rules",
            )
            await hub.made.settled()
            async with hub.peer("ann", transport, era) as ann, hub.peer("bob", transport, era) as bob:
                for peer, own, other in ((ann, "ours", "theirs"), (bob, "theirs", "ours")):
                    found = await asked(peer, "hub_search_tools", query="plain")
                    listed = (await peer.request("tools/list")).result
                    seen = json.dumps([listed, await asked(peer, "hub_status"), found])
                    assert own in seen and other not in seen
                    through = await asked(peer, "hub_call_tool", name=f"{own}_plain")
                    assert through["content"][0]["text"] == own
                    refused = await asked(peer, "hub_call_tool", name=f"{other}_plain")
                    unknown = await asked(peer, "hub_call_tool", name=f"{other}_none")
                    assert refused["isError"] and "TOOL_UNKNOWN" in refused["content"][0]["text"]
                    assert json.dumps(refused).replace("plain", "none") == json.dumps(unknown)
                    calls = [{"name": f"{own}_plain"}, {"name": f"{other}_plain"}]
                    done = await asked(peer, "hub_call_many", calls=calls)
                    assert [each["outcome"] for each in done["structuredContent"]["calls"]] == ["ok", "refused"]


async def asked(peer: Any, tool: str, **arguments: Any) -> Json:
    """The result of a call by a client."""
    result: Json = (await peer.request("tools/call", {"name": tool, "arguments": arguments})).result
    return result


async def test_limits_apply_to_inner_calls() -> None:
    """Each counts, as does the call of the hub's tool; the others of a fan-out are refused."""
    server = rich_server()
    with short_directory() as root:
        async with guarded(root, server, names=("ann",)) as hub:
            await put(hub.made, server)
            rules = {"effect": "allow", "subject": "key:ann"}
            hub.made.allow(rules, keys="rules", limits=[{"subject": "key:ann", "calls_per_day": 3}])
            await hub.made.settled()
            async with hub.peer("ann", "http", "legacy") as ann:
                done = await asked(ann, "hub_call_many", calls=[{"name": "s_plain"}] * 4)
                outcomes = [each["outcome"] for each in done["structuredContent"]["calls"]]
                assert outcomes == ["ok", "ok", "refused", "refused"]


async def test_observers_see_inner_calls(tmp_path: Path) -> None:
    """With the server and tool of each, and the correlation id of the outer call."""
    server, watcher = rich_server(), Watcher()
    async with world(tmp_path, server) as hub:
        hub.hub.admission.add_observer(watcher)
        await put(hub, server)
        await call_many(hub, Recorder(), "s_plain", "s_failing")
        inner = sorted((each.tool, each.server, each.ending) for each in watcher.all[:-1])
        assert inner == [("failing", "s", "tool_error"), ("plain", "s", "ok")]
        assert (watcher.all[-1].tool, watcher.all[-1].ending) == ("hub_call_many", "ok")
        assert len({each.correlation for each in watcher.all}) == 1


async def test_search_lists_stay_and_hidden_tools_are_called(tmp_path: Path) -> None:
    """`tools: search`: servers come and go without a change of the list; both ways of a call reach hidden tools."""
    first, second = rich_server("first"), rich_server("second")
    async with world(tmp_path, first, second) as hub:
        await put(hub, first, hub_tools=False, tools="search", pinned_tools=("first_plain",))
        client = Recorder()
        before = await hub.ask(client, "tools/list")
        assert [tool["name"] for tool in before["tools"]] == ["first_plain", "hub_search_tools", "hub_call_tool"]
        await put(hub, first, second, hub_tools=False, tools="search", pinned_tools=("first_plain",))
        after = await hub.tools(client)
        assert after == [tool["name"] for tool in before["tools"]]
        assert (await call(hub, client, "second_plain"))["content"][0]["text"] == "second"
        assert (await call(hub, client, "hub_call_tool", name="second_plain"))["content"][0]["text"] == "second"
        found = await call(hub, client, "hub_search_tools", query="plain", server="second")
        assert [tool["name"] for tool in found["structuredContent"]["tools"]] == ["second_plain"]


async def test_off_unless_wanted(tmp_path: Path) -> None:
    """A workspace without the setting has none, and neither has one that is switched back."""
    server = rich_server()
    async with world(tmp_path, server) as hub:
        await put(hub, server)
        await put(hub, server, hub_tools=False)
        client = Recorder()
        assert not [name for name in await hub.tools(client) if name.startswith("hub_")]
        with pytest.raises((SidecarError, ErrorResponse)):
            await call(hub, client, "hub_status")
