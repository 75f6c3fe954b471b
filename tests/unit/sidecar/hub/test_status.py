"""The actual state, as it is told."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from sidecar.errors import ServerExited, ServerUnavailable
from sidecar.hub import status as module
from sidecar.upstream import list_reader
from tests.support.fake_server import FakeServer, RpcError, until, within
from tests.support.inprocess import Recorder, World, space, world

pytestmark = pytest.mark.outside


async def test_nothing(tmp_path: Path) -> None:
    """Before the first snapshot there is nothing, and it is not settled."""
    async with world(tmp_path) as made:
        status = await made.reporter.status()
        assert (status.servers, status.workspaces, status.applied, status.settled) == ((), (), None, False)
        assert status.source == "none"


async def test_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is ready, with what it said of itself and what it costs."""
    monkeypatch.setattr(module.process_memory, "trees", lambda pids: dict.fromkeys(pids, 1000))
    server = FakeServer()
    server.pids, server.stderr = (42,), ("hello ***",)
    server.name = "fake my-secret-value" + "x" * 5000
    server.resources = [{"uri": "a://b"}]
    async with world(tmp_path, server) as made:
        made.redactor.add("a", {"my-secret-value"})
        server.door.clear()
        made.put(server.spec("a"), space("a"), space("a", name="v"))
        assert not (await made.reporter.status()).settled
        server.door.set()
        await made.settled()
        made.workspace().join(Recorder())
        await server.channel.ask("sampling/createMessage", {})
        monkeypatch.setattr(module, "MEMORY_AGE", -1)
        await until_measured(made)
        status = await made.reporter.status()
        assert status.settled
        shown = status.servers[0]
        assert (shown.state, shown.reason, shown.transport, shown.era) == ("ready", None, "stdio", "legacy")
        assert (shown.server_name, shown.server_version) == (f"fake ***{'x' * 200}"[:200], "1.2")
        assert (shown.tools, shown.resources) == (1, 1)
        assert (shown.pids, shown.memory_bytes, shown.instances) == ((42,), 1000, 1)
        assert shown.stderr == ("hello ***",)
        assert "sampling/createMessage" in shown.hints[0]
        assert "per_client" in shown.hints[0]
        workspace = status.workspaces[0]
        assert (workspace.ready, workspace.tools, workspace.resources, workspace.sessions) == (1, 1, 1, 1)
        assert workspace.direct_sse_url == f"{made.base}/mcp/w/sse"


async def until_measured(made: World) -> None:
    """Wait until the memory is known."""
    while not (await made.reporter.status()).servers[0].memory_bytes:  # noqa: ASYNC110 (no event tells of it)
        await asyncio.sleep(0)


async def test_memory_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A status is answered at once, with what was measured before, while it is measured anew."""
    sizes, gate = iter((1000, 2000)), threading.Event()
    gate.set()

    def measure(pids: list[int]) -> dict[int, int]:
        gate.wait(10)
        return dict.fromkeys(pids, next(sizes))

    monkeypatch.setattr(module.process_memory, "trees", measure)
    monkeypatch.setattr(module, "MEMORY_AGE", -1)
    server = FakeServer()
    server.pids = (42,)
    async with world(tmp_path, server) as made:
        made.put(server.spec("a"), space("a"))
        await made.settled()
        await until_measured(made)
        gate.clear()
        shown = [(await made.reporter.status()).servers[0].memory_bytes for _ in range(3)]
        monkeypatch.setattr(module, "MEMORY_AGE", 60)
        gate.set()
        while (await made.reporter.status()).servers[0].memory_bytes == 1000:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert shown == [1000] * 3


async def test_memory_is_measured_though_nobody_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Now and then: whoever asks after an hour is not told of what was an hour ago."""
    measured = asyncio.Event()
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(module.process_memory, "trees", lambda _: loop.call_soon_threadsafe(measured.set) and {})
    monkeypatch.setattr(module, "MEMORY_PERIOD", 0.01)
    async with world(tmp_path):
        await measured.wait()


@pytest.mark.parametrize("error", [OSError(24, "Too many open files"), RuntimeError("can't start new thread")])
async def test_memory_that_cannot_be_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    """Without a free descriptor or thread the hub goes on, and measures again later."""
    measured, loop = asyncio.Event(), asyncio.get_running_loop()
    errors = [error, error]

    def measure(_: list[int]) -> dict[int, int]:
        if errors:
            raise errors.pop()
        loop.call_soon_threadsafe(measured.set)
        return {}

    monkeypatch.setattr(module.process_memory, "trees", measure)
    monkeypatch.setattr(module, "MEMORY_PERIOD", 0.01)
    async with world(tmp_path):
        await within(measured.wait())
    assert [record.message for record in caplog.records].count("the servers' memory cannot be measured") == 2


