"""Leases, with a store and clocks that the tests move: never two holders, whatever fails."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack, suppress

import pytest

from sidecar.placement.errors import PlacedElsewhere, PlacementUnavailable
from sidecar.placement.leases import (
    RENEW_SECONDS,
    STOP_SECONDS,
    TTL_SECONDS,
    LeaseKeeper,
    NoPlacement,
    StoreFailed,
)
from tests.support.leases import Clock, MemoryLeases, Rows


class Replica:
    """A keeper whose server `a` runs while `changed` does not end it."""

    def __init__(self, name: str, clock: Clock, rows: Rows) -> None:
        self.store = MemoryLeases(clock, rows, name)
        self.wanted = {"a"}
        self.changes: list[str] = []
        self._clock = clock
        self._server: AsyncExitStack | None = None
        self.begin()

    def begin(self) -> None:
        """Have a new process."""
        self.keeper = LeaseKeeper(self.store, lambda: self.wanted, self.changes.append, self._clock)

    @property
    def runs(self) -> bool:
        """Whether the server runs here."""
        return self._server is not None

    async def start(self) -> int:
        """Start the server; returns the epoch. Raises PlacedElsewhere."""
        async with AsyncExitStack() as stack:
            epoch = await stack.enter_async_context(self.keeper.running("a"))
            self._server = stack.pop_all()
            return epoch

    async def stop(self) -> None:
        """The server has ended."""
        server, self._server = self._server, None
        if server:
            await server.aclose()


@pytest.fixture
def clock() -> Clock:
    """The database's and everybody's."""
    return Clock()


@pytest.fixture
def pair(clock: Clock) -> tuple[Replica, Replica]:
    """Two replicas with one database."""
    rows: Rows = {}
    return Replica("r1", clock, rows), Replica("r2", clock, rows)


async def test_one_runs_it_until_it_gives_it_back(pair: tuple[Replica, Replica]) -> None:
    """The epoch grows with each holder, and only then."""
    one, two = pair
    assert await one.start() == 1
    with pytest.raises(PlacedElsewhere, match="'r1'") as caught:
        await two.start()
    assert caught.value.data == {"server": "a", "replica": "r1"}
    await two.keeper.renew()
    assert two.changes == []
    await one.stop()
    assert await one.start() == 1
    await one.stop()
    one.wanted.clear()
    await one.keeper.renew()
    await two.keeper.renew()
    assert two.changes == ["a"]
    assert await two.start() == 2


async def test_a_holder_without_the_database_stops_before_another_starts(
    pair: tuple[Replica, Replica], clock: Clock
) -> None:
    """It goes on through a short outage, and ends in time in a long one."""
    one, two = pair
    await one.start()
    one.store.away = True
    clock.now += STOP_SECONDS - 1
    one.keeper.look()
    assert one.changes == []
    clock.now += 1
    one.keeper.look()
    assert one.changes == ["a"]
    with pytest.raises(PlacedElsewhere):
        await two.start()
    with pytest.raises(PlacementUnavailable, match="still ends here"):
        await one.start()
    await one.stop()
    one.keeper.look()
    with pytest.raises(PlacementUnavailable, match="It is away"):
        await one.start()
    clock.now += TTL_SECONDS - STOP_SECONDS
    assert await two.start() == 2
    one.store.away = False
    await one.keeper.renew()
    assert one.changes == ["a"]


async def test_a_lease_that_somebody_took_away_is_lost_at_once(pair: tuple[Replica, Replica], clock: Clock) -> None:
    """As after a restore of the database."""
    one, _ = pair
    await one.start()
    one.store._rows["a"] = "other", 9, clock() + 100
    await one.keeper.renew()
    assert one.changes == ["a"]


async def test_a_lease_without_an_answer_goes_on_until_its_time(pair: tuple[Replica, Replica], clock: Clock) -> None:
    """Others are renewed meanwhile."""
    one, _ = pair
    one.wanted.add("b")
    await one.start()
    await one.keeper.renew()
    one.store.unknown = {"a"}
    clock.now += STOP_SECONDS - 1
    await one.keeper.renew()
    one.keeper.look()
    assert one.keeper.holds("a") and one.keeper.holds("b")
    clock.now += 1
    one.keeper.look()
    assert (one.keeper.holds("a"), one.keeper.holds("b")) == (False, True)


async def test_at_the_end_leases_are_given_back(pair: tuple[Replica, Replica]) -> None:
    """Once the servers have ended."""
    one, two = pair
    running = asyncio.create_task(one.keeper.run())
    while not one.changes:  # noqa: ASYNC110
        await asyncio.sleep(0)
    await one.start()
    running.cancel()
    await asyncio.sleep(0)
    await one.stop()
    await asyncio.wait([running])
    assert await two.start() == 2


async def test_a_replica_without_a_database_runs_it_not() -> None:
    """Since another one may."""
    with pytest.raises(PlacementUnavailable, match="neither HUB_CONFIG_DATABASE nor HUB_PLACEMENT is set"):
        async with NoPlacement().running("a"):
            pass


@pytest.mark.parametrize("seed", range(20))
async def test_never_two(
    pair: tuple[Replica, Replica], clock: Clock, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In whatever order databases go, replicas look and leave, and servers end, as long as these take less than
    STOP_SECONDS."""
    monkeypatch.setattr("sidecar.placement.leases.FOLLOW_SECONDS", 0.0)
    chance, ran = random.Random(seed), set()
    lost: dict[Replica, float] = {}
    for _ in range(1500):
        clock.now += chance.uniform(0, RENEW_SECONDS / 4)
        for replica in pair:
            if chance.random() < 0.1:
                replica.store.away = not replica.store.away
            replica.keeper.look()
            if chance.random() < 0.01:
                replica.keeper.give_up(lambda _: False)
            elif chance.random() < 0.05 and not replica.runs:
                replica.begin()
            if chance.random() < 0.3:
                with suppress(StoreFailed):
                    await replica.keeper.renew()
            if replica.changes and replica.runs:
                lost.setdefault(replica, clock.now + chance.uniform(0, STOP_SECONDS - RENEW_SECONDS))
            if replica in lost and clock.now >= lost[replica]:
                await replica.stop()
                del lost[replica]
            if not replica.runs and chance.random() < 0.5:
                replica.changes.clear()
                with suppress(PlacedElsewhere):
                    await replica.start()
                    ran.add(replica)
        assert not all(replica.runs for replica in pair)
    assert ran


