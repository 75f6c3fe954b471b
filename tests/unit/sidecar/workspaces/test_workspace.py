"""A workspace through its edits, and what its sessions are told."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sidecar.calls.endpoint import Endpoint
from sidecar.errors import ServerExited, ToolUnknown, WorkspaceGone, WorkspaceOff
from sidecar.protocol import jsonrpc
from sidecar.routing import view
from tests.support.fake_server import FakeServer, Gate, RpcError, echo, settle, text, until, within
from tests.support.inprocess import Recorder, World, space, world

pytestmark = pytest.mark.outside


async def joined(made: World, *sessions: Recorder, name: str = "w") -> None:
    """The sessions are in the workspace, all its servers have been tried."""
    await made.settled()
    for session in sessions:
        made.workspace(name).join(session)
        session.notes.clear()


# --- edits -------------------------------------------------------------------------------------------------------


async def test_a_call_waits_for_what_is_starting(tmp_path: Path) -> None:
    """A tool of a server that was just switched on is found by the call that comes before its handshake is over."""
    server, client = FakeServer("one"), Recorder()
    async with world(tmp_path, server) as made:
        made.put(space())
        await joined(made, client)
        server.door.clear()
        made.put(server.spec("a"), space("a"))
        call = asyncio.create_task(made.ask(client, "tools/call", {"name": "a_echo", "arguments": {"text": "x"}}))
        await settle()
        assert not call.done()
        server.door.set()
        assert "content" in await within(call)
        with pytest.raises(ToolUnknown):
            await made.ask(client, "tools/call", {"name": "a_nothing"})


async def test_make_before_break(tmp_path: Path) -> None:
    """While a changed server starts, the one before serves on; a call in flight finishes where it began."""
    gate = Gate("old")
    old, new = FakeServer("old", tools={"gate": gate}), FakeServer("new", tools={"gate": lambda: text("new")})
    client = Recorder()
    async with world(tmp_path, old, new) as made:
        made.put(old.spec("a"), space("a"))
        await joined(made, client)
        call = asyncio.create_task(made.ask(client, "tools/call", {"name": "a_gate"}))
        await gate.reached()
        new.door.clear()
        made.put(new.spec("a"))
        await settle()
        again = asyncio.create_task(made.ask(client, "tools/call", {"name": "a_gate"}))
        await gate.reached(2)
        assert client.took() == []
        new.door.set()
        await made.settled()
        assert await made.ask(client, "tools/call", {"name": "a_gate"}) == text("new")
        assert old.open == 1
        gate.open()
        assert await within(call) == await within(again) == text("old")
        await until(lambda: old.open == 0)
        assert client.took() == [], "the tools look the same"


async def test_changed_again_while_starting(tmp_path: Path) -> None:
    """Of a server that is changed twice, the one before both serves until the last is ready."""
    first, second, third = (FakeServer(name) for name in ("first", "second", "third"))
    async with world(tmp_path, first, second, third) as made:
        made.put(first.spec("a"), space("a"))
        await made.settled()
        second.door.clear()
        third.door.clear()
        made.put(second.spec("a"))
        await settle()
        made.put(third.spec("a"))
        await settle()
        assert await made.ask(Recorder(), "tools/call", {"name": "a_echo"})
        assert len(first.channel.got("tools/call")) == 1
        third.door.set()
        await made.settled()
        await until(lambda: first.open == 0)
        assert len(list(made.hub.pool)) == 1


async def test_changed_back_while_starting(tmp_path: Path) -> None:
    """A change taken back leaves the first one running, untouched."""
    first, second = FakeServer("first"), FakeServer("second")
    async with world(tmp_path, first, second) as made:
        made.put(first.spec("a"), space("a"))
        await made.settled()
        second.door.clear()
        made.put(second.spec("a"))
        await settle()
        made.put(first.spec("a"))
        await until(lambda: len(list(made.hub.pool)) == 1)
        assert (len(first.channels), first.open) == (1, 1)


async def test_changed_to_one_that_fails(tmp_path: Path) -> None:
    """When the new one fails, it is shown as it is: the old one is not what the user wants any more."""
    first, second = FakeServer("first"), FakeServer("second")
    second.refusal = ServerExited("It exited with code 1.")
    client = Recorder()
    async with world(tmp_path, first, second) as made:
        made.put(first.spec("a"), space("a"))
        await joined(made, client)
        made.put(second.spec("a"))
        await until(lambda: first.open == 0)
        assert client.took() == ["tools"]
        assert await made.tools(client) == []


async def test_two_servers_with_one_upstream(tmp_path: Path) -> None:
    """Two entries with the same definition share an upstream, and it stays until both are gone."""
    server = FakeServer()
    async with world(tmp_path, server) as made:
        made.put(server.spec("a"), server.spec("b"), space("a", "b"))
        await made.settled()
        assert await made.tools(Recorder()) == ["a_echo", "b_echo"]
        assert len(server.channels) == 1
        made.put(space("a"))
        await settle()
        assert server.open == 1
        made.put(space())
        await until(lambda: server.open == 0)


async def test_told_only_of_changes(tmp_path: Path) -> None:
    """Sessions are told of the lists that changed, and of no others."""
    one, two = FakeServer("one"), FakeServer("two", tools={"other": dict})
    two.prompts = [{"name": "p"}]
    client = Recorder()
    async with world(tmp_path, one, two) as made:
        made.put(one.spec("a"), two.spec("b"), space("a"))
        await joined(made, client)
        made.put(one.spec("a", call_timeout=9))
        await settle()
        assert client.took() == []
        made.put(space("a", "b"))
        await until(lambda: client.notes)
        assert client.took() == ["tools", "prompts"]
        assert await made.tools(client) == ["a_echo", "b_other"]
        made.put(space("b", "a"))
        assert client.took() == ["tools"], "the order changed"
        made.put(space("b"))
        assert client.took() == ["tools"]
        assert len(two.channels) == 1


async def test_off_and_on(tmp_path: Path) -> None:
    """Off: the lists are empty and calls are refused with where to switch it on; on: the same session goes on."""
    gate = Gate()
    server = FakeServer(tools={"gate": gate})
    client = Recorder()
    async with world(tmp_path, server) as made:
        made.put(server.spec("a"), space("a"))
        await joined(made, client)
        call = asyncio.create_task(made.ask(client, "tools/call", {"name": "a_gate"}))
        await gate.reached()
        made.put(space("a", enabled=False))
        assert client.took() == ["tools"]
        assert await made.tools(client) == []
        with pytest.raises(WorkspaceOff) as caught:
            await made.ask(client, "tools/call", {"name": "a_gate"})
        assert "hubctl enable" in caught.value.rpc()["message"]
        gate.open()
        assert await within(call) == text("through")
        await until(lambda: server.open == 0)
        made.put(space("a"))
        await until(lambda: client.notes)
        assert await made.ask(client, "tools/call", {"name": "a_gate"}) == text("through")
        assert made.workspace().sessions >= {client}


async def test_gone_and_back(tmp_path: Path) -> None:
    """A removed workspace refuses its sessions; added again, they find it as it was."""
    server = FakeServer()
    client = Recorder()
    async with world(tmp_path, server) as made:
        made.put(server.spec("a"), space("a"))
        await joined(made, client)
        workspace = made.workspace()
        made.put(without=("w",))
        assert client.took() == ["tools"]
        assert made.hub.find("w") is None
        assert workspace in made.hub.departed
        with pytest.raises(WorkspaceGone):
            await Endpoint(workspace).serve(client, jsonrpc.request(0, "tools/call", {"name": "a_echo"}), client.notify)
        made.put(space("a"))
        await made.settled()
        assert made.workspace() is workspace
        assert await made.tools(client) == ["a_echo"]
        made.put(without=("w",))
        workspace.leave(client)
        assert made.hub.departed == set()


async def test_removed_tool(tmp_path: Path) -> None:
    """A tool of a removed server is unknown, with the code for that."""
    server = FakeServer()
    async with world(tmp_path, server) as made:
        made.put(server.spec("a"), space("a"))
        await made.settled()
        made.put(space())
        with pytest.raises(ToolUnknown):
            await made.ask(Recorder(), "tools/call", {"name": "a_echo"})


async def test_crash_hides_nothing(tmp_path: Path) -> None:
    """A crash and restart of a server is no change of the lists."""
    server = FakeServer()
    client = Recorder()
    async with world(tmp_path, server) as made:
        made.put(server.spec("a"), space("a"))
        await joined(made, client)
        server.channel.close()
        await server.connected(2)
        assert await made.ask(client, "tools/call", {"name": "a_echo"})
        assert client.took() == []


# --- servers of one's own ----------------------------------------------------------------------------------------


async def test_per_client(tmp_path: Path) -> None:
    """Each session has its own server, opened at need with the session's features, closed with the session."""
    server, shared = FakeServer("mine"), FakeServer("shared", tools={"other": dict})
    one, two = Recorder("one"), Recorder("two")
    one.capabilities = {"sampling": {}}
    async with world(tmp_path, server, shared) as made:
        made.put(server.spec("a", session="per_client"), shared.spec("b"), space("a", "b"))
        await joined(made, one, two)
        assert server.channels == []
        assert await made.tools(one) == ["a_echo", "b_other"]
        assert await made.tools(two) == ["a_echo", "b_other"]
        assert len(server.channels) == 2
        hello = server.channels[0].received[0]["params"]
        assert hello["capabilities"] == {"sampling": {}}
        await made.ask(two, "tools/call", {"name": "a_echo"})
        assert [len(channel.got("tools/call")) for channel in server.channels] == [0, 1]
        made.workspace().leave(one)
        await until(lambda: server.open == 1)
        made.workspace().leave(two)
        await until(lambda: server.open == 0)
        assert len(list(made.hub.pool)) == 1


