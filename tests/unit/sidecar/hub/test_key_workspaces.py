"""What single keys have of the workspaces: made, changed with them, kept apart, counted, bounded, and gone again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.keys import OWN_PRINCIPALS, Principal
from sidecar.calls.endpoint import Endpoint
from sidecar.errors import HubStopping, TooManyInstances, TooManySessions
from sidecar.protocol import jsonrpc
from sidecar.workspaces.workspace import Workspace
from tests.support.fake_server import FakeServer, Gate, settle, text, until, within
from tests.support.inprocess import Recorder, World, space, world

pytestmark = pytest.mark.outside

ADA, ALAN, EVE = (Principal(f"k000000{number}", name) for number, name in enumerate(("ada", "alan", "eve")))


@contextlib.asynccontextmanager
async def joined(made: World, who: Principal, name: str = "w") -> AsyncIterator[tuple[Workspace, Recorder]]:
    """A session of a key, in its version of the workspace."""
    session = Recorder(who.name)
    async with made.hub.key_workspaces.using(made.workspace(name), who) as workspace:
        workspace.join(session)
        try:
            yield workspace, session
        finally:
            workspace.leave(session)


async def listed(workspace: Workspace, session: Recorder) -> list[str]:
    """The names of the tools that a session sees."""
    answer = await Endpoint(workspace).serve(session, jsonrpc.request(0, "tools/list", {}), session.notify)
    return [tool["name"] for tool in answer["tools"]]


async def test_each_key_has_its_own(tmp_path: Path) -> None:
    """A key's first session starts servers of its own, and sees their tools at once; shared ones are one for all."""
    own, common = FakeServer("own"), FakeServer("common")
    async with world(tmp_path, own, common) as made:
        made.put(own.spec("a"), common.spec("b", share_between_keys=True), space("a", "b"))
        await made.settled()
        async with joined(made, ADA) as (mine, one), joined(made, ALAN) as (his, two), joined(made, ADA) as (again, _):
            assert again is mine is not his
            assert await listed(mine, one) == await listed(his, two) == ["a_echo", "b_echo"]
            assert (own.open, common.open) == (3, 1)
            assert made.hub.key_workspaces.find(made.workspace(), ADA) is mine
            assert made.hub.key_workspaces.find(made.workspace(), EVE) is None
            for hubs in OWN_PRINCIPALS:
                assert made.hub.key_workspaces.find(made.workspace(), Principal(hubs, hubs)) is made.workspace()
            status = await made.reporter.status()
            assert [(each.key, each.instances) for each in status.servers] == [("a", 3), ("b", 1)]
            assert status.workspaces[0].sessions == made.session_count() == 3
            await until(lambda: made.events[-1].data == {"sessions": 3})
            assert 'yamcp_hub_sessions{transport="sse",workspace="w"} 3.0' in made.metrics.render()[0].decode()


async def test_edits_reach_all(tmp_path: Path) -> None:
    """An edit, a switch and a renamed server change what every key has, each session is told, and what is old ends."""
    old, new = FakeServer("old"), FakeServer("new")
    async with world(tmp_path, old, new) as made:
        made.put(old.spec("a"), space("a"))
        await made.settled()
        async with joined(made, ADA) as (mine, session):
            new.extra_tools = [{"name": "more", "inputSchema": {"type": "object"}}]
            made.put(new.spec("a"))
            await until(lambda: old.open == 0)
            assert await listed(mine, session) == ["a_echo", "a_more"]
            assert session.took() == ["tools"]
            made.put(new.spec("a", namespace="b"))
            assert await listed(mine, session) == ["b_echo", "b_more"]
            made.put(space("a", enabled=False))
            assert (await listed(mine, session), session.took()) == ([], ["tools", "tools"])
            await until(lambda: new.open == 0)
            made.put(space("a"))
            await made.settled()
            await until(lambda: new.open == 2)
            assert await listed(mine, session) == ["b_echo", "b_more"]


async def test_sharing_is_switched(tmp_path: Path) -> None:
    """A server that is marked as shared serves on from the one process, without a gap, and back."""
    server = FakeServer()
    async with world(tmp_path, server) as made:
        made.put(server.spec("a"), space("a"))
        await made.settled()
        async with joined(made, ADA) as (mine, session):
            for share, count in ((True, 1), (False, 2)):
                made.put(server.spec("a", share_between_keys=share))
                assert await listed(mine, session) == ["a_echo"]
                await until(lambda count=count: server.open == count)  # type: ignore[misc]
                assert await listed(mine, session) == ["a_echo"]
        assert session.took() == []


