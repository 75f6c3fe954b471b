"""A Redis that answers with something else, or to some only; what is counted there is given back in any case."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import SecretStr
from redis.exceptions import ConnectionError as RedisAway

from bridge.models.access_file import AccessLimit
from bridge.settings import Settings
from sidecar import redis_connection
from sidecar.admission.admission import Admission
from sidecar.quotas import shared
from sidecar.quotas.on_demand import Limits
from tests.support.fake_server import until
from tests.unit.sidecar.quotas.test_quotas import Place, key, limit


class FakeRedis:
    """Stands for the client: `answer` gets each script, `pipeline` answers with `answers`."""

    def __init__(self) -> None:
        self.answers: list[Any] = [(1.0, 0)]
        self.given: list[Any] = []

    async def answer(self, keys: list[str], arguments: list[Any]) -> Any:
        """Answer to the script."""
        found = self.given.pop(0) if self.given else [b"", b"0"]
        if isinstance(found, asyncio.Future):
            found = await found
        if isinstance(found, Exception):
            raise found
        return found

    def pipeline(self, **_: Any) -> FakeRedis:
        """Itself."""
        return self

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None

    async def execute(self) -> Any:
        """What it answers to the task."""
        return self.answers


class Counted:
    """The gates of a hub whose counts are kept in a `FakeRedis`."""

    def __init__(self, *entries: AccessLimit) -> None:
        self.redis, self.admission, self.reachable = FakeRedis(), Admission(), list[bool]()
        settings = Settings(limits_url=SecretStr("redis://127.0.0.1:1"))
        gates = self.admission, Admission()
        self.limits = Limits(settings, *gates, list, lambda *_: None, self.reachable.append)
        self.limits.apply(entries)
        assert self.limits.quotas is not None
        self.shared: Any = self.limits.quotas.shared
        self.shared._redis, self.shared._enter = self.redis, self.redis.answer

    def clients(self) -> list[Any]:
        """No sessions."""
        return []

    def call(self) -> Any:
        """A call of a tool."""
        return Place.call(self, key())  # type: ignore[arg-type]


async def test_it_answers_to_some_only() -> None:
    """One request gets no answer, one that was sent before gets its own after that: nobody is refused for it."""
    hub = Counted(limit(concurrent=10))
    late: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    hub.redis.given = [late, RedisAway("gone")]
    first = asyncio.create_task(hub.admission.enter(hub.call()))
    await asyncio.sleep(0)
    await hub.admission.enter(hub.call())
    assert not hub.shared.reachable
    late.set_result([b"", b"0"])
    await first
    await hub.admission.enter(hub.call())
    assert hub.reachable[-1] == hub.shared.reachable


@pytest.mark.parametrize("answer", [5, [b"", b"soon"], [b"\xff", b"0"], [b""], {}, None])
async def test_it_answers_a_request_with_something_else(answer: Any) -> None:
    """Another program has the same keys, or a proxy answers: this process counts alone, and the request is served."""
    hub = Counted(limit(concurrent=1))
    hub.redis.given = [answer]
    await hub.admission.enter(hub.call())
    assert hub.reachable == [True, False]
    assert not hub.admission.try_enter(hub.call()), "it was counted here"


@pytest.mark.parametrize("answers", [[], [None], [("x", 1)], [(1.0, 0), 1, 1, {b"other": b"many"}], [5, 1, 1, {}]])
async def test_it_answers_the_task_with_something_else(answers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The task goes on: it would end the hub otherwise."""
    monkeypatch.setattr(shared, "FLUSH_SECONDS", 0)
    monkeypatch.setattr(redis_connection, "PAUSE_SECONDS", 0)
    hub = Counted(limit(sessions=1))
    hub.redis.answers = answers
    asked = 0

    async def execute() -> Any:
        nonlocal asked
        asked += 1
        return hub.redis.answers

    hub.redis.execute = execute  # type: ignore[method-assign]
    running = asyncio.create_task(hub.limits.run())
    await until(lambda: asked >= 3 or running.done())
    assert not running.done()
    running.cancel()
    await asyncio.wait([running])


async def test_limits_that_are_removed_meanwhile() -> None:
    """The leases of the calls in progress end, as nobody would tell of their end; also of one that is being asked."""
    hub = Counted(limit(concurrent=3))
    call = hub.call()
    await hub.admission.enter(call)
    late: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    hub.redis.given = [late]
    asking = asyncio.create_task(hub.admission.enter(hub.call()))
    await asyncio.sleep(0)
    hub.limits.apply(())
    late.set_result([b"", b"0"])
    await asking
    assert not hub.shared._leases
    assert hub.limits.quotas is not None
    assert not hub.limits.quotas._held


def test_a_clock_that_was_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that is given back gives back its own interval at most."""
    given: list[float] = []
    hub = Counted(limit(requests_per_second=0.5, burst=3))
    monkeypatch.setattr(hub.redis, "hincrbyfloat", lambda _, __, value: given.append(value), raising=False)
    assert hub.limits.quotas is not None
    account = hub.limits.quotas.account_of(key())
    assert account is not None
    monkeypatch.setattr(shared.time, "time", lambda: 1000.0)
    shared._give_back(hub.redis, account.general, 5000.0, False)
    assert given == [-2.0]
