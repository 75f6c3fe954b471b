"""Leases in Kubernetes, with an API server over HTTPS: conflicts, failures, clocks, and contests of several holders."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path

import pytest

from bridge.errors import SettingInvalid
from sidecar.placement import kubernetes
from sidecar.placement.kubernetes import KubernetesLeases, api_address
from sidecar.placement.leases import Answer, StoreFailed
from tests.support.lease_api import LeaseApi, service_account
from tests.support.leases import Clock
from tests.support.tls import Pair, certificate

pytestmark = pytest.mark.outside
CONTESTS = int(os.environ.get("LEASE_CONTESTS", "30"))
"""1000 for the whole test; in CI, fewer."""
TTL = 20.0


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """The certificate of the API server."""
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def api() -> LeaseApi:
    """The API server."""
    return LeaseApi()


Holder = Callable[..., KubernetesLeases]


@pytest.fixture
async def holder(api: LeaseApi, pair: Pair, tmp_path: Path) -> AsyncIterator[Holder]:
    """Makes replicas, each of which has a clock of its own."""
    account, made = service_account(tmp_path, pair), list[KubernetesLeases]()
    async with api.serving(pair) as address:

        def make(replica: str, clock: Callable[[], float], at: str = address) -> KubernetesLeases:
            made.append(KubernetesLeases(at, "hub", "0" * 32, replica, account, clock))
            return made[-1]

        yield make
        for each in made:
            await each.close()


async def test_one_has_it_until_it_gives_it_back(holder: Holder, api: LeaseApi) -> None:
    """The epoch grows with each holder, and only then; another process of the same replica is another holder."""
    one, two = holder("r1", Clock()), holder("r2", Clock())
    assert await one.taker("A server!") == ""
    assert await one.acquire("A server!", TTL) == Answer(1, "r1")
    assert await one.acquire("A server!", TTL) == Answer(1, "r1")
    assert await two.acquire("A server!", TTL) == Answer(0, "r1")
    assert (await two.taker("A server!"), await one.taker("A server!")) == ("r1", "")
    assert await one.renew(["A server!"], TTL) == {"A server!": True}
    assert await two.renew(["A server!"], TTL) == {"A server!": False}
    await two.release(["A server!"])
    assert await two.acquire("A server!", TTL) == Answer(0, "r1")
    await one.release(["A server!"])
    assert await two.taker("A server!") == ""
    assert await two.acquire("A server!", TTL) == Answer(2, "r2")
    assert await one.renew(["A server!"], TTL) == {"A server!": False}
    ((name, lease),) = api.objects.items()
    assert name.startswith("hub-a-server-")
    assert lease["metadata"]["annotations"] == {"yamcp-hub-server": "A server!"}


async def test_the_end_is_what_each_sees_by_its_own_clock(holder: Holder) -> None:
    """Clocks differ by hours, and only the time in which nobody renews counts."""
    ours, theirs = Clock(), Clock()
    theirs.now += 7200
    one, two = holder("r1", ours), holder("r2", theirs)
    await one.acquire("a", TTL)
    for _ in range(3):  # it renews, and so it is never over
        assert await two.acquire("a", TTL) == Answer(0, "r1")
        theirs.now += TTL - 1
        await one.renew(["a"], TTL)
    assert await two.acquire("a", TTL) == Answer(0, "r1")
    theirs.now += TTL - 1
    assert (await two.acquire("a", TTL), await two.taker("a")) == (Answer(0, "r1"), "r1")
    theirs.now += 1
    assert await two.taker("a") == ""
    assert await two.acquire("a", TTL) == Answer(2, "r2")
    assert await one.acquire("a", TTL) == Answer(0, "r2")


async def test_changes_of_others(holder: Holder, api: LeaseApi) -> None:
    """Who only annotates the object takes nothing away; who writes another holder, or deletes it, does."""
    one = holder("r1", Clock())
    await one.acquire("a", TTL)
    api.change(leaseDurationSeconds=15)
    assert await one.renew(["a"], TTL) == {"a": True}
    assert api.answers[-3:] == [("PUT", 409), ("GET", 200), ("PUT", 200)]
    api.change(holderIdentity="r9_x")
    assert await one.renew(["a"], TTL) == {"a": False}
    api.change(holderIdentity=None)
    assert await one.acquire("a", TTL) == Answer(2, "r1")
    api.objects.clear()
    assert await one.renew(["a"], TTL) == {"a": False}
    assert await one.acquire("a", TTL) == Answer(1, "r1")


async def test_an_api_server_that_fails(
    holder: Holder, api: LeaseApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason is told; a request that was carried out without an answer is known later."""
    one = holder("r1", Clock())
    away = holder("r2", Clock(), "https://127.0.0.1:1")
    with pytest.raises(StoreFailed, match=r"at 127\.0\.0\.1:1 cannot be asked"):
        await away.acquire("a", TTL)
    api.broken = True
    with pytest.raises(StoreFailed, match=r"Lease 'hub-a-.*' with HTTP 500 etcd does not answer"):
        await one.acquire("a", TTL)
    api.broken = False
    monkeypatch.setattr(kubernetes, "COMMAND_SECONDS", 0.2)
    api.mute.add("POST")
    with pytest.raises(StoreFailed, match="has not answered within"):
        await one.acquire("a", TTL)
    monkeypatch.undo()
    api.mute.clear()
    assert await one.acquire("a", TTL) == Answer(1, "r1")
    (tmp_path / "token").write_text("an old one")
    with pytest.raises(StoreFailed, match="HTTP 401 Unauthorized"):
        await one.renew(["a"], TTL)
    (tmp_path / "token").unlink()
    with pytest.raises(StoreFailed, match="No such file"):
        await one.renew(["a"], TTL)


