"""An upstream: its states, its retries, and the requests that go through it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from bridge.errors import ErrorBody
from bridge.models import ServerSpec
from sidecar.errors import (
    CallTimeout,
    CommandMissing,
    ConnectionLost,
    ServerExited,
    ServerUnavailable,
    VariableMissing,
)
from sidecar.observe.metrics import Metrics
from sidecar.protocol import jsonrpc
from sidecar.upstream import upstream as module
from sidecar.upstream.upstream import Upstream
from tests.support.fake_server import FakeServer, Gate, RpcError, settle, text, until, within


class Watcher:
    """A listener that remembers the states."""

    def __init__(self) -> None:
        self.states: list[str] = []
        self.changes = 0
        self.notes: list[tuple[str, dict[str, Any]]] = []

    def upstream_changed(self, upstream: Upstream) -> None:
        self.changes += 1
        if not self.states or self.states[-1] != upstream.state:
            self.states.append(upstream.state)

    def upstream_notified(self, upstream: Upstream, method: str, params: dict[str, Any]) -> None:
        self.notes.append((method, params))


class Subscriber:
    """Remembers what it is told of."""

    def resource_updated(self, upstream: Upstream, uri: str) -> None:
        """Nothing: the hub tells."""


@contextlib.asynccontextmanager
async def running(
    server: FakeServer, spec: ServerSpec | None = None, **settings: Any
) -> AsyncIterator[tuple[Upstream, Watcher]]:
    """An upstream that runs until the end of the test."""
    watcher = Watcher()
    upstream = Upstream("f", spec or server.spec(**settings), server.connect, watcher, Metrics())
    task = asyncio.create_task(upstream.run())
    try:
        yield upstream, watcher
    finally:
        upstream.stop()
        await within(task)
        assert server.open == 0
        assert upstream.state == "stopped"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries come at once."""
    monkeypatch.setattr("sidecar.supervision.backoff.FIRST_DELAY", 0.001)


def call(upstream: Upstream, tool: str, **more: Any) -> asyncio.Task[Any]:
    """A call of a tool under way."""
    timeout = more.pop("timeout", 10)
    return asyncio.create_task(upstream.request("tools/call", {"name": tool, "arguments": more}, timeout=timeout))


async def test_ready() -> None:
    """From starting to ready, with the lists; stopped at the end."""
    server = FakeServer()
    server.pids, server.stderr = (7,), ("hello",)
    async with running(server) as (upstream, watcher):
        assert (upstream.pids, upstream.transport, upstream.first_attempt_over) == ((), "", False)
        await within(upstream.ready(100))
        assert upstream.state == "ready"
        assert upstream.catalog is not None
        assert [tool["name"] for tool in upstream.catalog.tools] == ["echo"]
        assert (upstream.pids, upstream.transport, upstream.stderr()) == ((7,), "stdio", ("hello",))
        frame = await call(upstream, "echo", a=1)
        assert frame["result"] == text("[('a', 1)]")
    assert watcher.states == ["starting", "ready", "stopped"]
    assert upstream.pids == ()


async def test_what_is_prepared_first_is_told_and_not_timed() -> None:
    """While it goes on, the reason says so and nobody waits for the server; its start is timed from then on."""
    server, gate = FakeServer(), asyncio.Event()
    upstream = Upstream("f", server.spec(start_timeout=5), server.connect, Watcher(), Metrics())

    async def prepare(spec: ServerSpec, tell: Callable[[ErrorBody | None], None]) -> None:
        tell(ErrorBody(code="X", message=spec.key))
        await gate.wait()
        tell(None)

    upstream.opening.prepare = prepare
    task = asyncio.create_task(upstream.run())
    await until(lambda: upstream.reason is not None)
    assert (upstream.state, upstream.first_attempt_over, server.open) == ("starting", True, 0)
    upstream.restart()
    await until(lambda: upstream.restarts == 1 and upstream.reason is not None)
    began = upstream.since
    gate.set()
    await within(upstream.ready(100))
    assert upstream.reason is None
    assert upstream.since > began
    gate.clear()
    upstream.restart()
    await until(lambda: upstream.state == "starting" and upstream.reason is not None)
    upstream.stop()
    await within(task)
    assert server.open == 0


async def test_crash() -> None:
    """After a crash it is connected again, with its lists kept meanwhile, and the reason and stderr told."""
    server = FakeServer()
    server.stderr = ("Traceback",)
    async with running(server) as (upstream, watcher):
        await within(upstream.ready(100))
        server.refusal = CommandMissing("There is no program 'x'.")
        server.channel.close(ServerExited("It exited with code 3."))
        await until(lambda: upstream.reason is not None and upstream.reason.code == "SERVER_COMMAND_MISSING")
        assert upstream.catalog is not None
        assert upstream.stderr() == ("Traceback",)
        server.refusal = None
        await until(lambda: upstream.state == "ready")
        assert upstream.reason is None
        assert upstream.restarts == 1  # starts that failed are attempts
        assert watcher.states[:4] == ["starting", "ready", "backoff", "starting"]


