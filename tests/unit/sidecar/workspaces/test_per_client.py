"""Servers that each client has to itself: slow starts, what they say of themselves, and who has to give one up."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest

from sidecar.errors import StillStarting
from tests.support.fake_server import FakeServer, Gate, settle, until, within
from tests.support.inprocess import Recorder, World, space, world
from tests.support.peers import HttpPeer, SsePeer, client, connected

pytestmark = pytest.mark.outside

EACH = [(transport, era) for transport in ("sse", "http") for era in ("legacy", "modern")]
PROGRESS = {"_meta": {"progressToken": "p"}}


def slow(**more: Any) -> FakeServer:
    """A server with one of everything, whose door is closed."""
    server = FakeServer(**more)
    server.prompts = [{"name": "hello"}]
    server.resources = [{"uri": "x://1", "name": "1"}]
    server.instructions = "Be brief."
    server.door.clear()
    return server


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Handshakes wait for nobody, and progress is told often."""
    monkeypatch.setattr("sidecar.workspaces.introductions.HANDSHAKE_WAIT", 0.0)
    monkeypatch.setattr("sidecar.workspaces.starting.PROGRESS_SECONDS", 0.02)


ASKS: list[tuple[str, dict[str, Any]]] = [
    ("tools/list", {}),
    ("prompts/list", {}),
    ("resources/list", {}),
    ("resources/templates/list", {}),
    ("tools/call", {"name": "a_echo"}),
    ("prompts/get", {"name": "a_hello"}),
    ("resources/read", {"uri": "x://a/1"}),
    ("completion/complete", {"ref": {"type": "ref/prompt", "name": "a_hello"}, "argument": {"name": "x", "value": ""}}),
]


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(("transport", "era"), EACH)
async def test_a_slow_start_is_waited_for(tmp_path: Path, transport: Any, era: Any) -> None:
    """Whatever a client asks for first: it gets it when its server is there, and progress until then."""
    server = slow()
    async with world(tmp_path, server, serve=True) as made:
        made.put(server.spec("a", session="per_client"), space("a"))
        async with connected(f"{made.base}/mcp/w", transport, era) as peer:
            asked = [asyncio.create_task(peer.request(method, {**params, **PROGRESS})) for method, params in ASKS]
            told = [note for note in peer.notes if note["method"] == "notifications/progress"]
            while len(told) < 2 * len(ASKS):
                peer.arrived.clear()
                await within(peer.arrived.wait())
                told = [note for note in peer.notes if note["method"] == "notifications/progress"]
            assert {note["params"]["progressToken"] for note in told} == {"p"}
            assert "'a'" in told[0]["params"]["message"]
            assert not any(task.done() for task in asked)
            server.door.set()
            results = [(await within(task)).result for task in asked]
        assert [len(result[key]) for result, key in zip(results, ("tools", "prompts", "resources"), strict=False)] == [
            1
        ] * 3
        assert results[4]["content"][0]["text"] == "[]"
        assert results[6]["contents"][0]["text"] == "fake"


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(("transport", "era"), EACH)
async def test_an_answer_in_time_without_progress(
    tmp_path: Path, transport: Any, era: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who cannot be told of progress is answered in time: lists with what is there, the rest with a coded error."""
    monkeypatch.setattr("sidecar.workspaces.starting.WAIT_WITHOUT_PROGRESS", 0.02)
    server, other = slow(name="slow"), FakeServer("other")
    async with world(tmp_path, server, other, serve=True) as made:
        made.put(server.spec("a", session="per_client"), other.spec("b"), space("a", "b"))
        async with connected(f"{made.base}/mcp/w", transport, era) as peer:
            assert [tool["name"] for tool in (await peer.request("tools/list")).result["tools"]] == ["b_echo"]
            for method, params in ASKS[4:]:
                error = (await peer.request(method, params)).answer["error"]
                assert (error["data"]["code"], "'a'" in error["message"]) == ("SERVER_STILL_STARTING", True), method
            async with peer.listening({"toolsListChanged": True}):
                server.door.set()
                await peer.wait_note("notifications/tools/list_changed")
            tools = (await peer.request("tools/list")).result["tools"]
            assert [tool["name"] for tool in tools] == ["a_echo", "b_echo"]


@pytest.mark.usefixtures("hasty")
async def test_a_start_that_fails_is_not_waited_for(tmp_path: Path) -> None:
    """The wait is over with the first attempt, well or badly."""
    server = FakeServer()
    server.refusal = StillStarting("no")
    one = Recorder()
    async with world(tmp_path, server) as made:
        made.put(server.spec("a", session="per_client"), space("a"))
        made.workspace().join(one)
        assert await within(made.tools(one)) == []
        made.workspace().leave(one)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(("method", "params"), ASKS[4:])
async def test_the_first_start_of_a_shared_server(tmp_path: Path, method: str, params: dict[str, Any]) -> None:
    """What is not known yet may come from a server that is still starting: it is waited for."""
    server, one = slow(), Recorder()
    async with world(tmp_path, server) as made:
        made.put(server.spec("a"), space("a"))
        made.workspace().join(one)
        asked = asyncio.create_task(made.ask(one, method, {**params, **PROGRESS}))
        await until(lambda: len(one.notes) > 1)
        assert await made.tools(one) == [], "lists are not held up by one server of several"
        server.door.set()
        assert await within(asked)
        made.workspace().leave(one)


async def test_the_wait_is_the_start_timeout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With progress a client waits for as long as the server may take, and is told what it is."""
    monkeypatch.setattr("sidecar.workspaces.starting.WAIT_WITHOUT_PROGRESS", 0.0)
    server, one = slow(), Recorder()
    async with world(tmp_path, server) as made:
        made.put(server.spec("a", session="per_client", start_timeout=0.3), space("a"))
        made.workspace().join(one)
        began = asyncio.get_running_loop().time()
        with pytest.raises(StillStarting, match="'a', which may take 0"):
            await made.ask(one, "tools/call", {"name": "a_echo", **PROGRESS})
        assert asyncio.get_running_loop().time() - began >= 0.25
        made.workspace().leave(one)


# --- instructions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("transport", "era"), EACH)
async def test_instructions(tmp_path: Path, transport: Any, era: Any) -> None:
    """They are in the handshake, of the first session and of later ones, which need not wait for the server."""
    server, other = slow(), FakeServer("other")
    other.instructions = "Be kind."
    async with world(tmp_path, server, other, serve=True) as made:
        made.put(server.spec("a", session="per_client"), space("a"), space("a", "b", name="both"), other.spec("b"))
        await made.settled()
        server.door.set()
        async with connected(f"{made.base}/mcp/w", transport, era) as peer:
            assert peer.greeting["instructions"] == "Be brief."
            await until(lambda: server.open == 0)
            server.door.clear()
            async with connected(f"{made.base}/mcp/both", transport, era) as second:
                assert second.greeting["instructions"] == "# a\n\nBe brief.\n\n# b\n\nBe kind."
            server.instructions = "Be quick."
            server.door.set()
            await peer.request("tools/list")
            async with connected(f"{made.base}/mcp/w", transport, era) as third:
                assert third.greeting["instructions"] == "Be quick."


async def test_a_handshake_does_not_wait_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not start holds up a handshake for a short time; what it says later is told then."""
    monkeypatch.setattr("sidecar.workspaces.introductions.HANDSHAKE_WAIT", 0.02)
    server = slow()
    async with world(tmp_path, server, serve=True) as made:
        made.put(server.spec("a", session="per_client"), space("a"))
        async with connected(f"{made.base}/mcp/w", "http", "legacy") as peer:
            assert "instructions" not in peer.greeting
            server.door.set()
            await until(lambda: len(server.channels) == 1 and not server.open)
            async with connected(f"{made.base}/mcp/w", "http", "legacy") as second:
                assert second.greeting["instructions"] == "Be brief."
            assert len(server.channels) == 1


async def test_a_server_that_cannot_be_asked(tmp_path: Path) -> None:
    """It holds up one handshake, not each, and is introduced by the first client that it runs for."""
    server = FakeServer()
    server.instructions = "Be brief."
    server.refusal = StillStarting("no")
    async with world(tmp_path, server, serve=True) as made:
        made.put(server.spec("a", session="per_client"), space("a"))
        for _ in range(2):
            async with connected(f"{made.base}/mcp/w", "http", "modern") as peer:
                assert "instructions" not in peer.greeting
        server.refusal = None
        async with connected(f"{made.base}/mcp/w", "sse", "legacy") as client:
            await client.request("tools/list")
            async with connected(f"{made.base}/mcp/w", "http", "legacy") as peer:
                assert peer.greeting["instructions"] == "Be brief."


async def test_who_does_not_want_servers_to_be_probed(tmp_path: Path) -> None:
    """With HUB_PROBE_FEATURES off, no connection is made but for clients."""
    server = FakeServer()
    async with world(tmp_path, server, serve=True, probe_features=False) as made:
        made.put(server.spec("a", session="per_client"), space("a"))
        async with connected(f"{made.base}/mcp/w", "http", "legacy"):
            assert not server.channels


# --- room ----------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def streamless(made: World) -> Any:
    """A legacy Streamable HTTP client without a GET stream, which leaves without a DELETE."""
    async with client() as http:
        peer = HttpPeer(http, f"{made.base}/mcp/w", "legacy")
        await peer.greet()
        yield peer


async def names(peer: HttpPeer | SsePeer) -> list[str]:
    """The tools that a client lists."""
    return [tool["name"] for tool in (await peer.request("tools/list")).result["tools"]]


async def test_sessions_that_nobody_uses_make_room(tmp_path: Path) -> None:
    """Twenty clients that went without a DELETE do not keep the next one from its server."""
    gate, server = Gate(), FakeServer()
    server.tools["gate"] = gate
    async with world(tmp_path, server, serve=True) as made:
        made.put(server.spec("a", session="per_client", max_instances=3), space("a"))
        for _ in range(5):
            async with streamless(made) as gone:
                assert "a_echo" in await names(gone)
        await until(lambda: server.open == 3)
        assert made.session_count() == 5, "they had to give up a server, not the session"
        async with streamless(made) as calling, connected(f"{made.base}/mcp/w", "http", "legacy") as streaming:
            assert await names(streaming) == await names(calling) == ["a_echo", "a_gate"]
            call = asyncio.create_task(calling.request("tools/call", {"name": "a_gate"}))
            await gate.reached()
            async with streamless(made) as another, streamless(made) as waiting:
                assert "a_echo" in await names(another)
                assert "a_echo" in await names(waiting)
                assert "a_echo" in await names(another), "it starts again at need"
            assert not call.done()
            gate.open()
            assert (await within(call)).result["content"][0]["text"] == "through"
            assert "a_echo" in await names(streaming)


async def test_who_has_a_stream_keeps_its_server(tmp_path: Path) -> None:
    """Where all are in use, one more is told so."""
    server = FakeServer()
    async with world(tmp_path, server, serve=True) as made:
        made.put(server.spec("a", session="per_client", max_instances=1), space("a"))
        async with connected(f"{made.base}/mcp/w", "http", "legacy") as streaming:
            assert await names(streaming) == ["a_echo"]
            async with streamless(made) as late:
                error = (await late.request("tools/call", {"name": "a_echo"})).answer["error"]
                assert error["data"]["code"] == "SERVER_INSTANCES"
        async with streamless(made) as late:
            assert await names(late) == ["a_echo"]
    await settle()
