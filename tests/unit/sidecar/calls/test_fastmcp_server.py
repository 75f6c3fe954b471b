"""FastMCP around the relay, seen by real clients: the SDK's in both eras, over both transports."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest
from mcp.client.client import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPDeprecationWarning

from sidecar.sessions.client_groups import ClientGroup
from tests.support.fake_server import FakeServer, Gate, RpcError, settle, text, until
from tests.support.inprocess import World, space, world
from tests.support.peers import HttpPeer, SsePeer, connected

pytestmark = pytest.mark.outside

BOTH = pytest.mark.parametrize("transport", ["sse", "http"])
ERAS = pytest.mark.parametrize("era", ["legacy", "modern"])


@pytest.fixture
def server() -> FakeServer:
    """A server with one of each."""
    server = FakeServer()
    server.prompts = [{"name": "p"}]
    server.resources = [{"uri": "note://1", "name": "one"}]
    server.templates = [{"uriTemplate": "note://{id}", "name": "any"}]
    server.instructions = "Be kind."
    return server


@pytest.fixture
async def hub(tmp_path: Path, server: FakeServer) -> AsyncIterator[World]:
    """A workspace `w` of it, over HTTP."""
    async with world(tmp_path, server, serve=True) as made:
        made.put(server.spec("a"), space("a"))
        await made.settled()
        yield made


@contextlib.asynccontextmanager
async def sdk(hub: World, transport: str, mode: str, **callbacks: Any) -> AsyncIterator[Client]:
    """The SDK's client."""
    url = f"{hub.base}/mcp/w"
    wire: Any = sse_client(f"{url}/sse") if transport == "sse" else streamable_http_client(url)
    async with Client(wire, mode=mode, **callbacks) as client:
        yield client


@BOTH
@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_sdk_client(hub: World, transport: str, mode: str) -> None:
    """The SDK's client lists and uses everything."""
    async with sdk(hub, transport, mode) as client:
        assert (await client.list_tools()).tools[0].name == "a_echo"
        result: Any = await client.call_tool("a_echo", {"x": 1})
        assert result.content[0].text == "[('x', 1)]"
        assert (await client.list_prompts()).prompts[0].name == "a_p"
        await client.get_prompt("a_p")
        assert str((await client.list_resources()).resources[0].uri) == "note://a/1"
        assert (await client.list_resource_templates()).resource_templates[0].uri_template == "note://a/{id}"
        read: Any = await client.read_resource("note://a/1")
        assert read.contents[0].text == "fake"
        with pytest.raises(Exception, match="has no tool 'gone'"):
            await client.call_tool("gone")


@BOTH
@ERAS
async def test_greeting(hub: World, transport: Any, era: Any) -> None:
    """The handshake tells what the workspace is and has."""
    async with connected(f"{hub.base}/mcp/w", transport, era) as peer:
        greeting = peer.greeting
        assert greeting["instructions"] == "Be kind."
        assert greeting["capabilities"]["resources"] == {"listChanged": True, "subscribe": True}
        if era == "legacy":
            assert greeting["serverInfo"]["name"] == "w"
        else:
            assert "2026-07-28" in greeting["supportedVersions"]


@BOTH
@ERAS
async def test_list_changed(hub: World, server: FakeServer, transport: Any, era: Any) -> None:
    """A changed list is announced once, and only the kinds that a modern listener asked for."""
    async with connected(f"{hub.base}/mcp/w", transport, era) as peer, peer.listening({"toolsListChanged": True}):
        server.tools["new"] = dict
        server.prompts.append({"name": "q"})
        server.channel.notify("notifications/prompts/list_changed")
        server.channel.notify("notifications/tools/list_changed")
        await peer.wait_note("notifications/tools/list_changed")
        names = [tool["name"] for tool in (await peer.request("tools/list")).result["tools"]]
        assert names == ["a_echo", "a_new"]
        told = [note["method"] for note in peer.notes if note["method"].endswith("list_changed")]
        expected = ["notifications/tools/list_changed"]
        assert sorted(told) == (["notifications/prompts/list_changed", *expected] if era == "legacy" else expected)