async def test_views_are_made_only_when_something_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session's own server that starts, or a shared one that is tried again, makes no other session's view anew."""
    made_anew = 0
    merge = view._merged

    def count(*given: Any) -> Any:
        nonlocal made_anew
        made_anew += 1
        return merge(*given)

    monkeypatch.setattr("sidecar.routing.view._merged", count)
    server, shared = FakeServer("mine"), FakeServer("shared", tools={"other": echo})
    sessions = [Recorder(str(number)) for number in range(10)]
    async with world(tmp_path, server, shared) as made:
        made.put(server.spec("a", session="per_client"), shared.spec("b"), space("a", "b"))
        await joined(made, *sessions)
        for session in sessions:
            assert await made.tools(session) == ["a_echo", "b_other"]
        assert 0 < made_anew <= 2 * (1 + 3 * len(sessions))  # tools and prompts; per session some, not one per other
        made_anew = 0
        shared.channel.close()
        await until(lambda: len(shared.channels) == 2)
        await made.ask(sessions[0], "tools/call", {"name": "b_other"})
        assert made_anew == 0


async def test_server_asks_its_client(tmp_path: Path) -> None:
    """Requests of a server go to the client that it belongs to."""
    server = FakeServer()
    one, two = Recorder("one"), Recorder("two")
    two.answer = {"roots": [{"uri": "file:///two"}]}
    async with world(tmp_path, server) as made:
        made.put(server.spec("a", session="per_client"), space("a"))
        await joined(made, one, two)
        await made.tools(one)
        await made.tools(two)
        for method in ("roots/list", "sampling/createMessage", "elicitation/create"):
            assert (await server.channels[1].ask(method))["result"] == two.answer
        assert (one.asked, two.asked) == ([], ["roots/list", "sampling/createMessage", "elicitation/create"])
        assert (await server.channels[0].ask("ping"))["result"] == {}
        assert one.asked == []


async def test_requests_at_once(tmp_path: Path) -> None:
    """The second request of a new session waits for its server as the first does."""
    server = FakeServer()
    client = Recorder()
    async with world(tmp_path, server) as made:
        made.put(server.spec("a", session="per_client"), space("a"))
        await joined(made, client)
        server.door.clear()
        calls = [asyncio.create_task(made.ask(client, "tools/call", {"name": "a_echo"})) for _ in range(2)]
        await settle()
        server.door.set()
        assert len(await within(asyncio.gather(*calls))) == 2


async def test_own_server_that_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session's own server that hangs leaves the rest usable, and is announced when it is there."""
    monkeypatch.setattr("sidecar.workspaces.starting.WAIT_WITHOUT_PROGRESS", 0.01)
    server, other = FakeServer("mine"), FakeServer("other")
    client = Recorder()
    async with world(tmp_path, server, other) as made:
        made.put(server.spec("a", session="per_client"), other.spec("b"), space("a", "b"))
        await joined(made, client)
        server.door.clear()
        assert await made.tools(client) == ["b_echo"]
        client.took()
        server.door.set()
        await until(lambda: client.notes)
        assert await made.tools(client) == ["a_echo", "b_echo"]


