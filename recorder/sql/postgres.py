"""The history in a schema of a PostgreSQL database, for those who run one (ADR 38).

Two connections: one writes, one reads. One that broke is opened anew by the next request. The one that writes holds
advisory locks for the schema, so that no two hubs mix their records by mistake: a hub without a name (HUB_REPLICA) has
the schema to itself, replicas share it, each name once. The transactions of replicas take turns (ADR 62).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from functools import lru_cache
from itertools import count
from typing import Any

import asyncpg
import orjson

from bridge.models import OptimizeStep
from bridge.postgresql.address import target
from recorder.errors import StoreInUse, StoreUnavailable
from recorder.sql import migrations
from recorder.sql.database import QUESTION_SECONDS, Row, Size, adding
from recorder.sql.migrations import Engine
from recorder.sql.postgres_care import optimize
from recorder.sql.postgres_errors import coded

CONNECT_SECONDS = 5.0
WRITE_SECONDS = 60.0
"""After this time a statement that writes is given up: the network may be gone without a word."""
COMMON = {
    "application_name": "yamcp-hub",
    "jit": "off",  # it takes longer than any of the hub's questions
    "plan_cache_mode": "force_custom_plan",  # a plan for any workspace is a bad one for a rare one
    "idle_in_transaction_session_timeout": "60000",
    # A machine that vanished loses its locks after a minute. PostgreSQL's default is two hours.
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
READING = {
    "enable_seqscan": "off",  # each question has an index
    "max_parallel_workers_per_gather": "0",
    "default_transaction_read_only": "on",
    "statement_timeout": f"{QUESTION_SECONDS * 1000:.0f}",
}
LOCK = "SELECT pg_try_advisory_lock(hashtext('yamcp-hub history'), hashtext($1))"
LOCK_SHARED = "SELECT pg_try_advisory_lock_shared(hashtext('yamcp-hub history'), hashtext($1))"
LOCK_NAME = "SELECT pg_try_advisory_lock(hashtext('yamcp-hub history, replica'), hashtext($1))"
TURN = "SELECT pg_advisory_xact_lock(hashtext('yamcp-hub history, turn'), hashtext($1))"
"""Waits until no other replica writes. The end of the transaction ends the turn, after the commit is visible."""
SHARING_HINT = (
    "A hub without HUB_REPLICA shares its schema with no other. Set HUB_REPLICA at all replicas of one hub, each "
    "another name; give another hub another HUB_DATABASE_SCHEMA."
)
NAME_HINT = "Give each replica a HUB_REPLICA of its own, or end the other hub of that name."
Connection = Any
"""`asyncpg.Connection`; asyncpg has no types."""


class PostgresDatabase:
    """A `Database` (recorder/sql/database.py) in `schema` of the database that `url` names.

    `replica` is the name of this hub among those that share the schema; empty if it has the schema to itself.
    """

    engine: Engine = "postgresql"

    def __init__(self, url: str, schema: str, replica: str = "") -> None:
        self.version = 0
        self._url, self._schema, self._replica = url, schema, replica
        self._target = f"The PostgreSQL database {target(url, 'HUB_DATABASE_URL')}"
        self._writer: Connection | None = None
        self._reader: Connection | None = None
        self._writing = asyncio.Lock()
        self._asking = asyncio.Lock()

    async def open(self) -> None:
        """Connect, take the lock, migrate."""
        await self.close()
        async with self._writing:
            await self._connected_writer()
        async with self._asking:
            await self._connected_reader()

    async def close(self) -> None:
        """End both connections."""
        async with self._writing, self._asking:
            for connection in (self._reader, self._writer):
                if connection:
                    await _end(connection)
            self._writer = self._reader = None

    async def fetch(self, sql: str, *values: Any) -> list[Row]:
        """Ask by the connection that reads."""
        async with self._asking:
            reader = await self._connected_reader()
            with self._coded(reader):
                return [tuple(row) for row in await reader.fetch(numbered(sql), *values)]

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresTransaction]:
        """A transaction by the connection that writes, when it is this replica's turn."""
        async with self._writing:
            writer = await self._connected_writer()
            with self._coded(writer):
                async with writer.transaction():
                    await self._take_turn(writer)
                    yield PostgresTransaction(writer)

    async def size(self) -> Size:
        """The size of the schema's tables, with their indexes; what is free in them is not known."""
        sql = (
            "SELECT CAST(COALESCE(SUM(pg_total_relation_size(oid)), 0) AS bigint) FROM pg_class "
            "WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"
        )
        [(total,)] = await self.fetch(sql)
        return Size(total, None)

    async def give_back(self) -> None:
        """PostgreSQL's autovacuum does."""

    async def optimize(self, dry_run: bool) -> list[OptimizeStep]:
        """Look after tables and indexes, by a connection of its own: it takes longer than others wait."""
        connection = await self._connect({})
        try:
            with self._coded(connection):
                return await optimize(connection, dry_run)
        finally:
            await _end(connection)

    async def _connected_reader(self) -> Connection:
        if self._reader is None or self._reader.is_closed():
            self._reader = await self._connect(READING, command_timeout=2 * QUESTION_SECONDS)
        return self._reader

    async def _connected_writer(self) -> Connection:
        if self._writer is None or self._writer.is_closed():
            writer = await self._connect({}, command_timeout=WRITE_SECONDS)
            try:
                with self._coded(writer):
                    await self._prepare(writer)
            except BaseException:
                writer.terminate()
                raise
            self._writer = writer
        return self._writer

    async def _connect(self, settings: dict[str, str], command_timeout: float | None = None) -> Connection:
        given = COMMON | {"search_path": self._schema} | settings
        with self._coded(None):
            return await asyncpg.connect(
                self._url, timeout=CONNECT_SECONDS, command_timeout=command_timeout, server_settings=given
            )

    async def _take_turn(self, writer: Connection) -> None:
        """Wait until no other replica writes, for the rest of the transaction."""
        if self._replica:
            await writer.execute(TURN, self._schema)

    async def _lock(self, writer: Connection) -> None:
        """Take the locks that this hub has while it runs. Raises StoreInUse."""
        place = f"in the schema {self._schema}"
        if not await writer.fetchval(LOCK_SHARED if self._replica else LOCK, self._schema):
            kind = "a hub without a name" if self._replica else "another hub"
            raise StoreInUse(f"{self._target} has the history of {kind} {place}.", hint=SHARING_HINT)
        if self._replica and not await writer.fetchval(LOCK_NAME, f"{self._schema} {self._replica}"):
            message = f"{self._target} has the history of another hub named {self._replica} {place}."
            raise StoreInUse(message, hint=NAME_HINT)

    async def _prepare(self, writer: Connection) -> None:
        """Take the locks, and migrate. Raises StoreInUse, SchemaTooNew."""
        await self._lock(writer)
        async with writer.transaction():
            await self._take_turn(writer)
            if not await writer.fetchval("SELECT 1 FROM pg_namespace WHERE nspname = $1", self._schema):
                await writer.execute(f'CREATE SCHEMA "{self._schema}"')
            version = await _version(writer)
            what = f"{self._target}, schema {self._schema},"
            for migration in migrations.pending(migrations.load("postgresql"), version, what):
                await writer.execute(migration.sql)
                await writer.execute(SET_VERSION, migration.number)
                version = migration.number
            self.version = version

    @contextlib.contextmanager
    def _coded(self, connection: Connection | None) -> Any:
        """Raise errors of recorder/errors.py for those of the driver, and give up a connection that broke."""
        try:
            yield
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
            if connection and not isinstance(error, asyncpg.PostgresError):
                connection.terminate()
            raise coded(error, self._target) from None
        except ValueError as error:  # of what asyncpg makes of the address: its text may hold a part of the password
            if connection:
                raise
            raise StoreUnavailable(
                f"{self._target} has an address that cannot be used ({type(error).__name__})."
            ) from None