async def test_retry_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """While it waits, the time of the next attempt is told; a restart does not wait for it."""
    monkeypatch.setattr("sidecar.supervision.backoff.FIRST_DELAY", 4.0)
    server = FakeServer()
    server.refusal = CommandMissing("no")
    async with running(server) as (upstream, _):
        await until(lambda: upstream.state == "backoff")
        assert upstream.retry_at is not None
        assert upstream.first_attempt_over
        server.refusal = None
        upstream.restart()
        await until(lambda: upstream.state == "ready")
        assert upstream.retry_at is None


async def test_variable_missing() -> None:
    """What trying again cannot help is failed at once, and tried again every few minutes, or when asked to."""
    server = FakeServer()
    server.refusal = VariableMissing("The hub's environment lacks X.")
    async with running(server) as (upstream, _):
        await until(lambda: upstream.state == "failed")
        assert upstream.catalog is None
        assert upstream.retry_at is not None
        assert upstream.retry_at - time.time() > 100
        with pytest.raises(ServerUnavailable, match="lacks X"):
            await upstream.request("tools/call", {}, timeout=100)
        server.refusal = None
        await settle()
        assert upstream.state == "failed"
        upstream.restart()
        await until(lambda: upstream.state == "ready")


async def test_hopeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has been failing for long is failed, and its tools vanish."""
    server = FakeServer()
    async with running(server) as (upstream, _):
        await within(upstream.ready(100))
        monkeypatch.setattr("sidecar.supervision.backoff.LONG_FAILURE_SECONDS", -1.0)
        server.refusal = CommandMissing("no")
        server.channel.close()
        await until(lambda: upstream.state == "failed")
        assert upstream.catalog is None
        assert upstream.retry_at is not None


async def test_start_timeout() -> None:
    """A connection that does not come about in time is a failure with that reason."""
    server = FakeServer()
    server.door.clear()
    async with running(server, start_timeout=0.01) as (upstream, _):
        await until(lambda: upstream.reason is not None)
        assert upstream.reason is not None
        assert upstream.reason.code == "SERVER_START_TIMEOUT"
        server.door.set()
        await until(lambda: upstream.state == "ready")


async def test_fault_of_the_hub(caplog: pytest.LogCaptureFixture) -> None:
    """A fault while connecting is logged, and tried again like any failure."""
    server = FakeServer()
    server.refusal = RuntimeError("a fault")
    async with running(server) as (upstream, _):
        await until(lambda: upstream.reason is not None)
        assert upstream.reason is not None
        assert upstream.reason.code == "SERVER_HANDSHAKE"
        assert "a fault" not in upstream.reason.message
        server.refusal = None
        await until(lambda: upstream.state == "ready")
    assert "connecting failed" in caplog.text


@pytest.mark.parametrize("drain", [0.0, 1000.0])
async def test_stop_while_connecting(drain: float) -> None:
    """A server that does not let us in does not hold up the stop."""
    server = FakeServer()
    server.door.clear()
    upstream = Upstream("f", server.spec(), server.connect, Watcher(), Metrics())
    task = asyncio.create_task(upstream.run())
    await settle()
    upstream.stop(drain)
    await within(task)


async def test_restart_while_connecting() -> None:
    """A restart does not wait for a connection that does not come about."""
    server = FakeServer()
    server.door.clear()
    async with running(server) as (upstream, _):
        await settle()
        upstream.restart()
        server.door.set()
        await until(lambda: upstream.state == "ready")
        assert upstream.restarts == 1


async def test_restart() -> None:
    """A restart closes the connection and opens another at once."""
    server = FakeServer()
    async with running(server) as (upstream, watcher):
        await within(upstream.ready(100))
        upstream.restart()
        await until(lambda: len(server.channels) == 2 and upstream.state == "ready")
        assert upstream.restarts == 1
    assert watcher.states == ["starting", "ready", "starting", "ready", "stopped"]


async def test_drain() -> None:
    """Stopped, it lets the calls in flight finish on the connection that they began on."""
    gate = Gate()
    server = FakeServer(tools={"gate": gate})
    async with running(server) as (upstream, _):
        await within(upstream.ready(100))
        calls = [call(upstream, "gate"), call(upstream, "gate")]
        await gate.reached(2)
        upstream.stop(30)
        await settle()
        assert upstream.state == "ready"
        gate.open()
        assert [(await each)["result"] for each in calls] == [text("through")] * 2
        await until(lambda: upstream.state == "stopped")


async def test_drain_has_an_end() -> None:
    """Calls that do not finish in the time to drain fail."""
    gate = Gate()
    server = FakeServer(tools={"gate": gate})
    async with running(server) as (upstream, _):
        await within(upstream.ready(100))
        stuck = call(upstream, "gate")
        await gate.reached()
        upstream.stop(0.01)
        with pytest.raises(ConnectionLost):
            await within(stuck)


async def test_max_inflight() -> None:
    """No more calls at once than allowed; the others wait their turn, and not beyond their deadline."""
    gate = Gate()
    server = FakeServer(tools={"gate": gate})
    async with running(server, max_inflight=2) as (upstream, _):
        await within(upstream.ready(100))
        calls = [call(upstream, "gate") for _ in range(4)]
        late = call(upstream, "gate", timeout=0.02)
        await gate.reached(2)
        await settle()
        assert (gate.entered, upstream.in_flight) == (2, 5)
        with pytest.raises(CallTimeout):
            await within(late)
        gate.open()
        assert len(await within(asyncio.gather(*calls))) == 4
        assert gate.entered == 4
        upstream.update_spec(server.spec(max_inflight=1))
        gate.door.clear()
        calls = [call(upstream, "gate") for _ in range(2)]
        await gate.reached(5)
        await settle()
        assert gate.entered == 5
        gate.open()
        await within(asyncio.gather(*calls))


async def test_waits_for_a_reconnecting_server() -> None:
    """A call while the server is being reconnected waits for it."""
    server = FakeServer()
    async with running(server) as (upstream, _):
        await within(upstream.ready(100))
        server.door.clear()
        server.channel.close()
        await until(lambda: upstream.state == "starting")
        waiting = call(upstream, "echo")
        await settle()
        assert not waiting.done()
        server.door.set()
        assert "result" in await within(waiting)


async def test_asks_again_what_was_not_sent() -> None:
    """A call that finds its connection ended, before the hub has noticed, goes to the next one."""
    server = FakeServer()
    async with running(server) as (upstream, _):
        await within(upstream.ready(100))
        server.channel.close()
        assert upstream.state == "ready"
        assert "result" in await within(call(upstream, "echo"))
        assert len(server.channels) == 2
        assert server.channels[0].got("tools/call") == []


async def test_waits_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not come back shortly is unavailable, and the reason is told."""
    monkeypatch.setattr(module, "RECONNECT_WAIT", 0.02)
    monkeypatch.setattr("sidecar.supervision.backoff.FIRST_DELAY", 4.0)
    server = FakeServer()
    async with running(server) as (upstream, _):
        await within(upstream.ready(100))
        server.refusal = CommandMissing("There is no program 'x'.")
        server.channel.close(ServerExited("It exited with code 3."))
        await until(lambda: upstream.state == "backoff")
        with pytest.raises(ServerUnavailable, match=r"'fake' is not ready \(It exited with code 3\)"):
            await within(call(upstream, "echo"))