@BOTH
@ERAS
async def test_resource_updated(hub: World, server: FakeServer, transport: Any, era: Any) -> None:
    """An update reaches its subscriber only, also after an edit moved the resource to another upstream."""
    uri = "note://a/1"
    base = f"{hub.base}/mcp/w"
    async with connected(base, transport, era) as peer, connected(base, transport, "legacy") as other:
        async with peer.listening({"resourceSubscriptions": [uri]}):
            if era == "legacy":
                await peer.request("resources/subscribe", {"uri": uri})
            await server.channel.sent("resources/subscribe")
            for connection in (1, 2):
                since = len(peer.notes)
                server.channel.notify("notifications/resources/updated", {"uri": "note://2"})
                server.channel.notify("notifications/resources/updated", {"uri": "note://1"})
                note = await peer.wait_note("notifications/resources/updated", since)
                assert note["params"]["uri"] == uri
                if connection == 1:
                    hub.put(server.spec("a", args=("changed",)))
                    await server.connected(2)
                    await server.channel.sent("resources/subscribe")
            if era == "legacy":
                await peer.request("resources/unsubscribe", {"uri": uri})
        await server.channel.sent("resources/unsubscribe")
        assert not [note for note in other.notes if "updated" in note["method"]]


async def test_listened_twice(hub: World, server: FakeServer) -> None:
    """Two listeners to one resource are one subscription, until both have left; unknown resources are waited for."""
    base, uris = f"{hub.base}/mcp/w", ["note://a/1", "note://later/1"]
    async with connected(base, "sse", "modern") as one, connected(base, "http", "modern") as two:
        async with one.listening({"resourceSubscriptions": uris}):
            async with two.listening({"resourceSubscriptions": uris}):
                await server.channel.sent("resources/subscribe")
            other = FakeServer("other")
            hub.servers["other"] = other
            hub.put(other.spec("later"), space("a", "later"))
            await other.connected()
            await other.channel.sent("resources/subscribe")
            other.channel.notify("notifications/resources/updated", {"uri": "note://1"})
            note = await one.wait_note("notifications/resources/updated")
            assert note["params"]["uri"] == "note://later/1"
            assert len(server.channel.got("resources/subscribe")) == 1
            assert not server.channel.got("resources/unsubscribe")
        await server.channel.sent("resources/unsubscribe")
        await other.channel.sent("resources/unsubscribe")


async def test_listened_to_a_server_that_leaves(hub: World, server: FakeServer) -> None:
    """A subscription that fails since the server crashes just then is asked for when it is back."""
    server.handlers["resources/subscribe"] = lambda channel, _: channel.close()
    async with connected(f"{hub.base}/mcp/w", "http", "modern") as peer:
        first = server.channel
        async with peer.listening({"resourceSubscriptions": ["note://a/1"]}):
            await first.sent("resources/subscribe")
            del server.handlers["resources/subscribe"]
            await until(lambda: len(server.channels) == 2)
            await server.channel.sent("resources/subscribe")
            server.channel.notify("notifications/resources/updated", {"uri": "note://1"})
            await peer.wait_note("notifications/resources/updated")


UPDATED = "notifications/resources/updated"
WATCHED = {"resourceSubscriptions": ["note://a/1"], "toolsListChanged": True}


class ConcurrentCalls:
    """A `per_client` server, and a modern client whose calls each get a process of it, as it can be asked."""

    def __init__(self, hub: World, server: FakeServer, peer: SsePeer | HttpPeer) -> None:
        self.gate = Gate()
        self.hub, self.server, self.peer = hub, server, peer
        server.tools |= {"wait": self.gate, "change": self._change}

    @contextlib.asynccontextmanager
    async def waiting(self, count: int) -> AsyncIterator[None]:
        """While open, so many calls are in progress, each at a process of its own."""
        before = self.gate.entered
        waiting = [asyncio.create_task(self.peer.request("tools/call", {"name": "a_wait"})) for _ in range(count)]
        await self.gate.reached(before + count)
        try:
            yield
        finally:
            self.gate.open()
            answers = await asyncio.gather(*waiting)
        assert [each.result["content"] for each in answers] == [text("through")["content"]] * count

    async def change(self) -> Any:
        """Call the tool that changes the resource and the list of tools."""
        return (await self.peer.request("tools/call", {"name": "a_change"})).result["content"]

    async def _change(self, channel: Any) -> dict[str, Any]:
        """Tell the connection of the call alone, as many servers do."""
        self.server.tools["new"] = dict
        channel.notify("notifications/tools/list_changed")
        channel.notify(UPDATED, {"uri": "note://1"})
        return text("changed")


@pytest.fixture
async def calls(hub: World, server: FakeServer) -> AsyncIterator[ConcurrentCalls]:
    """Such a client over Streamable HTTP, whose server's first process has been started."""
    async with connected(f"{hub.base}/mcp/w", "http", "modern", {"elicitation": {"form": {}}}) as peer:
        made = ConcurrentCalls(hub, server, peer)
        hub.put(server.spec("a", session="per_client"))
        await until(lambda: server.open == 0)
        await peer.request("tools/list")
        server.channels[:] = server.channels[-1:]
        yield made