async def test_max_instances(tmp_path: Path) -> None:
    """Beyond the limit a session goes without, and the others are not disturbed."""
    server = FakeServer()
    one, two = Recorder("one"), Recorder("two")
    async with world(tmp_path, server) as made:
        made.put(server.spec("a", session="per_client", max_instances=1), space("a"))
        await joined(made, one, two)
        assert await made.tools(one) == ["a_echo"]
        assert await made.tools(two) == []
        made.workspace().leave(one)
        assert await made.tools(two) == ["a_echo"]


async def test_own_server_edited(tmp_path: Path) -> None:
    """Sessions are told when their own servers change, come or go, and get the new ones."""
    first, second = FakeServer("first"), FakeServer("second", tools={"new": dict})
    client = Recorder()
    async with world(tmp_path, first, second) as made:
        made.put(first.spec("a", session="per_client"), space("a"))
        await joined(made, client)
        await made.tools(client)
        client.took()
        made.put(second.spec("a", session="per_client"))
        assert "tools" in client.took()
        assert await made.tools(client) == ["a_new"]
        await until(lambda: first.open == 0)
        client.took()
        made.put(space())
        assert client.took() == ["tools"]
        assert await made.tools(client) == []
        await until(lambda: second.open == 0)
        made.put(space("a"))
        assert "tools" in client.took()
        assert await made.tools(client) == ["a_new"]


