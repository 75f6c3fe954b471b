"""What one client, or one key, cannot take from the others: sessions, listeners, processes, turns at a server."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from sidecar.listener.refusals import address_of
from sidecar.sessions.request_session import ModernRequest, Sessionless
from sidecar.sessions.subscriptions import MAX_SUBSCRIPTIONS
from tests.support.fake_server import FakeChannel, FakeServer, Gate, settle, text, until, within
from tests.support.inprocess import World, space, world
from tests.support.keys import HUB_TOKEN, KeyFile
from tests.support.peers import HttpPeer, SsePeer, client, connected

pytestmark = pytest.mark.outside

URL = "http://hub/mcp/w"
LISTEN = {"notifications": {"toolsListChanged": True}}
FORM = {"message": "m", "requestedSchema": {"type": "object", "properties": {}}}
ABLE = {"elicitation": {"form": {}}}


class Steps:
    """A tool whose calls end one by one; `entered` tells who called, in order."""

    def __init__(self) -> None:
        self.entered: list[str] = []
        self._turns = asyncio.Semaphore(0)

    async def __call__(self, who: str) -> Any:
        self.entered.append(who)
        await self._turns.acquire()
        return text(who)

    def end(self, count: int = 1) -> None:
        """Have so many calls end."""
        for _ in range(count):
            self._turns.release()


def ask(peer: HttpPeer | SsePeer, tool: str, **arguments: Any) -> asyncio.Task[Any]:
    """Begin a call."""
    return asyncio.create_task(peer.request("tools/call", {"name": f"a_{tool}", "arguments": arguments}))


# --- without keys --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["sse", "http"])
async def test_a_client_with_many_calls_at_once(tmp_path: Path, transport: Any) -> None:
    """Another client's call has its turn next; all are answered in the end."""
    steps, server = Steps(), FakeServer()
    server.tools["steps"] = steps
    async with world(tmp_path, server, serve=True) as made:
        made.put(server.spec("a", max_inflight=4), space("a"))
        await made.settled()
        url = f"{made.base}/mcp/w"
        async with connected(url, transport, "legacy") as greedy, connected(url, transport, "legacy") as other:
            many = [ask(greedy, "steps", who="greedy") for _ in range(40)]
            upstream = next(iter(made.hub.pool))
            await until(lambda: upstream.in_flight == 40)
            one = ask(other, "steps", who="other")
            await until(lambda: upstream.in_flight == 41)
            steps.end(2)
            await until(lambda: len(steps.entered) == 6)
            assert "other" in steps.entered
            steps.end(39)
            assert (await within(one)).result == text("other")
            assert [(await within(each)).result for each in many] == [text("greedy")] * 40


async def test_two_thousand_calls_of_one_client(tmp_path: Path) -> None:
    """They wait for their turn, and are answered; what is beyond all measure is refused at once, with a code."""
    steps, server = Steps(), FakeServer()
    server.tools["steps"] = steps
    async with world(tmp_path, server) as made:
        made.put(server.spec("a", max_inflight=4), space("a"))
        await made.settled()
        (upstream,) = made.hub.pool
        params = {"name": "steps", "arguments": {"who": "x"}}
        calls = [asyncio.create_task(upstream.request("tools/call", params, timeout=100)) for _ in range(2000)]
        await until(lambda: upstream.in_flight == 2000)
        steps.end(2000)
        assert all("result" in frame for frame in await within(asyncio.gather(*calls)))


