"""The history in an SQLite file: who may read it, what waits for what, and what a damaged or full disk does."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
import resource
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from bridge.models import ReadCalls, ReadUsage
from recorder.batch import Batch
from recorder.errors import QueryTooLong, SchemaTooNew, StoreBusy, StoreCorrupt, StoreFull, StoreUnavailable
from recorder.sql import migrations, sqlite
from recorder.sql.database import Row
from recorder.sql.queries import CALLS
from recorder.sql.sql_store import SqlStore
from recorder.sql.sqlite import SqliteDatabase
from tests.support.history import full_scans, plans, questions
from tests.support.store_contract import NOW, call, random_calls

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n"


@asynccontextmanager
async def opened(file: Path, replica: str = "") -> AsyncIterator[SqlStore]:
    """An open store."""
    store = SqlStore(SqliteDatabase(file), lambda: NOW, replica)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@contextmanager
def other_program(file: Path) -> Iterator[sqlite3.Connection]:
    """A connection of somebody else's."""
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as connection:
        yield connection


async def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    """Directory, file and journal are the user's alone, whatever the umask, and if they were not before."""
    file = tmp_path / "new" / "history.db"
    before = os.umask(0)
    try:
        async with opened(file) as store:
            await store.append(Batch(calls=[call()]))
            modes = {each.name: each.stat().st_mode & 0o777 for each in file.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == {"history.db": 0o600, "history.db-wal": 0o600, "history.db-shm": 0o600}
    assert file.parent.stat().st_mode & 0o777 == 0o700
    file.chmod(0o644)
    async with opened(file):
        assert file.stat().st_mode & 0o777 == 0o600


async def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """With the setting to change."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable, match="cannot be used") as caught:
        async with opened(tmp_path / "file" / "history.db"):
            pass
    assert "HUB_DATA_DIR" in caught.value.advice


async def test_a_long_question_does_not_hold_up_writing(tmp_path: Path) -> None:
    """They have a connection each; who gives up waiting ends the question."""
    async with opened(tmp_path / "history.db") as store:
        question = asyncio.create_task(store._database.fetch(ENDLESS))
        await store.append(Batch(calls=[call()]))
        assert not question.done()
        question.cancel()
        with pytest.raises(asyncio.CancelledError):
            await question
        assert (await store.status()).calls == 1


async def test_a_question_has_a_time_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After which others are answered."""
    async with opened(tmp_path / "history.db") as store:
        monkeypatch.setattr(sqlite, "QUESTION_SECONDS", 0.05)
        with pytest.raises(QueryTooLong):
            await store._database.fetch(ENDLESS)
        monkeypatch.undo()
        assert (await store.status()).calls == 0


async def test_a_lock_of_another_process_is_told_and_survived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch is stored when the lock is gone, once; reading goes on meanwhile."""
    monkeypatch.setattr(sqlite, "SETTINGS", ("PRAGMA busy_timeout = 20",))
    file = tmp_path / "history.db"
    async with opened(file) as store:
        with other_program(file) as other:
            other.execute("BEGIN IMMEDIATE")
            batch = Batch(calls=[call()], positions={"spool": 1})
            with pytest.raises(StoreBusy, match="locked by another process"):
                await store.append(batch)
            assert (await store.read_calls(ReadCalls())).calls == ()
            other.execute("ROLLBACK")
        for _ in range(2):
            await store.append(batch)
        assert (await store.status()).calls == 1


async def test_a_full_disk_is_told_and_survived(tmp_path: Path) -> None:
    """What fitted is kept; when there is space again, the batch that failed is stored, once."""
    async with opened(tmp_path / "history.db") as store:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        text, number = random.Random(1).randbytes(4000).hex(), 0
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))  # the system refuses to let files grow beyond it
        try:
            with pytest.raises(StoreFull, match="cannot grow"):
                while True:
                    await store.append(Batch(calls=[call(arguments=text)] * 10, positions={"spool": number + 1}))
                    number += 1
            assert number
            assert await store.positions() == {"spool": number}
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        await store.append(Batch(calls=[call(arguments=text)] * 10, positions={"spool": number + 1}))
        assert (await store.status()).calls == 10 * (number + 1)


async def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    """And left as it is."""
    file = tmp_path / "history.db"
    file.write_bytes(b"no database" * 1000)
    with pytest.raises(StoreCorrupt, match="not a database"):
        async with opened(file):
            pass
    assert file.read_bytes().startswith(b"no database")


async def test_damage_is_told_whoever_meets_it(tmp_path: Path) -> None:
    """A question, a batch, or the check of `optimize`."""
    file = tmp_path / "history.db"
    async with opened(file) as store:
        await store.append(Batch(calls=random_calls(1, 2000)))
    content = bytearray(file.read_bytes())
    half = len(content) // 8192 * 4096  # with the schema, the roots of indexes, and what opening reads
    content[half:] = random.Random(2).randbytes(len(content) - half)
    file.write_bytes(content)
    for ask in ("read", "append", "optimize"):
        store = SqlStore(SqliteDatabase(file))
        with pytest.raises(StoreCorrupt, match=r"damaged|check"):
            try:
                await store.open()
                if ask == "read":
                    await store.read_usage(ReadUsage(range="month"), NOW)
                elif ask == "append":
                    await store.append(Batch(calls=[call()]))
                else:
                    await store.optimize(dry_run=True)
            finally:
                await store.close()


async def test_an_older_hub_refuses_a_newer_file(tmp_path: Path) -> None:
    """And touches nothing."""
    file = tmp_path / "history.db"
    async with opened(file):
        pass
    with other_program(file) as other:
        other.execute("PRAGMA user_version = 7")
    with pytest.raises(SchemaTooNew, match=r"history.db was written by a newer hub \(schema 7, this hub knows 2\)"):
        async with opened(file):
            pass


async def test_a_history_of_an_earlier_hub_is_migrated(tmp_path: Path) -> None:
    """Its records have no replica's name; those that come have one."""
    file = tmp_path / "history.db"
    with other_program(file) as other:
        other.executescript(migrations.load("sqlite")[0].sql)
        other.execute("PRAGMA user_version = 1")
        columns = ", ".join(CALLS[:-1])
        other.execute(
            f"INSERT INTO calls ({columns}) VALUES (1, ?{', ?' * (len(CALLS) - 3)})", call()[: len(CALLS) - 2]
        )
        other.execute("UPDATE counters SET value = 1 WHERE name IN ('calls', 'stored')")
    async with opened(file, "r0") as store:
        await store.append(Batch(calls=[call()]))
        assert [(each.id, each.replica) for each in (await store.read_calls(ReadCalls())).calls] == [(2, "r0"), (1, "")]
        assert (await store.status()).replicas == ("r0",)


async def test_records_survive_a_restart(tmp_path: Path) -> None:
    """And a hub that was killed leaves no batch half."""
    for number in (1, 2):
        async with opened(tmp_path / "history.db") as store:
            await store.append(Batch(calls=[call()]))
            status = await store.status()
            assert (status.database, status.schema_version, status.calls) == ("sqlite", 2, number)


async def test_a_batch_that_is_given_up_is_rolled_back(tmp_path: Path) -> None:
    """Cancelled within its transaction, it leaves nothing, and the next one is stored."""
    async with opened(tmp_path / "history.db") as store:

        async def give_up() -> None:
            async with store._database.transaction() as transaction:
                began.set()
                await transaction.execute("UPDATE counters SET value = 99 WHERE name = 'stored'")
                await asyncio.Event().wait()

        for turns in range(3):
            began = asyncio.Event()
            task = asyncio.create_task(give_up())
            for _ in range(turns):  # so that it is cancelled before, at and after its first statement
                await began.wait() if turns == 2 else await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            await store.append(Batch(calls=[call()]))
            assert (await store.status()).calls == turns + 1


async def test_space_of_deleted_records_is_given_back_in_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without VACUUM, which would copy the whole file."""
    monkeypatch.setattr(sqlite, "FREE_PAGES", 10)
    file = tmp_path / "history.db"
    text = random.Random(1).randbytes(2000).hex()
    async with opened(file) as store:
        await store.append(Batch(calls=[call(NOW - 500 - n, arguments=text) for n in range(1000)]))
        await store._database.fetch("SELECT 1")
        before = (await store._database.size()).used or 0
        while await store.retain(NOW - 600, 2**50):
            pass
        for _ in range(20):
            await store.retain(NOW - 600, 2**50)
        pages = (await store._database.fetch("PRAGMA page_count"))[0][0] * 4096
        assert (await store.status()).calls == 101
        assert pages < before / 2


async def test_no_question_reads_a_whole_table(tmp_path: Path) -> None:
    """SQLite's own plans, with its guesses and with statistics: each question follows an index, and is limited."""
    async with opened(tmp_path / "history.db") as store:
        database = store._database
        await store.append(Batch(calls=random_calls(1, 300)))
        for statistics in (False, True):
            if statistics:
                await store.optimize(dry_run=False)
            for name, ask in questions(300).items():
                asked = await plans(database, ask)
                assert asked, name
                for sql, plan in asked:
                    assert not full_scans("sqlite", plan), f"{name}: {sql}"
                    assert "TEMP B-TREE FOR ORDER BY" not in " ".join(plan) or "FROM usage" in sql, (
                        f"{name}: {sql}: {plan}"
                    )
                    assert not any(line.startswith("SCAN") for line in plan) or "LIMIT" in sql, f"{name}: {sql}: {plan}"


async def test_optimize_says_what_it_would_do_and_does_it(tmp_path: Path) -> None:
    """A dry run changes nothing; a second run finds nothing more to do."""
    file = tmp_path / "history.db"
    text = random.Random(1).randbytes(2000).hex()
    async with opened(file) as store:
        await store.append(Batch(calls=[call(NOW - 500 - n, arguments=text) for n in range(600)]))
        while await store.retain(NOW - 600, 2**50):
            pass
        with other_program(file) as other:
            other.execute("DROP INDEX calls_server")
        dry = await store.optimize(dry_run=True)
        assert {step.name for step in dry.steps} == {"check", "index calls_server", "analyze", "vacuum"}
        assert not any(step.done for step in dry.steps)
        assert dry.before == dry.after
        vacuum = next(step for step in dry.steps if step.name == "vacuum")
        assert re.match(r"\d+\.\d MB of \d+\.\d MB are free \(\d+%\): VACUUM would return the space", vacuum.reason)
        done = await store.optimize(dry_run=False)
        assert {step.name for step in done.steps if step.done} == {"index calls_server", "analyze", "vacuum"}
        assert done.after < done.before / 2
        again = await store.optimize(dry_run=False)
        assert not [step for step in again.steps if step.done]
        assert (await store.status()).calls == 101


async def test_what_is_stored_while_a_page_is_read_is_followed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`last` is read before the rows: it must not be behind those that the answer has."""
    async with opened(tmp_path / "history.db") as store:
        await store.append(Batch(calls=[call()]))
        fetch = store._database.fetch

        async def meanwhile(sql: str, *values: object) -> list[Row]:
            rows = await fetch(sql, *values)
            if "FROM counters" in sql:
                await store.append(Batch(calls=[call()]))
            return rows

        monkeypatch.setattr(store._reader, "_fetch", meanwhile)
        for request in (ReadCalls(), ReadCalls(after=0)):
            answer = await store.read_calls(request)
            assert answer.last == max(each.id for each in answer.calls)


async def test_a_question_while_it_is_opened_is_answered_with_an_error(tmp_path: Path) -> None:
    """It may be opened again while pages ask: after a failure, or in place of a damaged one."""
    store = SqlStore(SqliteDatabase(tmp_path / "history.db"), lambda: NOW)
    opening = asyncio.create_task(store.open())
    while not opening.done():
        try:
            await store.status()
        except StoreUnavailable:
            await asyncio.sleep(0)
    await opening
    assert (await store.status()).calls == 0
    await store.close()
