"""How many servers start at once."""

from __future__ import annotations

import asyncio

import pytest

from bridge.models import RemoteLaunch
from sidecar.observe.metrics import Metrics
from sidecar.supervision import start_turns
from sidecar.supervision.start_turns import StartTurns
from sidecar.upstream.upstream import Upstream
from tests.support.fake_server import FakeServer, settle, until, within
from tests.unit.sidecar.upstream.test_upstream import Watcher


def servers(turns: StartTurns, count: int) -> list[tuple[FakeServer, Upstream]]:
    """Servers that share the turns; they do not answer before their doors are opened."""
    made = []
    for number in range(count):
        server = FakeServer(f"s{number}")
        server.door.clear()
        upstream = Upstream(server.name, server.spec(), server.connect, Watcher(), Metrics())
        upstream.opening.turns = turns
        made.append((server, upstream))
    return made


async def ended(upstreams: list[Upstream], tasks: list[asyncio.Task[None]]) -> None:
    """Stop them all."""
    for upstream in upstreams:
        upstream.stop()
    await within(asyncio.gather(*tasks))


async def test_turns() -> None:
    """Two start at once; the third waits, says so, and starts when one is ready; a stop does not wait for the turn."""
    made = servers(StartTurns(2), 4)
    upstreams = [upstream for _, upstream in made]
    tasks = [asyncio.create_task(upstream.run()) for upstream in upstreams]
    await settle()
    assert [upstream.reason and upstream.reason.code for upstream in upstreams] == [None] * 2 + [
        "SERVER_STILL_STARTING"
    ] * 2
    assert upstreams[2].reason is not None
    assert "HUB_MAX_STARTING" in upstreams[2].reason.message
    assert not upstreams[2].first_attempt_over
    made[2][0].door.set()
    await settle()
    assert upstreams[2].state == "starting"
    made[0][0].door.set()
    await until(lambda: upstreams[2].state == "ready")
    upstreams[3].stop()
    await within(tasks[3])
    await ended(upstreams, tasks)


async def test_one_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not become ready keeps the others from starting for some seconds only."""
    monkeypatch.setattr(start_turns, "HOLD_SECONDS", 0.02)
    made = servers(StartTurns(1), 2)
    made[1][0].door.set()
    upstreams = [upstream for _, upstream in made]
    tasks = [asyncio.create_task(upstream.run()) for upstream in upstreams]
    await until(lambda: upstreams[1].state == "ready")
    assert upstreams[0].state == "starting"
    await ended(upstreams, tasks)


async def test_failed_and_remote_servers() -> None:
    """A start that fails gives its turn up at once; a remote server needs none."""
    turns = StartTurns(1)
    failing, waiting = servers(turns, 2)
    failing[0].refusal = RuntimeError("a fault")
    failing[0].door.set()
    waiting[0].door.set()
    remote = FakeServer("remote")
    spec = remote.spec().model_copy(update={"launch": RemoteLaunch(url="http://127.0.0.1:1/")})
    away = Upstream("remote", spec, remote.connect, Watcher(), Metrics())
    away.opening.turns = turns
    held = await turns.take()
    upstreams = [failing[1], waiting[1], away]
    tasks = [asyncio.create_task(upstream.run()) for upstream in upstreams]
    await until(lambda: away.state == "ready")
    assert waiting[1].state == "starting"
    held.release()
    held.release()
    await until(lambda: waiting[1].state == "ready")
    assert turns.full is False or failing[1].state == "starting"
    await ended(upstreams, tasks)
    assert not turns.full
