"""Servers that only one replica runs, with leases in a real PostgreSQL."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from itertools import pairwise

import asyncpg
import psutil

from bridge.models import ServerStatus, Status
from sidecar.placement.leases import StoreFailed
from sidecar.placement.postgresql import PostgresLeases
from tests.support.postgres import Postgres
from tests.support.sidecar import Sidecar, mock, running, workspace

CONTESTS = int(os.environ.get("LEASE_CONTESTS", "100"))
"""1000 for the whole test; in CI, fewer."""
END_ALL = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND state = 'idle'"


async def test_two_holders_never_both(postgres: Postgres, schema: str) -> None:
    """Contests of two holders, whose connections the database ends now and then; the epoch grows with the holder."""
    inside: set[str] = set()
    won: list[tuple[str, int]] = []
    chance = random.Random(CONTESTS)
    admin = await asyncpg.connect(postgres.url())

    async def contend(name: str) -> None:
        leases = PostgresLeases(postgres.url(), schema, name, name)
        while len(won) < CONTESTS:
            try:
                if answer := (await leases.acquire("a", 0.5)).epoch:
                    assert not inside
                    inside.add(name)
                    won.append((name, answer))
                    await asyncio.sleep(chance.uniform(0, 0.004))
                    inside.remove(name)
                    if chance.random() < 0.02:
                        await admin.execute(END_ALL)
                    await leases.release(["a"])
            except StoreFailed:
                continue
            await asyncio.sleep(chance.uniform(0, 0.004))
        await leases.close()

    try:
        await asyncio.gather(contend("one"), contend("two"))
    finally:
        await admin.close()
    assert {name for name, _ in won} == {"one", "two"}
    epochs = [epoch for _, epoch in won]
    assert epochs == sorted(epochs)
    assert all(x[1] < y[1] for x, y in pairwise(won) if x[0] != y[0])


def state_of(status: Status) -> ServerStatus:
    """The server `a`."""
    return next(each for each in status.servers if each.key == "a")


async def until(sidecar: Sidecar, state: str) -> ServerStatus:
    """Wait until the server `a` is in that state."""
    return state_of(await sidecar.wait_status(lambda status: state_of(status).state == state, state))


async def test_one_of_two_sidecars_runs_it(postgres: Postgres, schema: str) -> None:
    """The other shows where it runs, refuses calls, and takes it over when the first has gone."""
    items = mock("a", placement="one"), workspace("w", mock("a"))
    database = {"HUB_CONFIG_DATABASE": postgres.url(), "HUB_CONFIG_SCHEMA": schema}
    admin = await asyncpg.connect(postgres.url())
    try:
        async with running(*items, HUB_REPLICA="r1", **database) as one:
            assert (await until(one, "ready")).pids
            async with running(*items, HUB_REPLICA="r2", **database) as two:
                found = await until(two, "elsewhere")
                assert found.reason
                assert found.reason.code == "SERVER_PLACED_ELSEWHERE"
                assert "'r1'" in found.reason.message
                assert not found.pids
                await one.kill("sidecar", signal.SIGKILL)
                await admin.execute(f"UPDATE {schema}.leases SET until = clock_timestamp()")  # 20 s have passed
                taken = await until(two, "ready")
                assert all(psutil.Process(pid).environ()["YAMCP_HUB_LEASE_EPOCH"] == "2" for pid in taken.pids)
                # its lease is somebody else's, as after a long outage: it stops the server
                await admin.execute(f"UPDATE {schema}.leases SET holder = 'x', until = 'infinity'")
                assert not (await until(two, "elsewhere")).pids
                assert not any(psutil.pid_exists(pid) for pid in taken.pids)
    finally:
        await admin.close()