async def test_shared_becomes_own_and_back(tmp_path: Path) -> None:
    """Switching the mode of a server moves its sessions over."""
    server = FakeServer()
    client = Recorder()
    async with world(tmp_path, server) as made:
        made.put(server.spec("a"), space("a"))
        await joined(made, client)
        made.put(server.spec("a", session="per_client"))
        assert "tools" in client.took()
        assert await made.tools(client) == ["a_echo"]
        await until(lambda: server.open == 1 and len(server.channels) == 2)
        made.put(server.spec("a"))
        await made.settled()
        await until(lambda: server.open == 1 and len(server.channels) == 3)
        assert await made.tools(client) == ["a_echo"]
        assert client.own == {}


async def test_two_own_servers_with_one_definition(tmp_path: Path) -> None:
    """Of two entries with the same definition, removing one leaves the session the other."""
    server = FakeServer()
    client = Recorder()
    async with world(tmp_path, server) as made:
        made.put(server.spec("a", session="per_client"), server.spec("b", session="per_client"), space("a", "b"))
        await joined(made, client)
        assert await made.tools(client) == ["a_echo", "b_echo"]
        made.put(space("b"))
        await settle()
        assert await made.ask(client, "tools/call", {"name": "b_echo"})
        assert server.open == 1


# --- subscriptions -----------------------------------------------------------------------------------------------


async def test_subscription(tmp_path: Path) -> None:
    """An update reaches who subscribed, under the URI that they know, and nobody else."""
    server = FakeServer()
    one, two = Recorder("one"), Recorder("two")
    async with world(tmp_path, server) as made:
        made.put(server.spec("a"), space("a"))
        await joined(made, one, two)
        assert await made.ask(one, "resources/subscribe", {"uri": "note://a/1"}) == {}
        assert server.channel.got("resources/subscribe")[0]["params"] == {"uri": "note://1"}
        server.channel.notify("notifications/resources/updated", {"uri": "note://1"})
        server.channel.notify("notifications/resources/updated", {"uri": "note://2"})
        assert one.notes == [("notifications/resources/updated", {"uri": "note://a/1"})]
        assert two.notes == []
        assert await made.ask(one, "resources/unsubscribe", {"uri": "note://a/1"}) == {}
        await server.channel.sent("resources/unsubscribe")
        assert await made.ask(one, "resources/unsubscribe", {"uri": "note://a/1"}) == {}