async def test_a_change_by_another_process(calls: ConcurrentCalls, server: FakeServer) -> None:
    """A listener hears what a call changed that was served beside another, by a process that the hub started for it."""
    async with calls.peer.listening(WATCHED), calls.waiting(1):
        assert await calls.change() == text("changed")["content"]
        first, second = server.channels
        assert [len(each.got("resources/subscribe")) for each in server.channels] == [1, 1]
        assert (len(first.got("tools/call")), len(second.got("tools/call"))) == (1, 1)
        assert (await calls.peer.wait_note(UPDATED))["params"]["uri"] == "note://a/1"
        await calls.peer.wait_note("notifications/tools/list_changed")
        tools = (await calls.peer.request("tools/list")).result["tools"]
        assert "a_new" in [tool["name"] for tool in tools]
        assert await calls.change() == text("changed")["content"]
        assert len(second.got("resources/subscribe")) == 1


async def test_listened_to_while_other_processes_serve(calls: ConcurrentCalls, server: FakeServer) -> None:
    """They are subscribed to as well, and no longer at their next call after the listener has left."""
    async with calls.waiting(2):
        assert len(server.channels) == 2
        async with calls.peer.listening(WATCHED):
            assert [len(each.got("resources/subscribe")) for each in server.channels] == [1, 1]
            server.channels[1].notify(UPDATED, {"uri": "note://1"})
            await calls.peer.wait_note(UPDATED)
        await server.channels[0].sent("resources/unsubscribe")
        told = len(calls.peer.notes)
        server.channels[1].notify(UPDATED, {"uri": "note://1"})
    calls.gate.door.clear()
    async with calls.waiting(3):
        assert len(server.channels[1].got("resources/unsubscribe")) == 1
    assert UPDATED not in [note["method"] for note in calls.peer.notes[told:]]