class PostgresTransaction:
    """A `Transaction` (recorder/sql/database.py)."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def execute(self, sql: str, *values: Any) -> int:
        """Run a statement; its status ends with the number of rows."""
        status: str = await self._connection.execute(numbered(sql), *values)
        last = status.rpartition(" ")[2]
        return int(last) if last.isdigit() else 0

    async def many(self, sql: str, rows: Iterable[Row]) -> None:
        """Run a statement for each row."""
        if given := list(rows):
            await self._connection.executemany(numbered(sql), given)

    async def insert(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Insert rows by COPY, which is 40 times as fast as single statements."""
        await self._connection.copy_records_to_table(table, records=rows, columns=columns)

    async def add_up(self, table: str, keys: Sequence[str], sums: Sequence[str], rows: Sequence[Row]) -> None:
        """Insert rows, or add them to those that are there: by one statement, which takes all rows as JSON."""
        columns = (*keys, *sums)
        listed = ", ".join(columns)
        sql = (
            f"INSERT INTO {table} ({listed}) SELECT {listed} "  # noqa: S608
            f"FROM json_populate_recordset(NULL::{table}, $1) {adding(table, keys, sums)}"
        )
        given = [dict(zip(columns, row, strict=True)) for row in rows]
        await self._connection.execute(sql, orjson.dumps(given).decode())

    async def fetch(self, sql: str, *values: Any) -> list[Row]:
        """Ask within the transaction."""
        return [tuple(row) for row in await self._connection.fetch(numbered(sql), *values)]


async def _end(connection: Connection) -> None:
    with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
        await connection.close(timeout=1)


SET_VERSION = "INSERT INTO counters VALUES ('schema', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value"


async def _version(connection: Connection) -> int:
    if not await connection.fetchval("SELECT to_regclass('counters')"):
        return 0
    return int(await connection.fetchval("SELECT value FROM counters WHERE name = 'schema'"))


@lru_cache(maxsize=1000)
def numbered(sql: str) -> str:
    """The statement with `$1`, `$2`, … in place of each `?`."""
    number = count(1)
    return "".join(f"${next(number)}" if char == "?" else char for char in sql)