async def test_subscription_refused(tmp_path: Path) -> None:
    """A refused subscription is none."""
    server = FakeServer()
    client = Recorder()

    def refuse(*_: Any) -> Any:
        raise RpcError(-32002, "no such resource")

    server.handlers["resources/subscribe"] = refuse
    async with world(tmp_path, server) as made:
        made.put(server.spec("a"), space("a"))
        await joined(made, client)
        with pytest.raises(Exception, match="no such resource"):
            await made.ask(client, "resources/subscribe", {"uri": "note://a/1"})
        assert not client.resource_subscriptions


async def test_subscription_moves(tmp_path: Path) -> None:
    """After an edit the new upstream is subscribed to, even when the old one does not answer any more."""
    first, second = FakeServer("first"), FakeServer("second")
    first.handlers["resources/unsubscribe"] = lambda channel, _: channel.close()
    client = Recorder()
    async with world(tmp_path, first, second) as made:
        made.put(first.spec("a"), space("a"))
        await joined(made, client)
        await made.ask(client, "resources/subscribe", {"uri": "note://a/1"})
        made.put(second.spec("a"))
        await made.settled()
        await second.channel.sent("resources/subscribe")
        client.took()
        second.channel.notify("notifications/resources/updated", {"uri": "note://1"})
        assert client.notes == [("notifications/resources/updated", {"uri": "note://a/1"})]


async def test_subscription_over_a_gap(tmp_path: Path) -> None:
    """A server removed and added again is subscribed to again."""
    server = FakeServer()
    client = Recorder()
    async with world(tmp_path, server) as made:
        made.put(server.spec("a"), space("a"))
        await joined(made, client)
        await made.ask(client, "resources/subscribe", {"uri": "note://a/1"})
        made.put(space())
        await until(lambda: server.open == 0)
        made.put(space("a"))
        await server.connected(2)
        await server.channel.sent("resources/subscribe")


async def test_subscription_is_moved_later(tmp_path: Path) -> None:
    """One that the new server does not take stays with the old one, and is moved when the new one is back."""
    first, second = FakeServer("first"), FakeServer("second")
    client, update = Recorder(), ("notifications/resources/updated", {"uri": "note://a/1"})

    def refuse(*_: Any) -> Any:
        raise RpcError(-32002, "no such resource")

    second.handlers["resources/subscribe"] = refuse
    async with world(tmp_path, first, second) as made:
        made.put(first.spec("a"), space("a"), space("a", name="other"))
        await joined(made, client)
        await made.ask(client, "resources/subscribe", {"uri": "note://a/1"})
        await joined(made, other := Recorder("other"))
        made.put(second.spec("a"))
        await second.connected()
        await second.channel.sent("resources/subscribe")
        await settle()
        assert first.channel.got("resources/unsubscribe") == []
        del second.handlers["resources/subscribe"]
        client.took()
        second.channel.close()
        await second.connected(2)
        await second.channel.sent("resources/subscribe")
        await settle()
        second.channel.notify("notifications/resources/updated", {"uri": "note://1"})
        assert client.notes == [update]
        assert other.notes == []
        made.workspace().leave(client)
        await second.channel.sent("resources/unsubscribe")


async def test_subscription_given_up_while_it_moves(tmp_path: Path) -> None:
    """A client that unsubscribes, or leaves, while its subscription moves is subscribed nowhere afterwards."""
    first, second, door = FakeServer("first"), FakeServer("second"), asyncio.Event()

    async def wait(*_: Any) -> dict[str, Any]:
        await door.wait()
        return {}

    second.handlers["resources/subscribe"] = wait
    client = Recorder()
    async with world(tmp_path, first, second) as made:
        made.put(first.spec("a"), space("a"))
        await joined(made, client)
        await made.ask(client, "resources/subscribe", {"uri": "note://a/1"})
        made.put(second.spec("a"))
        await second.connected()
        await second.channel.sent("resources/subscribe")
        assert await made.ask(client, "resources/unsubscribe", {"uri": "note://a/1"}) == {}
        door.set()
        await second.channel.sent("resources/unsubscribe")
        assert not client.resource_subscriptions


