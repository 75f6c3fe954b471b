"""One sidecar takes over from another one, both in the test's loop; and how one of them stops (ADR 35)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mcp.shared.exceptions import MCPDeprecationWarning
from mcp_types import ListRootsResult, Root

from bridge.client import BridgeClient
from bridge.memory import MemoryBridge
from bridge.models import CallRecord, ReadCalls, ReadRecordedSessions, ReadStatus, Snapshot
from bridge.settings import Settings
from recorder.intake import Intake
from recorder.memory import MemoryStore
from sidecar import app as app_module
from sidecar.app import App
from sidecar.errors import SuccessionFailed
from sidecar.succession import successor
from sidecar.succession.wire import SOCKET, Peer, connect
from tests.support import clients
from tests.support.as_it_was import process_as_it_was  # noqa: F401 - a fixture
from tests.support.fake_server import FakeChannel, FakeServer, Gate, until, within
from tests.support.fake_server import text as answered
from tests.support.hub import free_port
from tests.support.inprocess import space
from tests.support.peers import Transport
from tests.support.raw_client import Client, Way, connected, read, unchunked

WAYS: list[Way] = ["http", "modern", "sse"]
WAIT = {"name": "a_wait", "arguments": {}}
WHO = {"name": "a_who", "arguments": {}}


class Sidecars:
    """The sidecars of one hub, of which one serves. Each has a connection of its own to the server `a`, whose tool
    `who` says which one it is.
    """

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.gate = Gate()
        self.server = FakeServer(tools={"who": self._who, "wait": self.gate})
        monkeypatch.setattr(app_module, "Connector", lambda *_, **__: lambda _, **__: self.server.connect)
        self.prepare(root)

    def prepare(self, root: Path) -> None:
        """Make the settings and the bridge of the hub, below `root`."""
        self.settings = Settings(
            sidecar_port=free_port(), data_dir=root / "data", runtime_dir=root / "run", adapter_grace=60
        )
        self.settings.runtime.mkdir(mode=0o700, parents=True)
        self.transport = MemoryBridge()
        self.runs: list[tuple[App, asyncio.Task[None]]] = []

    async def end(self) -> None:
        """End all of them."""
        for app, _ in self.runs:
            app.leave.set()
            app.stop.set()
        await within(asyncio.gather(*(task for _, task in self.runs), return_exceptions=True))

    def _who(self, channel: FakeChannel) -> Any:
        return answered(str(self.server.channels.index(channel)))

    def start(self) -> tuple[App, asyncio.Task[None]]:
        """Start one, which takes over if another one serves."""
        app = App(self.settings, self.transport, take_over=True, slot=len(self.runs) % 2)
        self.runs.append((app, asyncio.create_task(app.run())))
        return self.runs[-1]

    async def first(self, **server: Any) -> App:
        """Start the first one, with the server ready; `server` are its settings."""
        app, _ = self.start()
        snapshot = Snapshot.of(1, 1, (self.server.spec("a", **server),), (space("a"),))
        async with BridgeClient(self.settings.actual_address, transport=self.transport) as bridge:
            await bridge.request(snapshot, timeout=100)
        await until(lambda: app.predecessor.waiting and app.hub.snapshot is not None)
        await until(lambda: all(each.state == "ready" for each in app.hub.pool))
        return app

    async def next(self) -> App:
        """Start another one, and wait until it serves."""
        app, task = self.start()
        await until(lambda: app.predecessor.waiting or task.done())
        assert not task.done(), task
        return app

    async def serving(self) -> str:
        """The session of the sidecar that serves the bridge."""
        async with BridgeClient(self.settings.actual_address, transport=self.transport) as bridge:
            return (await bridge.request(ReadStatus(), timeout=100)).session

    @contextlib.asynccontextmanager
    async def client(self, way: Way) -> AsyncIterator[Client]:
        """A client with a connection that it keeps (and over SSE another one, for its stream)."""
        async with connected(self.settings.sidecar_port, "w", way) as client:
            yield client


@pytest.fixture
async def sidecars(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sidecars]:
    """Ended at the end."""
    with tempfile.TemporaryDirectory(prefix="hub") as root:
        made = Sidecars(Path(root), monkeypatch)
        try:
            yield made
        finally:
            await made.end()


def text(pieces: list[bytes]) -> str:
    """The text that a tool answered."""
    message = read(pieces)
    assert "result" in message, message
    return str(message["result"]["content"][0]["text"])


async def test_connections_go_on_at_the_next_sidecar(sidecars: Sidecars) -> None:
    """Between two requests a kept connection moves; a call in flight is answered by the sidecar that has it."""
    first = await sidecars.first()
    async with contextlib.AsyncExitStack() as stack:
        kept: dict[Way, Client] = {
            way: await stack.enter_async_context(sidecars.client(way)) for way in ("http", "modern")
        }
        busy = {way: await stack.enter_async_context(sidecars.client(way)) for way in WAYS}
        assert [text(await client.call("a_who")) for client in kept.values()] == ["0", "0"]
        calls = {way: asyncio.create_task(client.ask("tools/call", WAIT)) for way, client in busy.items()}
        await sidecars.gate.reached(len(calls))
        second = await sidecars.next()
        await until(lambda: len(first.http.connections) == len(calls))
        assert [text(await client.call("a_who")) for client in kept.values()] == ["1", "1"]
        assert not any(call.done() for call in calls.values())
        sidecars.gate.open()
        for way, call in calls.items():
            assert text(await call), way
        stream = busy["sse"]._stream
        assert stream is not None
        assert unchunked(await within(stream.reader.readuntil(b"0\r\n\r\n"))) == b"", "the stream ends in order"
        await within(sidecars.runs[0][1])
        assert first.replaced
        for way in ("http", "modern"):
            assert text(await busy[way].call("a_who")) == "1"
    assert await sidecars.serving() == second.session
    assert second.hub.workspaces["w"].spec.name == "w"


async def test_the_history_of_a_replacement(sidecars: Sidecars) -> None:
    """Each call is recorded once, by the sidecar that answered it, and a session that goes on has not ended."""
    app = await sidecars.first()
    store = MemoryStore()
    intake = Intake(sidecars.settings.spool_dir, store)

    async def recorded(tool: str, count: int) -> list[CallRecord]:
        async with asyncio.timeout(100):
            while True:
                await intake.drain()
                found = (await store.read_calls(ReadCalls(tool=tool))).calls
                if len(found) >= count:
                    return list(found)
                await asyncio.sleep(0.05)

    async with sidecars.client("http") as kept, sidecars.client("modern") as busy:
        assert text(await kept.call("a_who")) == "0"
        waiting = asyncio.create_task(busy.ask("tools/call", WAIT))
        await sidecars.gate.reached(1)
        await sidecars.next()
        await until(lambda: len(app.http.connections) == 1)
        assert text(await kept.call("a_who")) == "1"
        first, second = await recorded("who", 2)
        assert first.session == second.session != ""
        sidecars.gate.open()
        await waiting
        await within(sidecars.runs[0][1])
        [waited] = await recorded("wait", 1)
        assert (waited.outcome, waited.session) == ("ok", "")
        [session] = (await store.read_recorded_sessions(ReadRecordedSessions())).sessions
        assert (session.id, session.ended, session.calls >= 3) == (first.session, None, True)
        assert len(await recorded("who", 2)) == 2
        assert (await store.status()).lost == 0


@pytest.mark.filterwarnings(f"ignore::{MCPDeprecationWarning.__module__}.MCPDeprecationWarning")
@pytest.mark.parametrize("transport", ["http", "sse"])
async def test_an_answer_finds_the_sidecar_that_has_asked(sidecars: Sidecars, transport: Transport) -> None:
    """A client answers a server's question after the sidecar was replaced: the call that waits for it goes on.

    Over SSE a further call of the session is served, too, while its stream is open.
    """
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def roots(_: Any) -> ListRootsResult:
        asked.set()
        await may_answer.wait()
        return ListRootsResult(roots=[Root(uri="file:///here")])  # type: ignore[arg-type]

    async def ask(channel: FakeChannel) -> Any:
        assert channel is sidecars.server.channel
        return answered(json.dumps(await channel.ask("roots/list")))

    sidecars.server.tools["ask"] = ask
    first = await sidecars.first(session="per_client")
    base = f"{sidecars.settings.sidecar_url}/mcp/w"
    async with clients.sdk(base, transport, "legacy", list_roots_callback=roots) as client:
        call = asyncio.create_task(client.call_tool("a_ask", {}))
        await within(asked.wait())
        asked_by = str(len(sidecars.server.channels) - 1)
        await sidecars.next()
        streams = 1 if transport == "sse" else 2  # the session's, and the response to the call
        await until(lambda: len(first.http.connections) == streams)
        if transport == "sse":
            who: Any = await within(client.call_tool("a_who", {}))
            assert who.content[0].text == asked_by
        assert not call.done()
        may_answer.set()
        result: Any = await within(call)
        assert "file:///here" in result.content[0].text
        await within(sidecars.runs[0][1])


async def test_a_successor_that_ends_changes_nothing(sidecars: Sidecars) -> None:
    """Before it has the sockets, and after it got them, but before it served: the first sidecar goes on."""
    first = await sidecars.first()
    for steps in (1, 2):
        peer: Peer | None = await connect(str(sidecars.settings.runtime / SOCKET))
        assert peer is not None
        state = await peer.receive()
        assert state.body["ready"] == ["a"]
        if steps == 2:
            await peer.send({"ready": True})
            _, descriptors = await peer.receive()
            assert len(descriptors) == 2
            for descriptor in descriptors:
                os.close(descriptor)
        peer.close()
        async with sidecars.client("http") as client:
            assert text(await client.call("a_who")) == "0"
        assert await sidecars.serving() == first.session
    assert sidecars.settings.handover_socket.exists()
    second = await sidecars.next()
    assert await sidecars.serving() == second.session


async def test_a_predecessor_that_ends_is_followed(sidecars: Sidecars) -> None:
    """A sidecar whose predecessor ends before it is ready serves as any that is started."""
    first = await sidecars.first()
    sidecars.server.door.clear()
    app, task = sidecars.start()
    await until(lambda: [each.state for each in app.hub._pool or ()] == ["starting"])
    first.leave.set()
    await within(sidecars.runs[0][1])
    assert not first.replaced
    sidecars.server.door.set()
    await until(lambda: app.predecessor.waiting or task.done())
    async with sidecars.client("http") as client:
        assert text(await client.call("a_who")) == "1"


async def test_a_successor_that_does_not_become_ready(sidecars: Sidecars, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gives up by itself, and says which server is missing; the first sidecar goes on."""
    monkeypatch.setattr(successor, "READY_TIMEOUT", 0.3)
    first = await sidecars.first()
    sidecars.server.door.clear()
    app, task = sidecars.start()
    with pytest.raises(SuccessionFailed, match=r"Not ready within 0.3 s: a\."):
        await within(task)
    assert not app.replaced
    report: Any = (sidecars.settings.runtime / successor.REPORT).read_text()
    assert '"outcome":"failed"' in report
    assert "SUCCESSION_FAILED" in report
    async with sidecars.client("http") as client:
        assert text(await client.call("a_who")) == "0"
    assert await sidecars.serving() == first.session