async def test_a_queue_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a client asks beyond its share of the queue is answered with SERVER_BUSY."""
    monkeypatch.setattr("sidecar.concurrency.turns.MAX_WAITING", 4)
    gate, server = Gate(), FakeServer()
    server.tools["gate"] = gate
    async with world(tmp_path, server, serve=True) as made:
        made.put(server.spec("a", max_inflight=1), space("a"))
        await made.settled()
        async with connected(f"{made.base}/mcp/w", "sse", "legacy") as peer:
            calls = [ask(peer, "gate") for _ in range(3)]
            upstream = next(iter(made.hub.pool))
            await until(lambda: upstream.in_flight == 3)
            error = (await within(ask(peer, "gate"))).answer["error"]
            assert error["data"]["code"] == "SERVER_BUSY"
            assert "2 requests of this client already wait for the server 'a'" in error["message"]
            gate.open()
            assert all("result" in each.answer for each in await within(asyncio.gather(*calls)))


@pytest.mark.parametrize(("transport", "era"), [("sse", "legacy"), ("http", "legacy"), ("http", "modern")])
async def test_large_requests_that_wait(tmp_path: Path, transport: Any, era: Any) -> None:
    """The hub keeps `max_client_bytes` of one client's requests; it refuses more, and others' calls go on."""
    gate, server = Gate(), FakeServer()
    server.tools["gate"] = lambda **_: gate()
    async with world(tmp_path, server, serve=True, max_client_bytes=1_000_000, max_requests_bytes=4_000_000) as made:
        made.put(server.spec("a", max_inflight=1), server.spec("b"), space("a", "b"))
        await made.settled()
        url = f"{made.base}/mcp/w"
        async with connected(url, transport, era) as greedy, connected(url, "sse", "legacy") as other:
            calls = [ask(greedy, "gate", filling="x" * 300_000) for _ in range(3)]
            await until(lambda: made.requests.bytes > 900_000)
            for _ in range(5):
                status, code = await refused(greedy, "gate", "x" * 300_000)
                assert (status, code) == (503, "BODIES_LIMIT")
            assert made.requests.bytes < 1_000_000
            done = await within(asyncio.create_task(other.request("tools/call", {"name": "b_echo", "arguments": {}})))
            assert "result" in done.answer
            assert "result" in (await greedy.request("tools/list")).answer
            gate.open()
            assert all("result" in each.answer for each in await within(asyncio.gather(*calls)))
            await until(lambda: made.requests.bytes == 0)


async def refused(peer: Any, tool: str, filling: str) -> tuple[int, str]:
    """The status of a call that is refused, and the code of its error, which has to say when to try again."""
    params = peer._enveloped({"name": f"a_{tool}", "arguments": {"filling": filling}})
    frame = {"jsonrpc": "2.0", "id": "refused", "method": "tools/call", "params": params}
    if isinstance(peer, SsePeer):
        answer = peer._waiting["refused"] = asyncio.get_running_loop().create_future()
        response = await peer.http.post(await peer.message_url, json=frame)
        assert (await within(answer))["error"] == response.json()["error"]
    else:
        response = await peer.http.post(peer.url, json=frame, headers=peer._headers(frame))
    assert int(response.headers["retry-after"]) > 0
    return response.status_code, response.json()["error"]["data"]["code"]


def test_clients_without_a_session_are_told_apart_by_address() -> None:
    """As the front says it, else as the connection has it; their key is that of the workspace."""
    addresses = [
        address_of({"headers": [(b"x-forwarded-for", b"9.9.9.9, 10.0.0.1")], "client": ("127.0.0.1", 1)}),
        address_of({"headers": [], "client": ("127.0.0.1", 1)}),
        address_of({"headers": [], "client": None}),
    ]
    assert addresses == ["10.0.0.1", "127.0.0.1", ""]
    request = ModernRequest(Sessionless(), {"_meta": {}}, addresses[0])
    assert request.caller == ("", "10.0.0.1")


@pytest.mark.parametrize("transport", ["sse", "http"])
async def test_listeners_count_as_sessions(tmp_path: Path, transport: Any) -> None:
    """`subscriptions/listen` streams are limited, over both transports."""
    server = FakeServer()
    async with world(tmp_path, server, serve=True, max_sessions=4) as made:
        made.put(server.spec("a"), space("a"))
        await made.settled()
        async with contextlib.AsyncExitStack() as stack:
            peer = await stack.enter_async_context(connected(f"{made.base}/mcp/w", transport, "modern"))
            for _ in range(3 if transport == "sse" else 4):
                await stack.enter_async_context(peer.listening(LISTEN["notifications"]))
            error = (await peer.request("subscriptions/listen", LISTEN)).answer["error"]
            assert error["data"]["code"] == "SESSIONS_LIMIT"
            assert "4 sessions and listeners are open" in error["message"]
            assert (await peer.request("tools/list")).result["tools"]
        await until(lambda: made.workspace().listening == 0)
        async with (
            connected(f"{made.base}/mcp/w", transport, "modern") as peer,
            peer.listening(LISTEN["notifications"]),
        ):
            pass


@pytest.mark.parametrize("transport", ["sse", "http"])
async def test_a_listener_of_too_many_resources(tmp_path: Path, transport: Any) -> None:
    """One `subscriptions/listen` may name `MAX_SUBSCRIPTIONS` resources; one more, and it is refused as a whole."""
    server = FakeServer()
    async with world(tmp_path, server, serve=True) as made:
        made.put(server.spec("a"), space("a"))
        await made.settled()
        named = [f"file:///{number}" for number in range(MAX_SUBSCRIPTIONS + 1)]
        async with connected(f"{made.base}/mcp/w", transport, "modern") as peer:
            wanted = {"notifications": {"resourceSubscriptions": named}}
            error = (await within(asyncio.create_task(peer.request("subscriptions/listen", wanted)))).answer["error"]
            assert error["data"]["code"] == "SUBSCRIPTIONS_LIMIT"
            assert f"names {MAX_SUBSCRIPTIONS + 1} resources" in error["message"]
            assert made.workspace().listening == 0
            async with peer.listening({"resourceSubscriptions": named[:-1]}):
                assert made.workspace().listening == 1


# --- several keys --------------------------------------------------------------------------------------------------


@pytest.fixture
def short() -> Iterator[Path]:
    """A directory whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="hub", dir="/tmp") as root:
        Path(root).chmod(0o700)
        yield Path(root)