async def test_update_before_the_answer(tmp_path: Path) -> None:
    """An update that the server sends in one breath with its answer, or before it, is not lost."""
    server, client = FakeServer(), Recorder()

    def hasty(channel: Any, frame: Any) -> dict[str, Any]:
        channel.notify("notifications/resources/updated", {"uri": frame["params"]["uri"]})
        return {}

    server.handlers["resources/subscribe"] = hasty
    async with world(tmp_path, server) as made:
        made.put(server.spec("a"), space("a"))
        await joined(made, client)
        await made.ask(client, "resources/subscribe", {"uri": "note://a/1"})
        assert client.notes == [("notifications/resources/updated", {"uri": "note://a/1"})]


async def test_two_uris_of_one_place(tmp_path: Path) -> None:
    """Two servers with one definition share a process: what one of two URIs gives up, the other keeps."""
    server, client = FakeServer(), Recorder()
    async with world(tmp_path, server) as made:
        made.put(server.spec("a"), server.spec("b"), space("a", "b"))
        await joined(made, client)
        for label in ("a", "b"):
            await made.ask(client, "resources/subscribe", {"uri": f"note://{label}/1"})
        await made.ask(client, "resources/unsubscribe", {"uri": "note://a/1"})
        server.channel.notify("notifications/resources/updated", {"uri": "note://1"})
        assert client.notes == [("notifications/resources/updated", {"uri": "note://b/1"})]
        assert server.channel.got("resources/unsubscribe") == []


async def test_subscription_not_moved(tmp_path: Path) -> None:
    """A new server that refuses the subscription is logged, and nothing else suffers."""
    first, second = FakeServer("first"), FakeServer("second")
    second.handlers["resources/subscribe"] = lambda *_: asyncio.Event().wait()
    client = Recorder()
    async with world(tmp_path, first, second) as made:
        made.put(first.spec("a"), space("a"))
        await joined(made, client)
        await made.ask(client, "resources/subscribe", {"uri": "note://a/1"})
        made.put(second.spec("a", call_timeout=0.01))
        await second.connected()
        await second.channel.sent("notifications/cancelled")
        assert await made.tools(client) == ["a_echo"]


async def test_subscription_ends_with_the_session(tmp_path: Path) -> None:
    """A session that leaves is unsubscribed, even if the server fails in it."""
    server, broken = FakeServer("one"), FakeServer("two")
    broken.handlers["resources/unsubscribe"] = lambda channel, _: channel.close()
    client = Recorder()
    async with world(tmp_path, server, broken) as made:
        made.put(server.spec("a"), broken.spec("b"), space("b", "a"))
        await joined(made, client)
        for label in ("b", "a"):
            await made.ask(client, "resources/subscribe", {"uri": f"note://{label}/1"})
        made.workspace().leave(client)
        await server.channel.sent("resources/unsubscribe")
        await until(lambda: not client.resource_subscriptions)


# --- log messages ------------------------------------------------------------------------------------------------


async def test_log_messages(tmp_path: Path) -> None:
    """Log messages of a shared server go to the sole session attached, from its level on; to none of several."""
    server = FakeServer()
    one, two = Recorder("one"), Recorder("two")

    def says(level: str) -> None:
        server.channel.notify("notifications/message", {"level": level, "data": "x"})

    async with world(tmp_path, server) as made:
        made.put(server.spec("a"), space("a"), space("a", name="v"))
        await joined(made, one)
        says("debug")
        says("nonsense")
        assert [params["level"] for _, params in one.notes] == ["debug"]
        one.took()
        assert await made.ask(one, "logging/setLevel", {"level": "warning"}) == {}
        says("info")
        says("error")
        assert [params["level"] for _, params in one.notes] == ["error"]
        one.took()
        made.workspace("v").join(two)
        says("error")
        assert (one.notes, two.notes) == ([], [])