async def test_failing(tmp_path: Path) -> None:
    """A server that fails is told with its reason, without secrets, and when it is tried again."""
    server = FakeServer()
    server.refusal = ServerExited("It said my-secret-value.")
    async with world(tmp_path, server) as made:
        made.redactor.add("a", {"my-secret-value"})
        made.put(server.spec("a"), space("a"))
        await until(lambda: next(iter(made.hub.pool)).state == "backoff")
        shown = (await made.reporter.status()).servers[0]
        assert shown.reason is not None
        assert shown.reason.message == "It said ***."
        assert shown.retry_at is not None
        assert shown.attempts >= 1
        assert (await made.reporter.status()).settled


async def test_sleeping_and_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sleeping server serves, unless a client's task keeps it awake; one that is down has an open breaker."""
    monkeypatch.setattr("sidecar.supervision.backoff.FIRST_DELAY", 0.001)
    idle, broken = FakeServer("idle"), FakeServer("broken")
    broken.refusal = ServerExited("It exited with code 3.")
    async with world(tmp_path, idle, broken) as made:
        made.put(idle.spec(idle_stop=0.02), broken.spec(), space("idle"), space("broken", name="v"))
        await made.settled()
        upstream = next(each for each in made.hub.pool if each.spec.key == "idle")
        session = Recorder()
        made.workspace().join(session)
        (offer,) = made.workspace().view.offers
        session.server_tasks.register_core(offer, upstream, "echo", {"task": {"taskId": "1", "ttl": 60_000}})
        await asyncio.sleep(0.1)
        assert upstream.state == "ready"
        made.workspace().leave(session)
        await until(lambda: upstream.state == "sleeping" and all(each.backoff.attempts != 1 for each in made.hub.pool))
        await until(lambda: any(each.is_down for each in made.hub.pool))
        status = await made.reporter.status()
        shown = {each.key: (each.state == "sleeping", each.breaker, each.tools) for each in status.servers}
        assert shown == {"idle": (True, "closed", 1), "broken": (False, "open", 0)}
        assert [(each.state, each.ready) for each in status.workspaces] == [("ready", 1), ("failed", 0)]
        assert b'yamcp_hub_upstream_state{server="idle",state="sleeping"} 1.0' in made.metrics.render()[0]


async def test_woken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A workspace whose server is being woken stays ready, for probes too: the request waits for the start. It is not
    once the start has failed."""
    monkeypatch.setattr("sidecar.supervision.backoff.FIRST_DELAY", 0.001)
    server = FakeServer()
    async with world(tmp_path, server) as made:
        made.put(server.spec(idle_stop=0.02), space(server.name))
        await made.settled()
        (upstream,) = made.hub.pool
        await until(lambda: upstream.state == "sleeping")
        server.door.clear()
        waiting = asyncio.create_task(upstream.ready(100))
        await until(lambda: upstream.state == "starting")
        status = await made.reporter.status()
        assert [(each.state, each.ready, each.reason) for each in status.workspaces] == [("ready", 1, None)]
        assert made.workspace().ready == 1
        server.refusal = ServerExited("It exited with code 3.")
        server.door.set()
        await until(lambda: upstream.state == "backoff")
        (workspace,) = (await made.reporter.status()).workspaces
        assert (workspace.state, workspace.ready) == ("failed", 0)
        with pytest.raises(ServerUnavailable):
            await within(waiting)


async def test_degraded(tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server of which a part is not served says which, without secrets; it is ready in every other respect."""
    monkeypatch.setattr(list_reader, "FIRST_RETRY", 0.01)
    server = FakeServer()

    def fail(*_: object) -> None:
        raise RpcError(-32000, "no database at my-secret-value")

    server.handlers["prompts/list"] = fail
    async with world(tmp_path, server) as made:
        made.redactor.add("a", {"my-secret-value"})
        made.put(server.spec("a"), space("a"))
        await made.settled()
        status = await made.reporter.status()
        shown = status.servers[0]
        assert (shown.state, shown.reason, shown.tools, status.workspaces[0].ready) == ("degraded", None, 1, 1)
        assert [(each.code, each.data) for each in shown.troubles] == [("SERVER_LIST_FAILED", {"list": "prompts/list"})]
        assert shown.troubles[0].message == "`prompts/list` was answered with error -32000: no database at ***."
        assert b'yamcp_hub_upstream_state{server="a",state="degraded"} 1.0' in made.metrics.render()[0]
        assert {"state": "degraded"} in [event.data for event in made.events if event.topic == "server"]
        await server.channel.sent("prompts/list", 4)
        del server.handlers["prompts/list"]
        await until(lambda: not next(iter(made.hub.pool)).troubles.all)
        assert (await made.reporter.status()).servers[0].state == "ready"
    told = [record.getMessage() for record in caplog.records if "degraded" in record.getMessage()]
    assert told == ["server degraded"]


