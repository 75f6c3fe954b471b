"""The history in PostgreSQL: the contract of stores, and what only a server can do to a hub."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import asyncpg
import psutil
import pytest

from bridge.models import ReadCalls, ReadUsage
from recorder.batch import Batch
from recorder.engines import make_store
from recorder.errors import SchemaTooNew, StoreInUse, StoreUnavailable
from recorder.sql.postgres import PostgresDatabase
from recorder.sql.queries import CALLS
from recorder.sql.sql_store import SqlStore
from recorder.store import Store
from tests.support.history import calls_of, full_scans, others_of, plans, questions
from tests.support.postgres import PASSWORD, Postgres
from tests.support.store_contract import NOW, REPLICA, StoreContract, call

LOCKS = """SELECT count(*) FROM pg_locks
WHERE locktype = 'advisory' AND objid::bigint = hashtext($1)::bigint & 4294967295"""
"""The locks on the history of a schema."""


@asynccontextmanager
async def opened(postgres: Postgres, schema: str, replica: str = "") -> AsyncIterator[SqlStore]:
    """An open store in a schema."""
    store = SqlStore(PostgresDatabase(postgres.url(), schema, replica), lambda: NOW, replica)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def administrator(postgres: Postgres) -> AsyncIterator[asyncpg.Connection]:
    """A connection of somebody else's."""
    connection = await asyncpg.connect(postgres.url())
    try:
        yield connection
    finally:
        await connection.close()


class TestPostgres(StoreContract):
    """The same suite as for the other stores."""

    @pytest.fixture
    async def store(self, postgres: Postgres, schema: str) -> AsyncIterator[Store]:
        """An empty one."""
        async with opened(postgres, schema, REPLICA) as store:
            yield store


async def test_records_survive_a_restart_of_the_hub(postgres: Postgres, schema: str) -> None:
    """Migrated once; nothing is made again."""
    for number in (1, 2):
        async with opened(postgres, schema) as store:
            await store.append(Batch(calls=[call()]))
            status = await store.status()
            assert (status.database, status.schema_version, status.calls) == ("postgresql", 2, number)


async def test_killed_and_back_under_appends(postgres: Postgres, schema: str) -> None:
    """What was appended is stored exactly once, whenever the server was killed; nothing else has to be done."""
    async with opened(postgres, schema) as store:
        appended = asyncio.Event()

        async def append() -> int:
            failures = 0
            for number in range(1, 61):
                batch = Batch(calls=[call(correlation=f"c-{number}")] * 20, positions={"spool": number})
                while True:
                    try:
                        await store.append(batch)
                        break
                    except StoreUnavailable:
                        failures += 1
                        await asyncio.sleep(0.02)
                if number % 15 == 0:
                    appended.set()
            return failures

        appending = asyncio.create_task(append())
        for _ in range(2):
            await appended.wait()
            appended.clear()
            postgres.kill()
            await asyncio.to_thread(postgres.start)
        assert await appending >= 1
        assert await store.positions() == {"spool": 60}
        assert (await store.status()).calls == 1200
        found = (await store.read_calls(ReadCalls(limit=500))).calls
        assert [each.id for each in found] == list(range(1200, 700, -1))
        usage = await store.read_usage(ReadUsage(range="month"), NOW)
        assert usage.totals[0].calls == 1200


