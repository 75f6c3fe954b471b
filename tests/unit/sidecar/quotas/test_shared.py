"""Several hubs count together in a real Redis; without it, each counts for itself."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from bridge.models.access_file import AccessLimit
from bridge.settings import Settings
from sidecar import redis_connection
from sidecar.admission.admission import Admission
from sidecar.concurrency.semaphore import Semaphore
from sidecar.quotas import shared
from sidecar.quotas.account import meter_name
from sidecar.quotas.errors import LimitReached
from sidecar.quotas.on_demand import Limits
from sidecar.upstream.server_gate import ServerGate
from tests.support.fake_server import until
from tests.support.redis import redis
from tests.unit.sidecar.quotas.test_quotas import FakeSession, Place, key, limit

pytestmark = pytest.mark.outside


class Replica:
    """The gates of one of several hubs."""

    def __init__(self, root: Path, *entries: AccessLimit) -> None:
        self.admission, self.server_gates = Admission(), Admission()
        self.sessions: list[Any] = []
        self.reachable: list[bool] = []
        settings = Settings(limits_url=SecretStr(f"unix://{root}/redis.sock"))
        self.limits = Limits(
            settings, self.admission, self.server_gates, lambda: [self], lambda *_: None, self.reachable.append
        )
        self.limits.apply(entries)
        self.gate = ServerGate(Semaphore(100), "search", self.server_gates)

    def clients(self) -> list[Any]:
        """The sessions."""
        return self.sessions

    @property
    def shared(self) -> Any:
        """What counts with the others."""
        assert self.limits.quotas is not None
        return self.limits.quotas.shared

    async def enter(self, name: str = "ci") -> Any:
        """A call is let in: the call, or the code of the error."""
        call = Place.call(self, key(name))  # type: ignore[arg-type]
        try:
            await self.admission.enter(call)
            if not self.gate.try_enter(call):
                await self.gate.enter(call)
        except LimitReached as error:
            self.admission.left(call, error.code)
            return error.code
        return call

    def end(self, call: Any, outcome: str = "ok") -> None:
        """It has ended."""
        self.gate.leave(call, outcome)
        self.admission.left(call, outcome)


@contextlib.asynccontextmanager
async def replicas(*entries: AccessLimit) -> AsyncIterator[tuple[Replica, Replica]]:
    """Two hubs and their Redis."""
    with tempfile.TemporaryDirectory(prefix="redis") as name:
        async with redis(Path(name)):
            one, two = Replica(Path(name), *entries), Replica(Path(name), *entries)
            try:
                yield one, two
            finally:
                for each in (one, two):
                    await each.shared.close()


def codes(found: list[Any]) -> list[str]:
    """`ok` for those that were let in."""
    return [each if isinstance(each, str) else "ok" for each in found]


async def test_two_hubs_count_together() -> None:
    """Rates, calls of the day and of a tool: never more than one hub would let in."""
    async with replicas(
        limit("key:a", requests_per_second=0.01, burst=5),
        limit("key:b", calls_per_day=7),
        limit("key:c", tools=("find",), calls_per_day=3),
    ) as both:
        for name, most, code in (("a", 5, "RATE_LIMITED"), ("b", 7, "DAILY_LIMIT"), ("c", 3, "DAILY_LIMIT")):
            found = await asyncio.gather(*(each.enter(name) for _ in range(10) for each in both))
            assert sorted(codes(found)) == [code] * (20 - most) + ["ok"] * most
        assert codes([await both[0].enter("other")]) == ["ok"]


async def test_calls_at_once() -> None:
    """A place that one hub gives back is free for the other; the leases of a hub that died end."""
    async with replicas(limit(concurrent=2)) as (one, two):
        calls = [await one.enter(), await two.enter()]
        assert codes(calls) == ["ok", "ok"]
        assert await two.enter() == "TOO_MANY_CALLS"
        one.end(calls[0])
        await one.shared.flush()
        calls.append(await two.enter())
        assert codes(calls[2:]) == ["ok"]
        for call in calls[1:]:
            two.end(call)
        await two.shared.flush()
        assert await two.shared._redis.zcard(f"{shared.PREFIX}{meter_name('k-ci')}:running") == 0
        await two.shared._redis.zadd(f"{shared.PREFIX}{meter_name('k-ci')}:running", {"dead-1": 1.0, "dead-2": 1.0})
        assert codes([await one.enter(), await one.enter()]) == ["ok", "ok"]


async def test_redis_does_not_learn_who_calls() -> None:
    """Neither keys nor values have a principal's id or name."""
    async with replicas(
        limit(requests_per_second=5, burst=5, concurrent=2, sessions=3, bytes_per_day=100),
        limit(tools=("find",), concurrent=1),
    ) as (one, _):
        assert codes([await one.enter()]) == ["ok"]
        await one.shared.flush()
        client, found = one.shared._redis, list[bytes]()
        async for name in client.scan_iter():
            found += [name, await client.dump(name)]
        assert len(found) >= 8
        assert not [each for each in found if b"k-ci" in each or b"find" in each]


