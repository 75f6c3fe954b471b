"""Clients whose principal has limits, over both transports, in both eras, and on both ways of a call."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.models.access_file import AccessFile, AccessLimit
from sidecar.admission.admission import Admission
from tests.support.fake_server import FakeServer, Gate, text, until, within
from tests.support.inprocess import World, space, world
from tests.support.keys import HUB_TOKEN, KeyFile
from tests.support.peers import HttpPeer, client, connected

pytestmark = pytest.mark.outside

URL = "http://hub/mcp/w"
CALL = {"name": "a_echo", "arguments": {}}
CLIENTS = [("sse", "legacy"), ("sse", "modern"), ("http", "legacy"), ("http", "modern")]


class Limited:
    """A protected hub with two keys, of which `ci` has limits."""

    def __init__(self, made: World, tokens: dict[str, str], gate: Gate) -> None:
        self.made, self.tokens, self.gate = made, tokens, gate
        self.usual = 0
        """Calls that took the waiting way."""

    def limit(self, **limits: Any) -> None:
        """Give the key other limits."""
        entries = [AccessLimit(subject="key:ci", **limits)] if limits else []
        snapshot = self.made.snapshot()
        access = AccessFile(limits=tuple(entries))
        self.made.hub.apply(type(snapshot).of(1, self.made.revision, snapshot.servers, snapshot.workspaces, access))

    def http(self, who: str = "ci") -> Any:
        """An HTTP client with a key."""
        return client(self.tokens[who], self.made.settings.sidecar_socket)

    def peer(self, transport: Any, era: Any, who: str = "ci", version: str = "") -> Any:
        """A client with a key."""
        uds = self.made.settings.sidecar_socket
        return connected(URL, transport, era, token=self.tokens[who], uds=uds, version=version)

    def used(self, kind: str) -> float:
        """How much of a limit is used."""
        (principal,) = self.made.hub.limits.state(9).principals
        return next(use.used for use in principal.uses if use.kind == kind)

    @contextlib.asynccontextmanager
    async def counted(self) -> AsyncIterator[None]:
        """Count the calls that pass `Admission.enter`, as only those on the waiting way do."""
        enter = Admission.enter

        async def entered(admission: Admission, call: Any) -> None:
            self.usual += admission is self.made.hub.admission and call.method == "tools/call"
            await enter(admission, call)

        Admission.enter = entered  # type: ignore[method-assign]
        try:
            yield
        finally:
            Admission.enter = enter  # type: ignore[method-assign]


@pytest.fixture
def short() -> Iterator[Path]:
    """A directory whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="hub", dir="/tmp") as root:
        Path(root).chmod(0o700)
        yield Path(root)


@contextlib.asynccontextmanager
async def limited(root: Path, **settings: Any) -> AsyncIterator[Limited]:
    """A hub with one server."""
    keys, gate = KeyFile(root), Gate()
    for name in ("ci", "other"):
        keys.add(name)
    tools = {"echo": lambda **given: text("e"), "big": lambda **given: text("b" * 5000), "gate": gate}
    server = FakeServer(tools=tools)
    async with world(root, server, serve=True, token=HUB_TOKEN, runtime_dir=root / "run", **settings) as made:
        made.put(server.spec("a", share_between_keys=True), space("a"))
        await made.settled()
        yield Limited(made, keys.tokens, gate)


def codes(answers: list[Any]) -> list[str]:
    """The codes of answers; `ok` of results."""
    return [answer["error"]["data"]["code"] if "error" in answer else "ok" for answer in answers]


@pytest.mark.parametrize(("transport", "era"), CLIENTS)
async def test_a_rate(short: Path, transport: Any, era: Any) -> None:
    """Calls within it take the direct way; those beyond get a JSON-RPC error with the time to wait. Other keys notice
    nothing."""
    async with limited(short) as hub, hub.peer(transport, era) as peer, hub.peer(transport, era, "other") as other:
        hub.limit(requests_per_second=0.01, burst=6)
        async with hub.counted():
            answers = [(await peer.request("tools/call", CALL)).answer for _ in range(8)]
        assert codes(answers) == ["ok"] * 6 + ["RATE_LIMITED"] * 2
        error = answers[-1]["error"]
        assert (error["code"], error["data"]["retryable"]) == (-32011, True)
        assert 90 < error["data"]["retry_after"] <= 100
        direct = not (transport == "sse" and era == "modern")
        assert hub.usual == (3 if direct else 8), "the first call after a change, and those that are refused"
        assert codes([(await other.request("tools/call", CALL)).answer for _ in range(8)]) == ["ok"] * 8
        page = hub.made.metrics.render()[0].decode()
        assert 'yamcp_hub_limited_total{limit="rate",principal="key"} 2.0' in page
        hub.limit()
        assert hub.made.hub.admission.gates == ()
        assert codes([(await peer.request("tools/call", CALL)).answer]) == ["ok"]


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_over_http_the_status_is_429(short: Path, era: Any) -> None:
    """With Retry-After, and the JSON-RPC error as the body: also of a handshake."""
    async with limited(short) as hub, hub.peer("http", era) as peer, hub.http() as http:
        hub.limit(requests_per_second=0.01, burst=1)
        assert codes([(await peer.request("tools/call", CALL)).answer]) == ["ok"]
        frame = {"jsonrpc": "2.0", "id": "x", "method": "tools/call", "params": peer._enveloped(CALL)}
        response = await http.post(URL, json=frame, headers=peer._headers(frame))
        assert (response.status_code, response.json()["id"]) == (429, "x")
        assert response.headers["retry-after"] == str(response.json()["error"]["data"]["retry_after"])
        assert codes([response.json()]) == ["RATE_LIMITED"]
        again = HttpPeer(http, URL, "legacy")
        hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize"}
        hello["params"] = {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "x", "version": ""},
        }
        response = await http.post(URL, json=hello, headers=again.headers)
        assert (response.status_code, codes([response.json()])) == (429, ["RATE_LIMITED"])
        assert "mcp-session-id" not in response.headers and "retry-after" in response.headers
        hub.limit()