async def test_a_lazy_server_that_runs(sidecars: Sidecars, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lazy server that runs at the first sidecar sleeps at the next one, which takes over without it: the next call
    wakes it."""
    monkeypatch.setattr(successor, "READY_TIMEOUT", 100.0)
    monkeypatch.setattr("sidecar.supervision.sleep.LEARNED_SECONDS", 1000.0)
    first = await sidecars.first(start="lazy")
    async with sidecars.client("http") as client:
        assert text(await client.call("a_who")) == "0"
        app = await sidecars.next()
        assert [each.state for each in app.hub.pool] == ["sleeping"]
        await until(lambda: not first.http.connections)
        assert text(await client.call("a_who")) == "1"


async def test_another_version(sidecars: Sidecars, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code that is too new for the sidecar that serves gives up before it takes anything."""
    monkeypatch.setattr(successor, "VERSION", 2)
    first = await sidecars.first()
    _, task = sidecars.start()
    with pytest.raises(SuccessionFailed, match="in another way"):
        await within(task)
    assert await sidecars.serving() == first.session


# --- the stop --------------------------------------------------------------------------------------------------------


async def test_a_stop_lets_calls_finish(sidecars: Sidecars) -> None:
    """Calls in flight are answered, streams and idle connections end, and nothing new is accepted."""
    app = await sidecars.first()
    async with contextlib.AsyncExitStack() as stack:
        idle = {way: await stack.enter_async_context(sidecars.client(way)) for way in WAYS}
        busy = {way: await stack.enter_async_context(sidecars.client(way)) for way in WAYS}
        calls = {way: asyncio.create_task(client.ask("tools/call", WAIT)) for way, client in busy.items()}
        await sidecars.gate.reached(len(calls))
        app._signalled()
        stream = idle["sse"]._stream
        assert stream is not None
        assert await within(stream.reader.read()) == b"0\r\n\r\n"
        assert await within(idle["http"]._posts.reader.read()) == b""
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", sidecars.settings.sidecar_port)
        assert not any(call.done() for call in calls.values())
        sidecars.gate.open()
        for way, call in calls.items():
            assert text(await call), way
        await within(sidecars.runs[0][1])


async def test_a_second_signal_stops_at_once(sidecars: Sidecars) -> None:
    """What is in flight then is ended, with an error where the client waits for an answer."""
    sidecars.settings = sidecars.settings.model_copy(update={"stop_timeout": 1000})
    app = await sidecars.first()
    async with sidecars.client("modern") as client:
        call = asyncio.create_task(client.ask("tools/call", WAIT))
        await sidecars.gate.reached()
        app._signalled()
        await until(lambda: not sidecars.settings.handover_socket.exists())
        assert not call.done()
        app._signalled()
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            assert "error" in read(await within(call))
        await within(sidecars.runs[0][1])


async def test_a_stop_has_a_limit(sidecars: Sidecars) -> None:
    """A call that never ends is given up after HUB_STOP_TIMEOUT."""
    sidecars.settings = sidecars.settings.model_copy(update={"stop_timeout": 0.3})
    app = await sidecars.first()
    async with sidecars.client("http") as client:
        call = asyncio.create_task(client.ask("tools/call", WAIT))
        await sidecars.gate.reached()
        app.leave.set()
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            assert "error" in read(await within(call))
        await within(sidecars.runs[0][1])
