"""Replicas know each other through a real Redis; without it each knows itself, and says so."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import SecretStr

from bridge.models.replicas import ReplicaReport, ReplicasState
from bridge.settings import Settings
from sidecar import redis_connection
from sidecar.cluster import replicas
from sidecar.cluster.board import CHANGES, REPORTS, Board
from sidecar.cluster.on_demand import Cluster
from sidecar.cluster.replicas import Reported, state_of
from tests.support.fake_server import FakeServer, text, until
from tests.support.inprocess import Recorder, World, space, world
from tests.support.redis import redis

pytestmark = pytest.mark.outside


class Replica:
    """A sidecar that is one of several."""

    def __init__(self, made: World, server: FakeServer) -> None:
        self.world, self.server = made, server
        self.process: Any = SimpleNamespace(metrics=made.metrics, leave=asyncio.Event(), replaced=False)
        self.cluster = Cluster(made.settings, made.hub, made.reconciler, made.reporter, self.process)
        self.running = asyncio.create_task(self.cluster.run())

    async def state(self) -> ReplicasState:
        """What it knows."""
        (handler,) = self.cluster.handlers().values()
        return await handler(None)  # type: ignore[no-any-return, arg-type]

    async def states(self) -> dict[str, str]:
        """The states of the replicas, by name."""
        return {each.name: each.state for each in (await self.state()).replicas}

    async def sees(self, **states: str) -> None:
        """Wait until it knows that the replicas are so."""
        async with asyncio.timeout(100):
            while await self.states() != states:  # noqa: ASYNC110 - another process has it
                await asyncio.sleep(0.02)

    async def stop(self) -> None:
        """It ends as it should."""
        self.process.leave.set()
        self.running.cancel()
        await asyncio.wait([self.running])


@contextlib.asynccontextmanager
async def replica(root: Path, name: str) -> AsyncIterator[Replica]:
    """A replica with a server `a`."""
    server = FakeServer("a", tools={"find": lambda: text("found")})
    settings = {"replica": name, "redis_url": SecretStr(f"unix://{root}/redis.sock")}
    (root / name).mkdir()
    async with world(root / name, server, **settings) as made:
        made.put(server.spec("a"), space("a"))
        await made.settled()
        one = Replica(made, server)
        try:
            yield one
        finally:
            await one.stop()


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicas, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(redis_connection, "PAUSE_SECONDS", 0.05)


async def test_they_know_each_other(caplog: pytest.LogCaptureFixture) -> None:
    """Their states, sums and where an edit is applied; a change of lists; a Redis that dies and comes back; an end."""
    caplog.set_level(logging.INFO)
    with tempfile.TemporaryDirectory(prefix="hub") as name:
        root = Path(name)
        async with contextlib.AsyncExitStack() as stack:
            server = await stack.enter_async_context(redis(root))
            r0, r1 = [await stack.enter_async_context(replica(root, name)) for name in ("r0", "r1")]
            await r0.sees(r0="serving", r1="serving")
            await r1.sees(r0="serving", r1="serving")
            found = await r0.state()
            assert (found.own, found.live, found.up_to_date, found.error) == ("r0", 2, 2, None)

            r0.world.put(r0.server.spec("a"), space("a"), space("a", name="v"))
            found = await r0.state()
            assert (found.up_to_date, [each.up_to_date for each in found.replicas]) == (1, [True, False])
            r1.world.put(r1.server.spec("a"), space("a"), space("a", name="v"))
            async with asyncio.timeout(100):
                while (await r0.state()).up_to_date != 2:  # noqa: ASYNC110 - another process has it
                    await asyncio.sleep(0.02)

            client = Recorder()
            r1.world.workspace().sessions.add(client)
            for each in (r0, r1):
                each.server.tools["more"] = lambda: text("more")
            r0.server.channel.notify("notifications/tools/list_changed")
            await until(lambda: "more" in str(r1.world.workspace().view.tools))
            assert client.took() == ["tools"]
            r1.world.workspace().sessions.discard(client)

            server.kill()
            await server.wait()
            for each in (r0, r1):
                await until(lambda each=each: each.cluster._replicas.trouble())  # type: ignore[misc]
            found = await r0.state()
            assert found.error is not None
            assert (found.error.code, [each.name for each in found.replicas]) == ("REPLICAS_UNKNOWN", ["r0"])
            status = await r0.world.reporter.status()
            assert [each.code for each in status.troubles] == ["REPLICAS_UNKNOWN"]
            assert b"yamcp_hub_replicas_known 0.0" in r0.world.metrics.render()[0]
            (root / "redis.sock").unlink(missing_ok=True)
            await stack.enter_async_context(redis(root))
            for each in (r0, r1):
                await each.sees(r0="serving", r1="serving")
            await r1.stop()
            await r0.sees(r0="serving", r1="stopped")
            assert (await r0.state()).live == 1
            said = [record.getMessage() for record in caplog.records if "replicas are" in record.getMessage()]
            assert sorted(set(said)) == ["the other replicas are known again", "the other replicas are not known"]
            assert len(said) == 4, "each says so once"


async def test_what_others_wrote_into_redis() -> None:
    """It is no replica, and no change."""
    with tempfile.TemporaryDirectory(prefix="redis") as name:
        async with redis(Path(name)):
            board = Board(f"unix://{name}/redis.sock")
            try:
                await board.write("r0", ReplicaReport(state="serving", version="1", uptime=1))
                for field, value in {"x": "", "y": "1 {}", "z": "now {", b"\xff": b"\xff"}.items():
                    await board._redis.hset(REPORTS, field, value)
                await board._redis.hset(REPORTS, "gone", "1000.0 " + ReplicaReport(**REPORT).model_dump_json())
                await board._redis.hset(CHANGES, "a", b"\xff")
                assert [each.name for each in await board.read()] == ["r0"]
                assert list(await board.changes()) == ["a"]
                assert not await board._redis.hexists(REPORTS, "gone"), "it is forgotten"
            finally:
                await board.close()


REPORT: dict[str, Any] = {"state": "serving", "version": "1", "uptime": 1.0}


def test_a_replica_that_reports_nothing_any_more() -> None:
    """It is lost after 10 s, by the clock of Redis, and counts no longer."""
    own, late, stopped = (ReplicaReport(**REPORT | {"sessions": 2, "state": state}) for state in STATES)
    found = state_of([Reported("r1", 0, own), Reported("r0", 10.1, late), Reported("r2", 99, stopped)], None)
    assert [(each.name, each.state) for each in found.replicas] == [
        ("r0", "lost"),
        ("r1", "serving"),
        ("r2", "stopped"),
    ]
    assert (found.own, found.live, found.sessions) == ("r1", 1, 2)


STATES = ("serving", "draining", "stopped")


async def test_a_hub_that_is_no_replica() -> None:
    """Nothing runs, and the answer says so."""
    process: Any = SimpleNamespace(leave=asyncio.Event(), replaced=False)
    for settings in ({}, {"redis_url": SecretStr("redis://127.0.0.1:1")}, {"replica": "r0"}):
        one: Any = SimpleNamespace(troubles=[])
        cluster = Cluster(Settings(**settings), one, one, one, process)
        await cluster.run()
        (handler,) = cluster.handlers().values()
        assert (await handler(None)).transport == "off"  # type: ignore[attr-defined, arg-type]
        assert one.troubles == []