class Protected:
    """A protected hub with keys, and who connects to it."""

    def __init__(self, made: World, keys: KeyFile) -> None:
        self.made, self._tokens = made, {**keys.tokens, "admin": HUB_TOKEN}

    def http(self, who: str) -> httpx2.AsyncClient:
        """An HTTP client with that key."""
        return client(self._tokens[who], self.made.settings.sidecar_socket)

    def peer(self, who: str, transport: Any, era: Any, able: Any = None) -> Any:
        """A client with that key."""
        uds = self.made.settings.sidecar_socket
        return connected(URL, transport, era, able, token=self._tokens[who], uds=uds)

    async def status(self, who: str) -> tuple[int, str]:
        """Try to open an SSE stream: the status, and what is said where it is refused."""
        async with self.http(who) as http, http.stream("GET", f"{URL}/sse") as response:
            return response.status_code, "" if response.status_code == 200 else (await response.aread()).decode()


@contextlib.asynccontextmanager
async def protected(
    root: Path, *servers: FakeServer, keys: tuple[str, ...] = ("greedy", "other"), **settings: Any
) -> Any:
    """A hub with these keys."""
    file = KeyFile(root)
    for name in keys:
        file.add(name)
    async with world(root, *servers, serve=True, token=HUB_TOKEN, runtime_dir=root / "run", **settings) as made:
        yield Protected(made, file)


@contextlib.asynccontextmanager
async def crowd(hub: Protected, who: str, transport: Any, count: int) -> AsyncIterator[list[Any]]:
    """So many clients of a key."""
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(hub.peer(who, transport, "legacy")) for _ in range(count)]


