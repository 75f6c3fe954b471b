"""Replicas of a hub that write their histories to one PostgreSQL schema."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.client import BridgeClient
from bridge.history.spool import drop
from bridge.models import ReadCalls, ReadChanges, ReadRecordedSessions, ReadRecordsStatus, ReadUsage
from bridge.settings import Settings
from bridge.sockets import ZMQ
from recorder.batch import Batch, NewCall, NewChange, NewSession, SessionEnd
from recorder.errors import StoreInUse
from recorder.sql.postgres import PostgresDatabase
from recorder.sql.sql_store import SqlStore
from recorder.store import RETAIN_STEP
from tests.support.postgres import Postgres
from tests.support.store_contract import NOW, call


@contextlib.asynccontextmanager
async def stores(postgres: Postgres, schema: str, *names: str) -> AsyncIterator[list[SqlStore]]:
    """Open stores of replicas, which share a schema."""
    found = [SqlStore(PostgresDatabase(postgres.url(), schema, name), lambda: NOW, name) for name in names]
    try:
        await asyncio.gather(*(store.open() for store in found))
        yield found
    finally:
        for store in found:
            await store.close()


async def test_replicas_write_one_list(postgres: Postgres, schema: str) -> None:
    """Ids are unique and become visible in order, sums are those of all, and each record names its replica."""
    rounds, size, names = 25, 20, ("r0", "r1", "r2")
    async with stores(postgres, schema, *names) as opened:

        async def write(store: SqlStore, name: str) -> None:
            for number in range(rounds):
                batch = [call(NOW - 100 + number, correlation=f"{name}-{number}-{each}") for each in range(size)]
                await store.append(Batch(calls=batch, positions={f"spool-{name}": number + 1}))

        async def follow(store: SqlStore) -> list[int]:
            found: list[int] = []
            while len(found) < rounds * size * len(names):
                page = await store.read_calls(ReadCalls(after=found[-1] if found else 0, limit=500))
                found += [each.id for each in page.calls]
            return found

        async with asyncio.timeout(60):
            followed, *_ = await asyncio.gather(follow(opened[0]), *map(write, opened, names))
        assert followed == list(range(1, rounds * size * len(names) + 1))
        status = await opened[1].status()
        assert (status.calls, status.replicas) == (len(followed), names)
        assert await opened[2].positions() == {f"spool-{name}": rounds for name in names}
        for name in names:
            found = (await opened[0].read_calls(ReadCalls(replica=name, limit=500))).calls
            assert len(found) == rounds * size
            assert {(each.replica, each.correlation.partition("-")[0]) for each in found} == {(name, name)}
        usage = await opened[0].read_usage(ReadUsage(range="hour", by="replica"), NOW)
        assert {each.name: each.calls for each in usage.totals} == {"": len(followed)} | dict.fromkeys(
            names, rounds * size
        )


async def test_each_name_has_one_writer(postgres: Postgres, schema: str) -> None:
    """A second hub of the same name is refused, and a hub without a name shares its schema with nobody."""
    async with stores(postgres, schema, "r0", "r1"):
        for name, reason, hint in (
            ("r0", "another hub named r0", "HUB_REPLICA of its own"),
            ("", schema, "HUB_REPLICA"),
        ):
            with pytest.raises(StoreInUse, match=reason) as caught:
                async with stores(postgres, schema, name):
                    pass
            assert hint in caught.value.advice
    async with stores(postgres, schema, ""):
        with pytest.raises(StoreInUse, match="a hub without a name"):
            async with stores(postgres, schema, "r0"):
                pass


async def test_a_session_goes_on_at_another_replica(postgres: Postgres, schema: str) -> None:
    """The one that it left may tell of its end later than the other of its beginning there."""
    session = NewSession("s1", "demo", "ann", "http", "c 1", NOW)
    async with stores(postgres, schema, "r0", "r1") as (left, resumed):
        await left.append(Batch(sessions=[session], calls=[call(session="s1")]))
        await resumed.append(Batch(sessions=[session._replace(began=NOW + 5)], calls=[call(session="s1")]))
        await left.append(Batch(ended=[SessionEnd("s1", NOW + 4)]))
        [found] = (await left.read_recorded_sessions(ReadRecordedSessions(replica="r1"))).sessions
        assert (found.began, found.ended, found.calls, found.replica) == (NOW, None, 2, "r1")


async def test_replicas_delete_old_records_once(postgres: Postgres, schema: str) -> None:
    """All at the same time; the number of stored calls stays right, and new records of all remain."""
    async with stores(postgres, schema, "r0", "r1") as opened:
        old = [call(NOW - 900 - number) for number in range(3 * RETAIN_STEP)]
        change = NewChange(NOW, "ann", "console", "put_server", "s", "", "a", "b")
        await opened[0].append(Batch(calls=[*old, call()], changes=[change]))
        await opened[1].append(Batch(calls=[call()], changes=[change]))

        async def retain(store: SqlStore) -> None:
            while await store.retain(NOW - 500, 2**50):
                pass

        await asyncio.gather(*map(retain, opened))
        assert [each.replica for each in (await opened[0].read_calls(ReadCalls())).calls] == ["r1", "r0"]
        assert (await opened[0].status()).calls == 2
        assert {each.replica for each in (await opened[0].read_changes(ReadChanges())).changes} == {"r0", "r1"}


async def test_a_hub_that_gets_a_name_stores_nothing_twice(postgres: Postgres, schema: str) -> None:
    """It knows its files of the spool from before; records from then have no name."""
    batch = Batch(calls=[call()], positions={"spool": 7})
    async with stores(postgres, schema, "") as (store,):
        await store.append(batch)
    async with stores(postgres, schema, "r0", "r1") as (store, other):
        await other.append(Batch(finished=frozenset(await other.positions())))  # none of them is a file of its own
        await store.append(batch)
        await store.append(Batch(calls=[call()], positions={"spool": 9}))
        assert [each.replica for each in (await other.read_calls(ReadCalls())).calls] == ["r0", ""]
        await store.append(Batch(finished=frozenset({"spool"})))
        assert await store.positions() == {}


class Recorder:
    """A recorder process of a replica."""

    def __init__(self, directory: Path, url: str, schema: str, name: str) -> None:
        given = {"data_dir": directory / name, "runtime_dir": directory / name / "run", "replica": name}
        self.settings = Settings(**given, database_url=url, database_schema=schema)  # type: ignore[arg-type]
        fields = {key: str(value) for key, value in given.items()} | {"database_url": url, "database_schema": schema}
        self._env = os.environ | {f"HUB_{key.upper()}": value for key, value in fields.items()}
        self._process = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-m", "recorder"], env=self._env)

    def write(self, correlation: str) -> None:
        """The hub leaves a call in its spool."""
        line = _line(call(correlation=correlation))
        assert drop(self.settings.spool_dir, "sidecar", line, 10**7)

    def kill(self) -> None:
        """Kill it (SIGKILL), if it runs."""
        self._process.kill()
        self._process.wait()

    def start(self) -> None:
        """Start it again."""
        self._process = self._started()

    def client(self) -> BridgeClient:
        """A connection to its socket."""
        return BridgeClient(self.settings.records_address, transport=ZMQ)


def _line(new: NewCall) -> dict[str, object]:
    """The call as the sidecar writes it."""
    fields = ("ended", "seconds", "sender", "workspace", "method", "server", "tool", "number", "era", "outcome")
    row = (new.at, new.seconds, 0, new.workspace, new.method, new.server, new.tool, 1, new.era, new.outcome)
    senders = {"sender_fields": ["session", "principal", "transport", "correlation"]}
    return {**senders, "fields": fields, "senders": [("", "ann", "http", new.correlation)], "calls": [row]}


async def seen(client: BridgeClient, number: int) -> dict[str, str]:
    """The replicas by correlation id, once there are so many calls: whoever waits is told of those of others, too."""
    found: dict[str, str] = {}
    after = 0
    while len(found) < number:
        page = await client.request(ReadCalls(after=after, wait=20), timeout=40)
        found |= {each.correlation: each.replica for each in page.calls}
        after = page.last
    return found


async def test_records_of_a_killed_recorder_remain(postgres: Postgres, schema: str, tmp_path: Path) -> None:
    """They are shown at the other; what the killed one had not stored waits, and is stored when it is back."""
    recorders = [Recorder(tmp_path, postgres.url(), schema, name) for name in ("r0", "r1")]
    killed, other = recorders
    try:
        async with asyncio.timeout(60), other.client() as client:
            killed.write("a")
            other.write("b")
            assert await seen(client, 2) == {"a1": "r0", "b1": "r1"}
            killed.kill()
            killed.write("c")
            other.write("d")
            assert await seen(client, 3) == {"a1": "r0", "b1": "r1", "d1": "r1"}
            killed.start()
            assert await seen(client, 4) == {"a1": "r0", "b1": "r1", "d1": "r1", "c1": "r0"}
            status = await client.request(ReadRecordsStatus(), timeout=10)
            assert (status.replica, status.replicas, status.calls) == ("r1", ("r0", "r1"), 4)
    finally:
        for each in recorders:
            each.kill()