async def test_list_changed() -> None:
    """A changed list is told of."""
    server = FakeServer()
    async with running(server) as (upstream, watcher):
        await within(upstream.ready(100))
        before = watcher.changes
        server.tools["new"] = dict
        server.channel.notify("notifications/tools/list_changed")
        await until(lambda: watcher.changes > before)
        assert upstream.catalog is not None
        assert len(upstream.catalog.tools) == 2


async def test_notices_and_features() -> None:
    """Notices are passed on; what the server asked for in vain is remembered."""
    server = FakeServer()
    async with running(server) as (upstream, watcher):
        await upstream.notify("notifications/roots/list_changed")
        await within(upstream.ready(100))
        server.channel.notify("notifications/message", {"level": "info"})
        await server.channel.ask("roots/list")
        assert watcher.notes == [("notifications/message", {"level": "info"})]
        assert upstream.refused == {"roots/list"}
        await upstream.notify("notifications/roots/list_changed")
        assert server.channel.got("notifications/roots/list_changed")
        server.channel.close()
        await upstream.notify("notifications/roots/list_changed")


async def test_subscribers() -> None:
    """The server is subscribed to once for all, and again after a crash, until the last has left."""
    server = FakeServer()
    one, two = Subscriber(), Subscriber()
    async with running(server) as (upstream, _):
        assert await upstream.subscribe("a://1", one) == jsonrpc.result(1, {}) or True
        await within(upstream.ready(100))
        assert "result" in await upstream.subscribe("a://1", two)
        assert upstream.subscriptions.subscribers_of("a://1") == {one, two}
        before = len(server.channel.got("resources/subscribe"))
        server.channel.close()
        await until(lambda: len(server.channels) == 2)
        await server.channel.sent("resources/subscribe")
        assert before <= 2
        await upstream.unsubscribe("a://1", one)
        assert not server.channel.got("resources/unsubscribe")
        await upstream.unsubscribe("a://1", two)
        assert server.channel.got("resources/unsubscribe")
        assert "result" in await upstream.unsubscribe("a://1", two)