async def test_drained(tmp_path: Path) -> None:
    """A call of a key's session in flight finishes where it began, when the server is taken away."""
    gate, other = Gate("old"), FakeServer("other")
    server = FakeServer(tools={"gate": gate})
    async with world(tmp_path, server, other) as made:
        made.put(server.spec("a"), space("a"))
        await made.settled()
        async with joined(made, ADA) as (mine, session):
            asked = Endpoint(mine).serve(session, jsonrpc.request(0, "tools/call", {"name": "a_gate"}), session.notify)
            call = asyncio.create_task(asked)
            await gate.reached()
            made.put(other.spec("a"))
            await made.settled()
            gate.open()
            assert await within(call) == text("old")
            await until(lambda: server.open == 0)


async def test_what_one_does_the_others_do_not_hear(tmp_path: Path) -> None:
    """List changes and log messages reach the sessions of the key whose server it is; shared servers tell nobody."""
    own, common = FakeServer("own"), FakeServer("common")
    async with world(tmp_path, own, common) as made:
        made.put(own.spec("a"), common.spec("b", share_between_keys=True), space("a", "b"))
        await made.settled()
        hubs = Recorder("hub")
        made.workspace().join(hubs)
        async with joined(made, ADA) as (_, one), joined(made, ALAN) as (_, two):
            shown = len(made.events)
            log = {"level": "error", "data": "x"}
            own.channels[1].push({"jsonrpc": "2.0", "method": "notifications/message", "params": log})
            own.extra_tools = [{"name": "more", "inputSchema": {"type": "object"}}]
            own.channels[1].push({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
            await until(lambda: len(one.notes) == 2)
            common.channel.push({"jsonrpc": "2.0", "method": "notifications/message", "params": log})
            await settle()
            assert (one.took(), two.took(), hubs.took()) == (["message", "tools"], [], [])
            told = [event for event in made.events[shown:] if event.topic == "workspace"]
            assert told == [], "what is told of a workspace is what the hub's own clients see"
        made.workspace().leave(hubs)
        async with joined(made, ADA) as (_, one):
            common.channel.push({"jsonrpc": "2.0", "method": "notifications/message", "params": log})
            await settle()
            assert one.took() == [], "it may be about a request of somebody without a session"


async def test_a_keys_server_does_not_stand_for_all(tmp_path: Path) -> None:
    """State, event and figure of a server are those of the hub's own, whatever a key's does."""
    server = FakeServer()
    async with world(tmp_path, server) as made:
        made.put(server.spec("a"), space("a"))
        await made.settled()
        async with joined(made, ADA):
            shown = len(made.events)
            server.refusal = TooManyInstances("no")
            server.channels[1].close()
            await until(lambda: [upstream.state for upstream in made.hub.pool] == ["ready", "backoff"])
            states = [event.data["state"] for event in made.events[shown:] if event.topic == "server"]
            assert set(states) == {"ready"}
            assert 'upstream_state{server="a",state="ready"} 1.0' in made.metrics.render()[0].decode()
            assert (await made.reporter.status()).servers[0].state == "ready"
            server.refusal = None


async def test_gone_after_the_last(tmp_path: Path) -> None:
    """A key's servers end a while after its last session or request; who comes in time finds them as they were."""
    server = FakeServer()
    async with world(tmp_path, server, session_idle_timeout=0.1) as made:
        made.put(server.spec("a"), space("a"))
        await made.settled()
        async with joined(made, ADA) as (first, _):
            await asyncio.sleep(0.25)
            assert server.open == 2, "somebody is there"
            made.hub.key_workspaces._idle_timeout = 60  # so that the next comes in time on the busiest machine
        async with joined(made, ADA) as (second, _):
            assert second is first
            made.hub.key_workspaces._idle_timeout = 0.1
            [tenant] = made.hub.key_workspaces._found.values()
            made.hub.key_workspaces._check_idle(tenant)
        await until(lambda: server.open == 1)
        assert list(made.hub.key_workspaces) == []
        assert made.session_count() == 0
        async with joined(made, ADA) as (third, session):
            assert third is not first
            assert await listed(third, session) == ["a_echo"]


async def test_removed(tmp_path: Path) -> None:
    """Keys' sessions in a removed workspace find it when it is back; when they have left, nothing is left of it."""
    server = FakeServer()
    async with world(tmp_path, server) as made:
        made.put(server.spec("a"), space("a"))
        await made.settled()
        async with joined(made, ADA) as (mine, session), joined(made, ALAN):
            made.put(without=("w",))
            assert mine.gone
            assert made.hub.departed
            made.put(space("a"))
            await made.settled()
            assert await listed(mine, session) == ["a_echo"]
            made.put(without=("w",))
            await until(lambda: server.open == 0)
        await until(lambda: not made.hub.departed)
        assert list(made.hub.key_workspaces) == []


async def test_instances_are_limited(tmp_path: Path) -> None:
    """Beyond `max_instances` a key gets an error that says so, until an idle one makes room for it."""
    server, other = FakeServer("server"), FakeServer("other")
    async with world(tmp_path, server, other) as made:
        made.put(server.spec("a", max_instances=1), other.spec("b"), space("a", "b"))
        await made.settled()
        async with joined(made, ADA), joined(made, ALAN) as (his, two):
            assert await listed(his, two) == ["b_echo"]
            with pytest.raises(TooManyInstances, match="already runs for 1 keys"):
                await Endpoint(his).serve(two, jsonrpc.request(0, "tools/call", {"name": "a_echo"}), two.notify)
            made.put(server.spec("a", max_instances=2))
            await made.settled()
            assert await listed(his, two) == ["a_echo", "b_echo"]
            assert two.refused is None
        async with joined(made, EVE) as (hers, three):
            assert await listed(hers, three) == ["a_echo", "b_echo"]
            assert len(list(made.hub.key_workspaces)) == 2, "one of the idle ones had to go"


async def test_workspaces_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the most there may be, the one that was idle for longest goes; if all are in use, one more is refused."""
    async with world(tmp_path) as made:
        monkeypatch.setattr(made.hub.key_workspaces, "_most", 2)
        made.put(space())
        async with joined(made, ADA):
            async with joined(made, ALAN):
                with pytest.raises(TooManySessions):
                    async with joined(made, EVE):
                        pass
            async with joined(made, EVE):
                assert made.hub.key_workspaces.find(made.workspace(), ADA)
                assert made.hub.key_workspaces.find(made.workspace(), ALAN) is None


async def test_a_key_leaves_workspaces_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that uses many workspaces at once gets no more than half; its own idle one makes room, not another's."""
    names = [f"w{number}" for number in range(5)]
    async with world(tmp_path) as made, contextlib.AsyncExitStack() as stack:
        made.hub.named_keys = lambda: True
        monkeypatch.setattr(made.hub.key_workspaces, "_most", 6)
        made.put(*(space(name=name) for name in names))
        async with joined(made, ALAN, "w0"):
            pass
        for name in names[:3]:
            await stack.enter_async_context(joined(made, ADA, name))
        with pytest.raises(
            TooManySessions, match="This key uses 3 workspaces at once; the rest of 6 is for other keys"
        ):
            async with joined(made, ADA, names[3]):
                pass
        assert made.hub.key_workspaces.find(made.workspace("w0"), ALAN)
        async with joined(made, EVE, "w4"):
            pass
        await stack.aclose()
        async with joined(made, ADA, names[3]):
            assert made.hub.key_workspaces.find(made.workspace("w2"), ADA) is None, "the one idle for longest had to go"
            assert made.hub.key_workspaces.find(made.workspace("w0"), ALAN)


async def test_per_client_within_a_key(tmp_path: Path) -> None:
    """Servers in `per_client` mode are each session's own, under a key as without."""
    server = FakeServer()
    async with world(tmp_path, server) as made:
        made.put(server.spec("a", session="per_client"), space("a"))
        async with joined(made, ADA) as (mine, one), joined(made, ADA) as (_, two):
            assert await listed(mine, one) == await listed(mine, two) == ["a_echo"]
            assert server.open == 2
        await until(lambda: server.open == 0)


async def test_another_key_of_the_same_id(tmp_path: Path) -> None:
    """A key whose token is another one is another key, whatever its id."""
    server = FakeServer()
    async with world(tmp_path, server) as made:
        made.put(server.spec("a"), space("a"))
        await made.settled()
        one, two = (Principal("k0000009", "x", mark=mark) for mark in ("one", "two"))
        async with joined(made, one) as (first, _):
            assert made.hub.key_workspaces.find(made.workspace(), two) is None
            async with joined(made, two) as (second, _):
                assert second is not first
                assert made.hub.key_workspaces.find(made.workspace(), one) is None
                assert first.gone
            made.hub.key_workspaces.recheck(lambda _: None)
            assert list(made.hub.key_workspaces) == []


async def test_revoked_while_it_opens(tmp_path: Path) -> None:
    """Who is waiting for a slow server when the key is revoked does not get in."""
    server = FakeServer()
    async with world(tmp_path, server) as made:
        made.put(server.spec("a"), space("a"))
        await made.settled()
        server.door.clear()

        async def come() -> Any:
            async with joined(made, ADA):
                pass

        coming = asyncio.create_task(come())
        await until(lambda: list(made.hub.key_workspaces))
        await settle()
        made.hub.key_workspaces.recheck(lambda _: None)
        server.door.set()
        with pytest.raises(HubStopping):
            await within(coming)