async def test_those_who_use_it_elsewhere_follow_it(pair: tuple[Replica, Replica], clock: Clock) -> None:
    """A replica is told once when another one than before gets the lease, if it uses servers there."""
    one, two = pair
    three = Replica("r3", clock, one.store._rows)
    told: list[str] = []
    three.keeper.watchers.append(told.append)
    await one.start()
    with pytest.raises(PlacedElsewhere):
        await three.start()
    await three.keeper.renew()
    assert told == three.changes == []
    clock.now += TTL_SECONDS
    await two.start()
    for _ in range(2):
        await three.keeper.renew()
        assert told == three.changes == ["a"]
    assert not three.keeper.holds("a")
    clock.now += TTL_SECONDS
    await three.keeper.renew()
    assert three.keeper.holds("a")
    assert told == three.changes == ["a", "a"]


async def test_a_replica_that_leaves_gives_its_servers_up(pair: tuple[Replica, Replica]) -> None:
    """Once no request is in progress, and after the server has ended; then it follows who takes it over."""
    one, two = pair
    busy = True
    keeping = asyncio.create_task(one.keeper.run())
    await one.start()
    one.changes.clear()
    one.keeper.give_up(lambda _: busy)
    assert one.changes == []
    assert one.keeper.holds("a")
    assert not await one.keeper.given_up("a")
    busy = False
    one.keeper.give_up(lambda _: busy)
    assert one.changes == ["a"]
    assert not one.keeper.holds("a")
    free = asyncio.create_task(one.keeper.given_up("a"))
    with pytest.raises(PlacedElsewhere, match="'r1'"):
        await two.start()
    assert not free.done()
    await one.stop()
    following = asyncio.create_task(one.start())
    assert await free
    assert await two.start() == 2
    with pytest.raises(PlacedElsewhere, match="'r2'"):
        await following
    keeping.cancel()
    await asyncio.wait([keeping])


async def test_a_replica_that_leaves_takes_nothing(
    pair: tuple[Replica, Replica], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if nobody else runs the server; it says so after some seconds."""
    monkeypatch.setattr("sidecar.placement.leases.FOLLOW_SECONDS", 0.0)
    one, _ = pair
    one.keeper.give_up(lambda _: False)
    with pytest.raises(PlacementUnavailable, match="about to stop, and no other one runs"):
        await one.start()
    one.store.away = True
    with pytest.raises(PlacementUnavailable, match="It is away"):
        await one.start()


async def test_a_lease_that_cannot_be_given_back_ends_in_time(pair: tuple[Replica, Replica], clock: Clock) -> None:
    """The others get it then."""
    one, two = pair
    await one.start()
    one.keeper.give_up(lambda _: False)
    await one.stop()
    one.store.away = True
    with suppress(StoreFailed):
        await one.keeper.renew()
    assert not await one.keeper.given_up("a")
    with pytest.raises(PlacedElsewhere):
        await two.start()
    clock.now += TTL_SECONDS
    assert await two.start() == 2