@pytest.mark.parametrize(("transport", "era"), CLIENTS)
async def test_calls_at_once(short: Path, transport: Any, era: Any) -> None:
    """One more is refused; the place of an answered or cancelled one is free again."""
    async with limited(short) as hub, hub.peer(transport, era) as peer, hub.peer(transport, era) as second:
        hub.limit(concurrent=2)
        gate = {"name": "a_gate", "arguments": {}}
        calls = [asyncio.create_task(each.request("tools/call", gate)) for each in (peer, second)]
        await hub.gate.reached(2)
        assert hub.used("concurrent") == 2
        async with hub.peer(transport, era) as third:
            assert codes([(await third.request("tools/call", CALL)).answer]) == ["TOO_MANY_CALLS"]
            calls[1].cancel()
            await asyncio.wait([calls[1]])
            if transport == "sse":
                number = next(iter(second._waiting))
                await second.notify("notifications/cancelled", {"requestId": number})
            if transport == "http" and era == "legacy":
                await second.notify("notifications/cancelled", {"requestId": "id-2"})
            await until(lambda: hub.used("concurrent") == 1)
            assert codes([(await third.request("tools/call", CALL)).answer]) == ["ok"]
        hub.gate.open()
        assert "result" in (await within(calls[0])).answer
        assert hub.used("concurrent") == 0
        if transport == "sse" and era == "legacy":
            second._waiting.clear()


async def test_a_batch(short: Path) -> None:
    """Each of its calls counts; those beyond the limit are refused, the others answered, with status 200."""
    async with limited(short) as hub, hub.peer("http", "legacy", version="2025-03-26") as peer:
        hub.limit(calls_per_day=3)
        frames = [{"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": CALL} for number in range(50, 55)]
        response = await peer.http.post(URL, json=frames, headers=peer._headers(frames[0]))
        assert response.status_code == 200
        assert sorted(codes(response.json())) == ["DAILY_LIMIT"] * 2 + ["ok"] * 3
        assert hub.used("calls_per_day") == 3


@pytest.mark.parametrize(("transport", "era"), CLIENTS)
async def test_one_tool(short: Path, transport: Any, era: Any) -> None:
    """A limit for a tool is one for no other, on both ways."""
    async with limited(short) as hub, hub.peer(transport, era) as peer:
        hub.limit(servers=["a"], tools=["b*"], requests_per_second=0.01, burst=3)
        big = {"name": "a_big", "arguments": {}}
        answers = [(await peer.request("tools/call", big)).answer for _ in range(4)]
        assert codes(answers) == ["ok"] * 3 + ["RATE_LIMITED"]
        assert (answers[-1]["error"]["data"]["server"], answers[-1]["error"]["data"]["tool"]) == ("a", "big")
        assert codes([(await peer.request("tools/call", CALL)).answer for _ in range(4)]) == ["ok"] * 4


@pytest.mark.parametrize(("transport", "era"), CLIENTS)
async def test_bytes(short: Path, transport: Any, era: Any) -> None:
    """Bodies of requests and of answers count, on both ways, also on streams that were open before."""
    async with limited(short) as hub, hub.peer(transport, era) as peer:
        hub.limit(bytes_per_day=42_000)
        big = {"name": "a_big", "arguments": {"x": "y" * 1000}}
        answers, sizes = [], [0.0]
        for _ in range(9):
            answers.append((await peer.request("tools/call", big)).answer)
            sizes.append(hub.used("bytes_per_day"))
        assert codes(answers) == ["ok"] * 7 + ["BYTES_LIMIT"] * 2
        grown = [after - before for before, after in itertools.pairwise(sizes)]
        assert all(6000 < each < 6800 for each in grown[:7]), grown


@pytest.mark.parametrize("transport", ["sse", "http"])
async def test_sessions(short: Path, transport: Any) -> None:
    """One more than the limit gets 429; other keys connect; when one has ended, there is room."""
    async with limited(short) as hub, hub.http() as http:
        hub.limit(sessions=2)
        async with hub.peer(transport, "legacy"):
            async with hub.peer(transport, "legacy"), hub.peer(transport, "legacy", "other"):
                if transport == "sse":
                    response = await http.get(f"{URL}/sse")
                else:
                    hello = {
                        "protocolVersion": "2025-11-25",
                        "capabilities": {},
                        "clientInfo": {"name": "x", "version": ""},
                    }
                    frame = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}
                    response = await http.post(URL, json=frame, headers=HttpPeer(http, URL, "legacy").headers)
                assert (response.status_code, codes([response.json()])) == (429, ["TOO_MANY_SESSIONS"])
                assert int(response.headers["retry-after"]) >= 1
                assert hub.used("sessions") == 2
            await until(lambda: hub.used("sessions") == 1)
            async with hub.peer(transport, "legacy"):
                assert hub.used("sessions") == 2
