"""The pool: what is shared, what is not, and how long it lives."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from bridge.models import RemoteLaunch, ServerSpec
from sidecar.concurrency.shares import Caller
from sidecar.errors import TooManyInstances
from sidecar.observe.metrics import Metrics
from sidecar.supervision.known_lists import KnownLists
from sidecar.upstream.fingerprint import fingerprint
from sidecar.upstream.pool import Pool
from sidecar.upstream.upstream import Upstream
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


@pytest.mark.parametrize(
    ("sign_in", "header", "own"), [("none", "x", False), ("user", "x", True), ("none", "${user.id}", True)]
)
async def test_lists_that_a_server_has_for_one_user(sign_in: str, header: str, own: bool, tmp_path: Path) -> None:
    """They are not kept for the server: another user would be shown them until it has started."""
    server = FakeServer()
    launch = RemoteLaunch(url="https://a.example/mcp", headers={"x-user": header})
    spec = server.spec("a", sign_in=sign_in).model_copy(update={"launch": launch})
    pool = pool_of(server)
    pool._connector = lambda *_, **__: server.connect
    pool.known_lists = KnownLists(tmp_path / "lists.json")
    async with running(pool):
        upstream = pool.acquire(spec, Recorder(), owner="k0000001")
        assert upstream.sleep.known_lists is (None if own else pool.known_lists)


async def test_only_what_all_share_is_kept() -> None:
    """The upstream of one session or key is opened in the ordinary way: its state must not pass to another's."""
    server = FakeServer()
    asked: list[str] = []

    def connector(name: str, spec: ServerSpec) -> object:
        asked.append(name)
        return server.connect

    pool = pool_of(server)
    pool._connector, pool._shared_connector = partial(connector, "own"), partial(connector, "shared")  # type: ignore[arg-type]
    async with running(pool):
        for owner in ("", "key"):
            pool.acquire(server.spec("a"), Recorder(owner), owner=owner)
        pool.connect(server.spec("a"))
    assert asked == ["shared", "own", "own"]


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
        await within(first.ready(100))
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
        first, second, third = Recorder("s1"), Recorder("s2"), Recorder("s3")
        one = pool.acquire(spec, first, owner="s1")
        two = pool.acquire(spec, second, owner="s2")
        assert one is not two
        assert pool.acquire(spec, first, owner="s1") is one
        with pytest.raises(TooManyInstances, match="already runs for 2 sessions"):
            pool.acquire(spec, third, owner="s3")
        pool.release(one, first)
        assert pool.acquire(spec, third, owner="s3") is not one


def of_key(key: str, number: int) -> Recorder:
    """A session of a key."""
    session = Recorder(f"{key}{number}")
    session.caller = Caller(key, session.id)
    return session


async def test_a_key_leaves_instances_to_others() -> None:
    """One key's sessions get no more than half of the instances of a server, and the next key finds room."""
    server = FakeServer()
    spec = server.spec("a", session="per_client", max_instances=8)
    async with running(pool_of(server)) as pool:
        pool.contested = lambda: True
        for number in range(4):
            pool.acquire(spec, of_key("k", number), owner=f"k{number}")
        with pytest.raises(TooManyInstances, match="already runs for 4 sessions of this key; the rest of 8 is for"):
            pool.acquire(spec, of_key("k", 4), owner="k4")
        for number in range(2):
            pool.acquire(spec, of_key("m", number), owner=f"m{number}")
        with pytest.raises(TooManyInstances, match="for 2 sessions of this key"):
            pool.acquire(spec, of_key("m", 2), owner="m2")
        pool.contested = lambda: False
        pool.acquire(spec, of_key("k", 4), owner="k4")


class Idle:
    """A lender with one idle upstream."""

    def __init__(self, tenant: str, since: float, closed: list[str]) -> None:
        self.tenant, self._since, self._closed = tenant, since, closed

    def idle(self, fingerprint: str) -> Iterator[tuple[float, Callable[[], None]]]:
        yield self._since, partial(self._closed.append, self.tenant)


async def test_whose_idle_instance_makes_room() -> None:
    """A key's own; another's only for a key that has none."""
    server = FakeServer()
    spec = server.spec("a", session="per_client", max_instances=8)
    async with running(pool_of(server)) as pool:
        closed: list[str] = []
        pool.idle_holders = {Idle("k", 2.0, closed), Idle("m", 1.0, closed)}
        fingerprint = pool.fingerprint(spec)
        assert pool.close_idle(fingerprint, "k")
        pool.acquire(spec, of_key("k", 0), owner="k0")
        assert pool.close_idle(fingerprint, "k")
        assert closed == ["m", "k"]
        pool.acquire(spec, of_key("n", 0), owner="n0")
        assert not pool.close_idle(fingerprint, "n")


async def test_release_drains() -> None:
    """Released, it finishes its calls; acquired again meanwhile, there is another."""
    gate = Gate()
    server = FakeServer(tools={"gate": gate})
    async with running(pool_of(server)) as pool:
        old = pool.acquire(server.spec("a"), "w")
        await within(old.ready(100))
        call = asyncio.create_task(old.request("tools/call", {"name": "gate"}, timeout=100))
        await gate.reached()
        pool.release(old, "w")
        new = pool.acquire(server.spec("a"), "w")
        assert new is not old
        await within(new.ready(100))
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
            await within(upstream.ready(100))
        calls = [
            asyncio.create_task(upstream.request("tools/call", {"name": "gate"}, timeout=100))
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


async def test_the_only_client() -> None:
    """It is one however many hold the server for it; of two it is neither, and of none none."""
    server = FakeServer()
    one, two = Recorder("one"), Recorder("two")
    async with running(pool_of(server)) as pool:
        upstream = pool.acquire(server.spec(), one)
        assert pool.only_client(upstream) is one

        class Both(Recorder):
            """Holds a server for somebody who holds it as well."""

            def clients(self) -> tuple[Recorder, ...]:
                return (one,)

        both = Both()
        pool.acquire(server.spec(), both)
        assert pool.only_client(upstream) is one
        pool.acquire(server.spec(), two)
        assert (pool.only_client(upstream), pool.holders(upstream)) == (None, {one, both, two})
        for holder in (one, both, two, two):
            pool.release(upstream, holder)
        assert (pool.only_client(upstream), pool.holders(upstream), list(pool)) == (None, set(), [])