@pytest.mark.parametrize("transport", ["sse", "http"])
async def test_a_key_cannot_have_all_sessions(short: Path, transport: Any) -> None:
    """It gets half of them; the hub's own clients and other keys connect still, and it again once one has left."""
    server = FakeServer()
    async with protected(short, server, max_sessions=8) as hub:
        hub.made.put(server.spec("a"), space("a"))
        await hub.made.settled()
        async with crowd(hub, "greedy", transport, 3):
            async with crowd(hub, "greedy", transport, 1):
                status, said = await hub.status("greedy")
                assert (status, "SESSIONS_LIMIT" in said) == (503, True)
                assert "This key has 4 sessions and listeners; the rest of 8 is for other keys." in said
                async with crowd(hub, "other", transport, 1), crowd(hub, "admin", transport, 1):
                    assert (await hub.status("greedy"))[0] == 503
            await until(lambda: hub.made.session_count() == 3)
            assert (await hub.status("greedy"))[0] == 200


async def test_a_hub_without_named_keys_gives_its_token_everything(short: Path) -> None:
    """The rule is for several: whoever is alone has the whole of each limit."""
    server = FakeServer()
    async with protected(short, server, keys=(), max_sessions=4) as hub:
        hub.made.put(server.spec("a"), space("a"))
        async with crowd(hub, "admin", "sse", 4):
            assert "4 sessions and listeners are open." in (await hub.status("admin"))[1]


async def test_an_idle_session_makes_room_for_its_own_key_only(short: Path) -> None:
    """No key ends another's session."""
    server = FakeServer()
    async with protected(short, server, max_sessions=2) as hub, hub.http("other") as http:
        hub.made.put(server.spec("a"), space("a"))
        await hub.made.settled()
        idle = HttpPeer(http, URL, "legacy")
        await idle.greet()
        async with crowd(hub, "greedy", "sse", 1):
            assert (await hub.status("greedy"))[0] == 503
            assert (await idle.request("tools/list")).result["tools"]
            again = HttpPeer(http, URL, "legacy")
            await again.greet()
            async with http.stream("POST", URL, json={}, headers=idle._headers({"method": ""})) as response:
                assert response.status_code in (400, 404)
            assert hub.made.session_count() == 2


async def test_calls_that_never_end_leave_places_to_other_keys(short: Path) -> None:
    """80 calls of one key at a server that keys share: another key's call, and the admin's, are answered at once."""
    gate, server = Gate(), FakeServer()
    server.tools["gate"] = gate
    async with protected(short, server) as hub:
        hub.made.put(server.spec("a", share_between_keys=True), space("a"))
        await hub.made.settled()
        async with hub.peer("greedy", "sse", "legacy") as greedy, hub.peer("greedy", "http", "modern") as modern:
            calls = [ask(peer, "gate") for peer in (greedy, modern) for _ in range(40)]
            upstream = next(iter(hub.made.hub.pool))
            await until(lambda: upstream.in_flight == 80)
            await gate.reached(32)
            await settle()
            assert gate.entered == 32
            for who, transport, era in (
                ("other", "sse", "legacy"),
                ("other", "http", "modern"),
                ("admin", "http", "legacy"),
            ):
                async with hub.peer(who, transport, era) as peer:
                    assert (await within(ask(peer, "echo"))).result["content"] == text("[]")["content"]
            gate.open()
            assert all("result" in each.answer for each in await within(asyncio.gather(*calls)))


async def test_parked_calls_leave_instances_to_other_keys(short: Path) -> None:
    """Calls that wait for their clients hold a process each: one key gets half of `max_instances`, not all."""

    async def question(channel: FakeChannel) -> Any:
        return text(str((await channel.ask("elicitation/create", FORM))["result"]["action"]))

    server = FakeServer(tools={"question": question})
    async with protected(short, server) as hub:
        hub.made.put(server.spec("a", session="per_client", max_instances=8), space("a"))
        async with (
            hub.peer("greedy", "http", "modern", ABLE) as greedy,
            hub.peer("other", "http", "modern", ABLE) as other,
        ):
            answers = [(await ask(greedy, "question")).answer for _ in range(6)]
            asked = [answer["result"]["resultType"] for answer in answers if "result" in answer]
            assert asked == ["input_required"] * 4
            assert {answer["error"]["data"]["code"] for answer in answers if "error" in answer} == {"SERVER_INSTANCES"}
            assert (await ask(other, "question")).result["resultType"] == "input_required"