async def test_an_append_whose_answer_was_lost_is_not_stored_twice(
    postgres: Postgres, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection ends just after the commit."""
    async with opened(postgres, schema) as store, administrator(postgres) as other:
        batch = Batch(calls=[call()], positions={"spool": 10})
        leave = asyncpg.transaction.Transaction.__aexit__

        async def lost(self: asyncpg.transaction.Transaction, *error: object) -> None:
            await leave(self, *error)
            raise ConnectionResetError("the answer was lost")

        with monkeypatch.context() as patch, pytest.raises(StoreUnavailable):
            patch.setattr(asyncpg.transaction.Transaction, "__aexit__", lost)
            await store.append(batch)
        await store.append(batch)
        assert (await store.status()).calls == 1
        assert await other.fetchval(f"SELECT count(*) FROM {schema}.calls") == 1


@contextmanager
def hanging(postgres: Postgres) -> Iterator[None]:
    """All of its processes are stopped (SIGSTOP): as if the network were gone without a word."""
    server = postgres._server
    assert server
    main = psutil.Process(server.pid)
    processes = [main, *main.children(recursive=True)]
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):  # one that has just served its last request
            process.suspend()
    try:
        yield
    finally:
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()


@pytest.mark.parametrize("work", ["append", "read"])
async def test_a_database_that_hangs_holds_up_no_stop(postgres: Postgres, schema: str, work: str) -> None:
    """The supervisor waits 10 s for the recorder."""
    store = SqlStore(PostgresDatabase(postgres.url(), schema), lambda: NOW)
    await store.open()
    with hanging(postgres):
        made = store.append(Batch(calls=[call()])) if work == "append" else store.read_calls(ReadCalls())
        working = asyncio.create_task(made)  # type: ignore[arg-type]
        assert not (await asyncio.wait([working], timeout=0.3))[0]
        working.cancel()
        async with asyncio.timeout(30):  # half of the time that the database has for an answer
            await asyncio.wait([working])
            await store.close()
    async with administrator(postgres) as other, asyncio.timeout(100):
        while await other.fetchval(LOCKS, schema):  # noqa: ASYNC110 (PostgreSQL tells nobody of a connection's end)
            await asyncio.sleep(0.05)
    async with opened(postgres, schema) as after:
        assert (await after.status()).calls == 0


async def test_two_hubs_do_not_mix(postgres: Postgres, schema: str) -> None:
    """A second one is refused the schema of the first while that runs, and has its own."""
    async with opened(postgres, schema) as one:
        second = SqlStore(PostgresDatabase(postgres.url(), schema))
        with pytest.raises(StoreInUse, match=schema) as caught:
            await second.open()
        assert "HUB_DATABASE_SCHEMA" in caught.value.advice
        async with opened(postgres, f"{schema}_b") as other:
            await one.append(Batch(calls=[call(workspace="a")]))
            await other.append(Batch(calls=[call(workspace="b")]))
            for store, name in ((one, "a"), (other, "b")):
                assert [each.workspace for each in (await store.read_calls(ReadCalls())).calls] == [name]
    await second.open()  # the first has ended
    await second.close()


async def test_an_older_hub_refuses_a_newer_schema(postgres: Postgres, schema: str) -> None:
    """And touches nothing."""
    async with opened(postgres, schema), administrator(postgres) as other:
        await other.execute(f"UPDATE {schema}.counters SET value = 7 WHERE name = 'schema'")
    with pytest.raises(SchemaTooNew, match=r"newer hub \(schema 7, this hub knows 2\)"):
        async with opened(postgres, schema):
            pass


async def test_no_password_is_told(postgres: Postgres, schema: str, caplog: pytest.LogCaptureFixture) -> None:
    """Not in errors, whatever is wrong with the address, nor in logs."""
    caplog.set_level(logging.DEBUG)
    wrong = postgres.url("secretive", PASSWORD)
    for url in (wrong, wrong.replace("postgres?", "nothing?"), wrong.replace("@/", "@/x:y@:z/"), f"{wrong}/nowhere"):
        store = make_store(postgres.directory / "unused", url, schema)
        with pytest.raises(StoreUnavailable) as caught:
            await store.open()
        assert PASSWORD not in f"{caught.value.body()} {caught.value!r} {caught.value.__context__!r}"
        assert caught.value.advice
    assert PASSWORD not in caplog.text


async def test_a_user_without_rights_is_told_so(postgres: Postgres, schema: str) -> None:
    """With what to do."""
    async with administrator(postgres) as other:
        await other.execute("CREATE ROLE guest LOGIN")
    store = make_store(postgres.directory / "unused", postgres.url("guest"), schema)
    with pytest.raises(StoreUnavailable, match="permission denied") as caught:
        await store.open()
    assert "docs/history.md" in caught.value.advice


async def test_no_question_reads_a_whole_table(postgres: Postgres, schema: str) -> None:
    """PostgreSQL's own plans for 20,000 calls, with statistics."""
    database = PostgresDatabase(postgres.url(), schema, REPLICA)
    store = SqlStore(database, lambda: NOW, REPLICA)
    await store.open()
    try:
        calls = list(calls_of(1000, NOW))
        for number in range(0, 1000, 500):
            await store.append(Batch(calls=calls[number : number + 500]))
        await store.append(others_of(NOW))
        async with administrator(postgres) as other:
            await other.execute(f"SET search_path = {schema}")
            columns = ", ".join(CALLS[2:])
            await other.execute(
                f"INSERT INTO calls (id, at, {columns}) SELECT id + 1000 * n, at - n * 60, {columns} "
                "FROM calls, generate_series(1, 19) n"
            )
            await other.execute("INSERT INTO call_details SELECT id, '{}', '{}', false FROM calls")
            await other.execute("VACUUM ANALYZE")
        for name, ask in questions(20_000).items():
            asked = await plans(database, ask)
            assert asked, name
            for sql, plan in asked:
                assert not full_scans("postgresql", plan), f"{name}: {sql}: {plan}"
    finally:
        await store.close()


async def test_optimize_says_what_it_would_do_and_does_it(postgres: Postgres, schema: str) -> None:
    """A dry run changes nothing; a second run finds nothing more to do."""
    async with opened(postgres, schema) as store, administrator(postgres) as other:
        await store.append(Batch(calls=[call(NOW - 500 - n) for n in range(1500)]))
        while await store.retain(NOW - 600, 2**50):
            pass
        await other.execute(f"DROP INDEX {schema}.calls_server")
        await other.execute(
            f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{schema}.calls_tool'::regclass"
        )
        await statistics_of(other, schema)
        dry = await store.optimize(dry_run=True)
        assert not any(step.done for step in dry.steps)
        done = await store.optimize(dry_run=False)
        names = {step.name: step for step in done.steps if step.done}
        assert {"index calls_server", "index calls_tool", "vacuum calls"} <= set(names)
        assert "101 rows, 1,399 dead" in names["vacuum calls"].reason
        assert await other.fetchval(
            f"SELECT indisvalid FROM pg_index WHERE indexrelid = '{schema}.calls_tool'::regclass"
        )
        await statistics_of(other, schema)
        again = await store.optimize(dry_run=True)
        assert not [step for step in again.steps if step.name.startswith("index") or step.name == "vacuum calls"]


async def statistics_of(other: asyncpg.Connection, schema: str) -> None:
    """Wait until the server's statistics say that calls were written and deleted: it learns a second later."""
    for _ in range(100):
        sql = "SELECT n_live_tup FROM pg_stat_user_tables WHERE schemaname = $1 AND relname = 'calls'"
        if await other.fetchval(sql, schema) == 101:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("no statistics")