async def test_a_lease_is_prolonged() -> None:
    """While its call goes on; when it has ended, it is not made anew."""
    async with replicas(limit(concurrent=1)) as (one, two):
        call = await one.enter()
        name, redis = f"{shared.PREFIX}{meter_name('k-ci')}:running", one.shared._redis
        ((member, _),) = await redis.zrange(name, 0, -1, withscores=True)
        await redis.zadd(name, {member: 1.0})
        await one.shared.flush()
        assert await two.enter() == "TOO_MANY_CALLS"
        one.end(call)
        one.shared._renewed = 0.0
        await one.shared.flush()
        assert codes([await two.enter()]) == ["ok"]


@pytest.mark.parametrize("ahead", [-60.0, 60.0])
async def test_a_clock_that_is_wrong(ahead: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases and numbers of sessions end by the clock of Redis, from the first message on; rates never ask another."""
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + ahead)
    async with replicas(limit(concurrent=1, sessions=2, requests_per_second=0.01, burst=2)) as (one, two):
        call = await one.enter()
        one.sessions += [FakeSession(one, None)] * 2  # type: ignore[arg-type]
        await one.shared.flush()
        name = f"{shared.PREFIX}{meter_name('k-ci')}"
        ((_, ends),) = await one.shared._redis.zrange(f"{name}:running", 0, -1, withscores=True)
        assert 0 < ends - right() <= shared.LEASE_SECONDS + 1
        (told,) = await one.shared._redis.hvals(f"{name}:sessions")
        assert 0 < float(told.split()[1]) - right() <= shared.SESSIONS_SECONDS + 1
        assert await two.enter() == "TOO_MANY_CALLS"
        one.end(call)
        await one.shared.flush()
        assert codes([await two.enter(), await two.enter()]) == ["ok", "RATE_LIMITED"]
        await two.shared.flush()
        with pytest.raises(LimitReached):
            two.admission.admit_session(key())


async def test_what_did_not_begin_is_given_back() -> None:
    """Another gate declined it."""
    async with replicas(limit(requests_per_second=0.01, burst=2, calls_per_day=5)) as (one, two):
        calls = [await one.enter(), await one.enter()]
        for call in calls:
            one.gate.leave(call, "declined")
            one.admission.left(call, "declined")
        await one.shared.flush()
        assert codes([await two.enter() for _ in range(3)]) == ["ok", "ok", "RATE_LIMITED"]
        assert await two.shared._redis.hget(f"{shared.PREFIX}{meter_name('k-ci')}:day", "calls") == b"2"


async def test_bytes_and_sessions() -> None:
    """The other hubs know of them with the next message."""
    async with replicas(limit(bytes_per_day=100, sessions=3)) as (one, two):
        assert codes([await one.enter(), await two.enter()]) == ["ok", "ok"]
        meter = one.admission.meter_of(key())
        assert meter is not None
        meter(100)
        one.sessions += [FakeSession(one, None)] * 2  # type: ignore[arg-type]
        for each in (one, two):
            await each.shared.flush()
        assert await two.enter() == "BYTES_LIMIT"
        two.admission.admit_session(key())
        two.sessions += [FakeSession(two, None)]  # type: ignore[arg-type]
        with pytest.raises(LimitReached):
            two.admission.admit_session(key())


async def test_without_redis(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each hub counts for itself, and says so; when Redis is back, they count together again by themselves."""
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(redis_connection, "PAUSE_SECONDS", 0.2)
    monkeypatch.setattr(shared, "FLUSH_SECONDS", 0.05)
    with tempfile.TemporaryDirectory(prefix="redis") as name:
        root = Path(name)
        async with contextlib.AsyncExitStack() as stack:
            server = await stack.enter_async_context(redis(root))
            hub = Replica(root, limit(concurrent=2))
            running = asyncio.create_task(hub.limits.run())
            first = await hub.enter()
            assert hub.limits.state(1).store == "shared"
            server.kill()
            await server.wait()
            second = await hub.enter()
            assert codes([first, second, await hub.enter()]) == ["ok", "ok", "TOO_MANY_CALLS"]
            assert hub.limits.state(1).store == "shared_away"
            assert (trouble := hub.limits.trouble())
            assert trouble.code == "LIMITS_UNAVAILABLE"
            assert not hub.admission.gates[0].try_enter(Place.call(hub, key()))  # type: ignore[arg-type]
            for call in (first, second):
                hub.end(call)
            assert hub.admission.gates[0].try_enter(Place.call(hub, key())), "the direct way"  # type: ignore[arg-type]
            (root / "redis.sock").unlink(missing_ok=True)
            await stack.enter_async_context(redis(root))
            await until(lambda: hub.shared.reachable)
            assert codes([await hub.enter(), await hub.enter()]) == ["ok", "ok"]
            assert hub.reachable == [True, False, True]
            assert hub.limits.trouble() is None
            running.cancel()
            await asyncio.wait([running])
    said = [record.getMessage() for record in caplog.records if "limits are counted" in record.getMessage()]
    assert said == [
        "limits are counted by this process alone: Redis does not answer",
        "limits are counted in Redis again",
    ]


async def test_a_request_that_is_given_up() -> None:
    """Its client cancels it while Redis is asked: its place is free again."""
    async with replicas(limit(concurrent=1)) as (one, two):
        asking = asyncio.create_task(one.enter())
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait([asking])
        await one.shared.flush()
        assert not one.shared._leases
        assert codes([await two.enter()]) == ["ok"]