async def test_stopped(tmp_path: Path) -> None:
    """A server that nobody needs is stopped."""
    server = FakeServer()
    async with world(tmp_path, server) as made:
        made.put(server.spec("a"), server.spec("b", session="per_client", args=("x",)), space("b"))
        states = {each.key: each.state for each in (await made.reporter.status()).servers}
        assert states == {"a": "stopped", "b": "stopped"}


async def test_several_instances(tmp_path: Path) -> None:
    """Of several instances the best state is the server's, and their counts are added."""
    server = FakeServer()
    server.pids = (42,)
    async with world(tmp_path, server) as made:
        made.put(server.spec("a", session="per_client"), space("a"))
        for name in ("one", "two"):
            client = Recorder(name)
            made.workspace().join(client)
            await made.tools(client)
        shown = (await made.reporter.status()).servers[0]
        assert (shown.instances, shown.state, shown.session, shown.pids) == (2, "ready", "per_client", (42, 42))


async def test_reasons_are_masked_where_they_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the status, a client's error or an event tells of them; who asks for the status masks nothing again."""
    monkeypatch.setattr("sidecar.upstream.upstream.RECONNECT_WAIT", 0)
    server = FakeServer()
    server.refusal = ServerExited("It said my-secret-value.")
    server.stderr = ("one", "two")
    async with world(tmp_path, server) as made:
        made.redactor.add("a", {"my-secret-value"})
        made.put(server.spec("a"), space("a"))
        await made.settled()
        (upstream,) = made.hub.pool
        with pytest.raises(ServerUnavailable, match=r"\(It said \*\*\*\)"):
            await upstream.request("tools/call", {"name": "x"}, timeout=0.1)
        reason = (await made.reporter.status()).servers[0].reason
        assert reason is not None
        assert reason.message == "It said ***."
        assert "my-secret-value" not in repr(made.events)
        monkeypatch.setattr(type(made.redactor), "__call__", lambda self, text: pytest.fail("masked again"))
        await made.reporter.status()


async def test_the_state_of_a_workspace(tmp_path: Path) -> None:
    """One failed and one starting: it starts. One switched off: it does not count. Off, empty: told so."""
    fine, gone = FakeServer("fine"), FakeServer("gone")
    gone.refusal = ServerExited("It exited with status 1.")
    fine.door.clear()
    async with world(tmp_path, fine, gone) as made:

        async def told() -> dict[str, tuple[str, int]]:
            return {each.name: (each.state, each.ready) for each in (await made.reporter.status()).workspaces}

        specs = fine.spec("fine"), gone.spec("gone"), gone.spec("out", args=("x",), enabled=False)
        spaces = space("fine", "gone"), space("fine", "out", name="some"), space("out", name="none")
        made.put(*specs, *spaces, space("fine", name="idle", enabled=False))
        upstreams = {upstream.spec.key: upstream for upstream in made.hub.pool}
        await until(lambda: upstreams["gone"].state == "backoff")
        assert await told() == {"w": ("starting", 0), "some": ("starting", 0), "none": ("empty", 0), "idle": ("off", 0)}
        fine.door.set()
        await made.settled()
        assert await told() == {"w": ("degraded", 1), "some": ("ready", 1), "none": ("empty", 0), "idle": ("off", 0)}
        reason = (await made.reporter.status()).workspaces[0].reason
        assert reason is not None
        assert (reason.code, reason.message) == ("SERVER_EXITED", "gone: It exited with status 1.")


async def test_a_workspace_stays_ready_while_a_changed_server_starts(tmp_path: Path) -> None:
    """Its old process goes on serving meanwhile; the server itself is told as starting."""
    old, new = FakeServer("old"), FakeServer("new")
    new.door.clear()
    async with world(tmp_path, old, new) as made:
        made.put(old.spec("a"), space("a"))
        await made.settled()
        made.put(new.spec("a"))
        status = await made.reporter.status()
        assert (status.servers[0].state, status.workspaces[0].state, status.workspaces[0].ready) == (
            "starting",
            "ready",
            1,
        )
        new.door.set()
        await made.settled()
        assert (await made.reporter.status()).workspaces[0].state == "ready"


async def test_a_server_that_no_session_can_start(tmp_path: Path) -> None:
    """A `per_client` server counts as ready until all that sessions have of it fail."""
    server = FakeServer()
    async with world(tmp_path, server) as made:
        made.put(server.spec("a", session="per_client"), space("a"))
        assert (await made.reporter.status()).workspaces[0].state == "ready"
        server.refusal = ServerExited("It exited with status 1.")
        client = Recorder()
        made.workspace().join(client)
        await made.tools(client)
        await until(lambda: [upstream.state for upstream in made.hub.pool] == ["backoff"])
        workspace = (await made.reporter.status()).workspaces[0]
        assert (workspace.state, workspace.ready) == ("failed", 0)