async def test_unsubscribe_while_away() -> None:
    """Unsubscribed from while it is away, it is not subscribed to again."""
    server = FakeServer()
    one = Subscriber()
    async with running(server) as (upstream, _):
        await within(upstream.ready(100))
        await upstream.subscribe("a://1", one)
        server.door.clear()
        server.channel.close()
        await until(lambda: upstream.state == "starting")
        assert "result" in await upstream.unsubscribe("a://1", one)
        server.door.set()
        await until(lambda: upstream.state == "ready")
        await settle()
        assert not server.channel.got("resources/subscribe")


async def test_subscription_refused() -> None:
    """A subscription that the server refuses, or that fails, leaves nothing behind: the next one asks again."""
    server = FakeServer()
    one, two = Subscriber(), Subscriber()

    def refuse(*_: Any) -> Any:
        raise RpcError(-32002, "no such resource")

    async with running(server, call_timeout=0.01) as (upstream, _):
        await within(upstream.ready(100))
        server.handlers["resources/subscribe"] = refuse
        assert (await upstream.subscribe("a://1", one))["error"]["code"] == -32002
        assert upstream.subscriptions.subscribers_of("a://1") == frozenset()
        server.handlers["resources/subscribe"] = lambda *_: asyncio.Event().wait()
        with pytest.raises(CallTimeout):
            await upstream.subscribe("a://1", one)
        assert upstream.subscriptions.subscribers_of("a://1") == frozenset()
        del server.handlers["resources/subscribe"]
        await upstream.subscribe("a://1", two)
        assert len(server.channel.got("resources/subscribe")) == 3


async def test_subscribers_share_what_comes_of_it() -> None:
    """Who subscribes while another is doing so waits for the answer; if that is a refusal, it asks for itself."""
    server, doors = FakeServer(), [asyncio.Event(), asyncio.Event()]
    answers = iter(doors)
    one, two, three = Subscriber(), Subscriber(), Subscriber()

    async def refuse_once(*_: Any) -> dict[str, Any]:
        door = next(answers)
        await door.wait()
        if door is doors[0]:
            raise RpcError(-32002, "no such resource")
        return {}

    server.handlers["resources/subscribe"] = refuse_once
    async with running(server) as (upstream, _):
        await within(upstream.ready(100))
        tasks = [asyncio.create_task(upstream.subscribe("a://1", each)) for each in (one, two, three)]
        await server.channel.sent("resources/subscribe")
        await settle()
        assert not any(task.done() for task in tasks)
        doors[0].set()
        await server.channel.sent("resources/subscribe", 2)
        assert "error" in await within(tasks[0])
        assert not tasks[1].done()
        doors[1].set()
        assert [(await within(task))["result"] for task in tasks[1:]] == [{}, {}]
        assert upstream.subscriptions.subscribers_of("a://1") == {two, three}
        assert len(server.channel.got("resources/subscribe")) == 2


async def test_subscriber_that_gives_up() -> None:
    """A subscriber cancelled while the server thinks leaves nothing; the next one asks anew."""
    server = FakeServer()
    one, two = Subscriber(), Subscriber()
    server.handlers["resources/subscribe"] = lambda *_: asyncio.Event().wait()
    async with running(server) as (upstream, _):
        await within(upstream.ready(100))
        asking = asyncio.create_task(upstream.subscribe("a://1", one))
        await server.channel.sent("resources/subscribe")
        asking.cancel()
        await asyncio.wait([asking])
        assert (list(upstream.subscriptions), upstream.subscriptions.subscribers_of("a://1")) == ([], frozenset())
        del server.handlers["resources/subscribe"]
        assert "result" in await upstream.subscribe("a://1", two)


async def test_features_are_those_of_the_protocol() -> None:
    """A server cannot fill its status with names of its own making."""
    server = FakeServer()
    async with running(server) as (upstream, _):
        await within(upstream.ready(100))
        for method in ("roots/list", *(f"x/{number}" for number in range(100))):
            assert (await server.channel.ask(method))["error"]["code"] == -32601
        assert upstream.refused == {"roots/list"}