async def test_several_servers(holder: Holder, api: LeaseApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their leases are renewed at the same time; after an outage all of them are."""
    one, keys = holder("r1", Clock()), {f"s{number}" for number in range(20)}
    for key in keys:
        assert (await one.acquire(key, TTL)).epoch == 1
    assert await one.renew(keys, TTL) == dict.fromkeys(keys, True)
    monkeypatch.setattr(kubernetes, "COMMAND_SECONDS", 0.2)
    api.mute.add("PUT")
    with pytest.raises(StoreFailed, match="has not answered within"):
        await one.renew(keys, TTL)
    monkeypatch.undo()
    api.mute.clear()
    assert await one.renew(keys, TTL) == dict.fromkeys(keys, True)
    await one.release(keys)
    assert not any("holderIdentity" in lease["spec"] for lease in api.objects.values())


async def test_one_lease_that_fails(holder: Holder, api: LeaseApi) -> None:
    """The others are renewed, and nothing is said of it."""
    one = holder("r1", Clock())
    for key in ("a", "b"):
        await one.acquire(key, TTL)
    broken = next(lease for name, lease in api.objects.items() if name.startswith("hub-a-"))
    broken["metadata"]["resourceVersion"] = None
    assert await one.renew(["a", "b"], TTL) == {"b": True}
    with pytest.raises(StoreFailed, match="Lease 'hub-a-"):
        await one.renew(["a"], TTL)


async def test_a_server_of_another_authority(holder: Holder, api: LeaseApi, tmp_path: Path) -> None:
    """It gets no token."""
    other = certificate(tmp_path, "other")
    async with api.serving(other) as address:
        with pytest.raises(StoreFailed, match="CERTIFICATE_VERIFY_FAILED"):
            await holder("r1", Clock(), address).acquire("a", TTL)
    assert api.answers == []


async def test_contests(holder: Holder, api: LeaseApi) -> None:
    """Of three holders at the same time, with answers that come late and clocks that differ: never two."""
    chance = random.Random(CONTESTS)
    inside: set[str] = set()
    won: list[tuple[str, int]] = []

    async def contend(name: str, leases: KubernetesLeases) -> None:
        while len(won) < CONTESTS:
            try:
                answer = await leases.acquire("a", TTL)
            except StoreFailed:  # the others were faster, again and again
                continue
            if not answer.epoch:
                await asyncio.sleep(0)
                continue
            assert not inside
            inside.add(name)
            won.append((name, answer.epoch))
            api.late = chance.choice((0.0, 0.001))
            if chance.random() < 0.1:
                assert await leases.renew(["a"], TTL) == {"a": True}
            inside.remove(name)
            await leases.release(["a"])

    names = ("r1", "r2", "r3")
    await asyncio.gather(*(contend(name, holder(name, Clock())) for name in names))
    assert {name for name, _ in won} == set(names)
    epochs = [epoch for _, epoch in won]
    assert all(x < y for x, y in pairwise(epochs))
    assert {status for _, status in api.answers} >= {200, 201, 409}


@pytest.mark.parametrize("seed", range(5))
async def test_never_two_in_partitions(
    holder: Holder, api: LeaseApi, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A holder that cannot renew knows when its lease ends; nobody gets it before, whatever the clocks say."""
    chance = random.Random(seed)
    clocks = [Clock(), Clock()]
    clocks[1].now += chance.uniform(-1e6, 1e6)
    replicas = [holder(f"r{number}", clock) for number, clock in enumerate(clocks)]
    until = [float("-inf")] * 2
    away = [False, False]
    monkeypatch.setattr(
        kubernetes.KubernetesLeases, "_send", _parted(replicas, away, kubernetes.KubernetesLeases._send)
    )
    ran = set[int]()
    for _ in range(300):
        passed = chance.uniform(0, TTL / 4)
        for clock in clocks:
            clock.now += passed
        number = chance.randrange(2)
        away[number] ^= chance.random() < 0.1
        began = clocks[number].now
        try:
            if until[number] > began:
                done = (await replicas[number].renew(["a"], TTL))["a"]
            else:
                done = (await replicas[number].acquire("a", TTL)).epoch > 0
        except StoreFailed:
            continue
        if done:
            until[number] = began + TTL
            ran.add(number)
        assert not all(end > clock.now for end, clock in zip(until, clocks, strict=True))
    assert ran == {0, 1}


def _parted(replicas: list[KubernetesLeases], away: list[bool], send: Callable[..., object]) -> Callable[..., object]:
    """The requests of replicas, of which those that are away reach nobody."""

    async def sent(self: KubernetesLeases, *words: object) -> object:
        if away[replicas.index(self)]:
            raise StoreFailed("It is away.")
        return await send(self, *words)  # type: ignore[misc]

    return sent


def test_the_address_of_the_api_server() -> None:
    """As Kubernetes tells it; outside of a pod there is none."""
    assert (
        api_address({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "6443"})
        == "https://10.0.0.1:6443"
    )
    assert api_address({"KUBERNETES_SERVICE_HOST": "fd00::1"}) == "https://[fd00::1]:443"
    with pytest.raises(SettingInvalid, match="runs in no pod"):
        api_address({})