async def test_another_process_that_refuses(
    calls: ConcurrentCalls, server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A process that refuses the subscription serves the call that it was started for, and the log says so."""

    def refuse(*_: Any) -> Any:
        raise RpcError(-32002, "no such resource")

    async with calls.peer.listening(WATCHED), calls.waiting(1):
        server.handlers["resources/subscribe"] = refuse
        assert await calls.change() == text("changed")["content"]
        assert len(server.channels[1].got("resources/subscribe")) == 1
    (refusal,) = (each for each in caplog.records if "refused a subscription" in each.message)
    assert (refusal.server, "no such resource" in refusal.reason) == ("a", True)  # type: ignore[attr-defined]


@pytest.mark.parametrize("beside", [0, 1])
async def test_listened_when_the_first_process_is_closed(
    calls: ConcurrentCalls, server: FakeServer, beside: int
) -> None:
    """A call that its client abandons costs the process in which it was; the listener hears of another one at once."""
    async with calls.peer.listening(WATCHED):
        abandoned = asyncio.create_task(calls.peer.request("tools/call", {"name": "a_wait"}))
        await calls.gate.reached()
        async with calls.waiting(beside):
            abandoned.cancel()
            await asyncio.wait([abandoned])
            await server.connected(2)
            await server.channels[1].sent("resources/subscribe")
            await until(lambda: server.open == 1)
            await calls.change()
            await calls.peer.wait_note(UPDATED)


async def test_listened_to_a_process_that_is_replaced(calls: ConcurrentCalls, server: FakeServer) -> None:
    """After an edit of the server, the listener hears of the new process, without a request in between."""
    async with calls.peer.listening(WATCHED):
        calls.hub.put(server.spec("a", session="per_client", args=("changed",)))
        await server.connected(2)
        await server.channels[1].sent("resources/subscribe")
        server.channels[1].notify(UPDATED, {"uri": "note://1"})
        await calls.peer.wait_note(UPDATED)


async def test_a_group_that_has_left_gets_no_process(calls: ConcurrentCalls, server: FakeServer) -> None:
    """A listener whose stream has not ended yet does not bring back what was closed with its group."""
    workspace = calls.hub.workspace()
    async with calls.peer.listening(WATCHED):
        (group,) = (each for each in workspace.sessions if isinstance(each, ClientGroup))
        workspace.leave(group)
        workspace.follow()
        await settle()
        assert len(server.channels) == 1
    await until(lambda: server.open == 0)


@BOTH
async def test_server_asks_the_client(hub: World, server: FakeServer, transport: str) -> None:
    """Sampling, elicitation and roots reach the client whose server asks, and no other."""

    async def sample(context: Any, params: types.CreateMessageRequestParams) -> types.CreateMessageResult:
        return types.CreateMessageResult(
            role="assistant", content=types.TextContent(type="text", text="sampled"), model="m"
        )

    async def elicit(context: Any, params: Any) -> types.ElicitResult:
        return types.ElicitResult(action="accept", content={"x": 1})

    async def roots(context: Any) -> types.ListRootsResult:
        return types.ListRootsResult(roots=[types.Root(uri="file:///mine")])  # type: ignore[arg-type]

    async def ask(channel: Any) -> dict[str, Any]:
        message = {"role": "user", "content": {"type": "text", "text": "?"}}
        form = {"message": "?", "requestedSchema": {"type": "object", "properties": {}}}
        answers = [
            await channel.ask("sampling/createMessage", {"messages": [message], "maxTokens": 5}),
            await channel.ask("elicitation/create", form),
            await channel.ask("roots/list"),
            await channel.ask("ping"),
        ]
        return {"content": [{"type": "text", "text": str(answers)}]}

    server.tools["ask"] = ask
    hub.put(server.spec("a", session="per_client"))
    callbacks = {"sampling_callback": sample, "elicitation_callback": elicit, "list_roots_callback": roots}
    async with sdk(hub, transport, "legacy", **callbacks) as client, sdk(hub, transport, "legacy") as other:
        await client.list_tools()
        await other.list_tools()
        result: Any = await client.call_tool("a_ask")
        for expected in ("sampled", "'accept'", "file:///mine"):
            assert expected in result.content[0].text
        with pytest.warns(MCPDeprecationWarning):
            await client.send_roots_list_changed()
        first = next(channel for channel in server.channels if channel.got("tools/call"))
        await first.sent("notifications/roots/list_changed")
        result = await other.call_tool("a_ask")
        assert "'error'" in result.content[0].text
    await until(lambda: server.open == 0 or transport == "http")


async def test_log_messages(hub: World, server: FakeServer) -> None:
    """The only client gets its server's log messages, over the GET stream too."""
    for transport in ("sse", "http"):
        async with connected(f"{hub.base}/mcp/w", transport, "legacy") as peer:  # type: ignore[arg-type]
            await peer.request("logging/setLevel", {"level": "error"})
            server.channel.notify("notifications/message", {"level": "info", "data": "no"})
            for data in ("one", "two"):
                server.channel.notify("notifications/message", {"level": "error", "data": data})
            await until(lambda peer=peer: len(peer.notes) >= 2)  # type: ignore[misc]
            assert [note["params"]["data"] for note in peer.notes] == ["one", "two"]
        await until(lambda: len(hub.workspace().sessions) == 1)


@BOTH
@ERAS
async def test_progress(hub: World, server: FakeServer, transport: Any, era: Any) -> None:
    """Progress comes before the answer, in order, under the client's token."""

    def slow(channel: Any, frame: Any) -> dict[str, Any]:
        token = frame["params"]["_meta"]["progressToken"]
        for step in (1, 2, 3):
            channel.notify("notifications/progress", {"progressToken": token, "progress": step})
        return {"content": []}

    server.tools["slow"] = slow
    server.channel.notify("notifications/tools/list_changed")
    await until(lambda: "a_slow" in hub.workspace().view.tool_routes)
    async with connected(f"{hub.base}/mcp/w", transport, era) as peer:
        exchange = await peer.request("tools/call", {"name": "a_slow", "_meta": {"progressToken": "mine"}})
        told = [note["params"] for note in exchange.notes]
    assert [(note["progressToken"], note["progress"]) for note in told] == [("mine", 1), ("mine", 2), ("mine", 3)]


async def test_http_disconnect_cancels(hub: World, server: FakeServer) -> None:
    """A modern client that drops its request cancels it at the server."""
    server.tools["hang"] = lambda: asyncio.Event().wait()
    server.channel.notify("notifications/tools/list_changed")
    await until(lambda: "a_hang" in hub.workspace().view.tool_routes)
    async with connected(f"{hub.base}/mcp/w", "http", "modern") as peer:
        call = asyncio.create_task(peer.request("tools/call", {"name": "a_hang"}))
        await server.channel.sent("tools/call")
        call.cancel()
        await asyncio.wait([call])
        cancelled = await server.channel.sent("notifications/cancelled")
    assert cancelled["params"]["requestId"] == server.channel.got("tools/call")[0]["id"]


async def test_http_of_a_workspace_that_is_not_served(tmp_path: Path) -> None:
    """A request that comes when the workspace's task has ended, as the hub stops, is answered 503 and a reason."""
    async with world(tmp_path, serve=True) as made:
        made.put(space())
        endpoint = made.endpoint()
    answers: list[Any] = []

    async def send(message: Any) -> None:
        answers.append(message)

    scope: Any = {"type": "http", "headers": [], "method": "GET", "path": "/mcp/w"}
    await made.http.serve(endpoint, scope, None, send)  # type: ignore[arg-type]
    assert answers[0]["status"] == 503
    assert b"HUB_STOPPING" in answers[1]["body"]