async def test_log_level_at_the_server(tmp_path: Path) -> None:
    """Servers log at the most verbose level that any session asked for."""
    server, plain, failing = FakeServer("one"), FakeServer("two"), FakeServer("three")
    del plain.capabilities["logging"]
    failing.handlers["logging/setLevel"] = lambda channel, _: channel.close()
    one, two = Recorder("one"), Recorder("two")
    async with world(tmp_path, server, plain, failing) as made:
        made.put(failing.spec("c"), server.spec("a"), plain.spec("b"), space("c", "a", "b"))
        await joined(made, one, two)
        await made.ask(one, "logging/setLevel", {"level": "error"})
        await made.ask(two, "logging/setLevel", {"level": "notice"})
        await made.ask(one, "logging/setLevel", {"level": "critical"})
        await server.channel.sent("logging/setLevel", 2)
        await settle()
        levels = [frame["params"]["level"] for frame in server.channel.got("logging/setLevel")]
        assert levels == ["error", "notice"]
        assert plain.channel.got("logging/setLevel") == []


async def test_log_level_when_a_session_leaves(tmp_path: Path) -> None:
    """When the client that wanted most leaves, those count that are left; when nobody is, the usual level does."""
    server = FakeServer("one")
    one, two = Recorder("one"), Recorder("two")
    async with world(tmp_path, server) as made:
        made.put(server.spec("a"), space("a"), space("a", name="v"))
        await joined(made, one)
        await joined(made, two, name="v")
        await made.ask(one, "logging/setLevel", {"level": "debug"})
        await made.ask(two, "logging/setLevel", {"level": "error"}, name="v")
        await server.channel.sent("logging/setLevel")
        made.workspace().leave(one)
        await server.channel.sent("logging/setLevel", 2)
        made.workspace("v").leave(two)
        await server.channel.sent("logging/setLevel", 3)
        made.workspace().join(plain := Recorder("plain"))
        made.workspace().leave(plain)
        await settle()
        levels = [frame["params"]["level"] for frame in server.channel.got("logging/setLevel")]
        assert levels == ["debug", "error", "info"]


async def test_log_level_and_a_busy_server(tmp_path: Path) -> None:
    """A client that sets its log level need not wait for a server that is busy."""
    busy, server = FakeServer("busy"), FakeServer("one")
    busy.handlers["logging/setLevel"] = lambda *_: asyncio.Event().wait()
    async with world(tmp_path, busy, server) as made:
        made.put(busy.spec("a"), server.spec("b"), space("a", "b"))
        await joined(made, client := Recorder("one"))
        assert await within(made.ask(client, "logging/setLevel", {"level": "error"})) == {}
        await server.channel.sent("logging/setLevel")
        await busy.channel.sent("logging/setLevel")
        busy.channel.close()
        await until(lambda: len(busy.channels) == 2 and busy.channel.got("logging/setLevel"))
        busy.tools["late"] = echo
        busy.channel.notify("notifications/tools/list_changed")
        await until(lambda: "a_late" in made.workspace().view.tool_routes)


async def test_log_level_is_asked_for_again(tmp_path: Path) -> None:
    """A server that is connected again, or serves one workspace more, keeps the level that its clients asked for."""
    server = FakeServer("one")
    client = Recorder("one")
    async with world(tmp_path, server) as made:
        made.put(server.spec("a"), space("a"))
        await joined(made, client)
        await made.ask(client, "logging/setLevel", {"level": "warning"})
        server.channel.close()
        await until(lambda: len(server.channels) == 2 and server.channel.got("logging/setLevel"))
        assert [frame["params"] for frame in server.channel.got("logging/setLevel")] == [{"level": "warning"}]
        made.put(server.spec("a"), space("a"), space("a", name="other"))
        await settle()
        assert len(server.channel.got("logging/setLevel")) == 1


async def test_work_that_fails(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A fault in a session's small work is logged, and ends nothing; without a workspace it is not begun."""

    async def fail() -> None:
        raise RuntimeError("a fault")

    async with world(tmp_path) as made:
        made.put(space())
        await settle()
        made.workspace().spawn(fail())
        await settle()
        workspace = made.workspace()
        assert workspace.name == "w"
    workspace.spawn(fail())
    assert "a fault" in caplog.text
