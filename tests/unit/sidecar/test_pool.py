"""The pool: what is shared, what is not, and how long it lives."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from bridge.models import ServerSpec
from sidecar.errors import TooManyInstances
from sidecar.fingerprint import fingerprint
from sidecar.metrics import Metrics
from sidecar.pool import Pool
from sidecar.upstream import Upstream
from tests.support.fake_server import FakeServer, Gate, settle, until, within
from tests.support.inprocess import Recorder


class Nobody:
    """A listener that does not listen."""

    def upstream_changed(self, upstream: Upstream) -> None:
        """Nothing."""

    def upstream_notified(self, upstream: Upstream, method: str, params: object) -> None:
        """Nothing."""


def pool_of(*servers: FakeServer, drain: float = 30.0) -> Pool:
    """A pool that finds these servers by their command."""
    by_name = {server.name: server for server in servers}

    def connector(spec: ServerSpec) -> object:
        return by_name[spec.launch.command].connect  # type: ignore[union-attr]

    return Pool(connector, lambda spec: fingerprint(spec, b"k"), Nobody(), Metrics(), drain)  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def running(pool: Pool) -> AsyncIterator[Pool]:
    """The pool runs, and is closed at the end."""
    end = asyncio.Event()
    task = asyncio.create_task(pool.run(end))
    await settle(3)
    try:
        yield pool
    finally:
        end.set()
        await within(task)


async def test_shared() -> None:
    """One upstream for all that mean the same server; open as long as somebody holds it."""
    server = FakeServer()
    one, two = Recorder("one"), Recorder("two")
    async with running(pool_of(server)) as pool:
        first = pool.acquire(server.spec("a"), one)
        assert pool.acquire(server.spec("b", call_timeout=5), two) is first
        assert pool.acquire(server.spec("a", args=("x",)), one) is not first
        assert first.spec.key == "b"
        assert pool.clients(first) == {one, two}
        await within(first.ready(5))
        pool.release(first, one)
        pool.release(first, Recorder("never held it"))
        assert first in list(pool)
        pool.release(first, two)
        assert first not in list(pool)
        assert pool.clients(first) == set()
        pool.release(first, two)
        await until(lambda: first.state == "stopped")


async def test_per_client() -> None:
    """Each owner has its own, up to the limit."""
    server = FakeServer()
    spec = server.spec("a", session="per_client", max_instances=2)
    async with running(pool_of(server)) as pool:
        one = pool.acquire(spec, "s1", owner="s1")
        two = pool.acquire(spec, "s2", owner="s2")
        assert one is not two
        assert pool.acquire(spec, "s1", owner="s1") is one
        with pytest.raises(TooManyInstances, match="already runs for 2 sessions"):
            pool.acquire(spec, "s3", owner="s3")
        pool.release(one, "s1")
        assert pool.acquire(spec, "s3", owner="s3") is not one


async def test_release_drains() -> None:
    """Released, it finishes its calls; acquired again meanwhile, there is another."""
    gate = Gate()
    server = FakeServer(tools={"gate": gate})
    async with running(pool_of(server)) as pool:
        old = pool.acquire(server.spec("a"), "w")
        await within(old.ready(5))
        call = asyncio.create_task(old.request("tools/call", {"name": "gate"}, timeout=30))
        await gate.reached()
        pool.release(old, "w")
        new = pool.acquire(server.spec("a"), "w")
        assert new is not old
        await within(new.ready(5))
        gate.open()
        assert "result" in await within(call)
        await until(lambda: old.state == "stopped")
        assert new.state == "ready"


async def test_end() -> None:
    """At the end all are closed at once, calls or not, those that are draining too."""
    gate = Gate()
    server = FakeServer(tools={"gate": gate})
    async with running(pool_of(server)) as pool:
        draining = pool.acquire(server.spec("a"), "w")
        held = pool.acquire(server.spec("a", args=("x",)), "w")
        for upstream in (draining, held):
            await within(upstream.ready(5))
        calls = [
            asyncio.create_task(upstream.request("tools/call", {"name": "gate"}, timeout=30))
            for upstream in (draining, held)
        ]
        await gate.reached(2)
        pool.release(draining, "w")
    assert (draining.state, held.state) == ("stopped", "stopped")
    assert {type(error).__name__ for error in await asyncio.gather(*calls, return_exceptions=True)} == {
        "ConnectionLost"
    }
    with pytest.raises(RuntimeError):
        pool.acquire(server.spec("b", args=("y",)), "w")
