"""The shared configuration in a schema of a PostgreSQL database.

One connection, which also listens for the notices of other hubs. An edit holds the row of the epoch, so that edits of
all hubs come one after the other; its UPDATE is conditional on the epoch that the edit has seen.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Literal

from bridge.deadlines import set_within
from bridge.postgresql.address import target
from bridge.postgresql.connection import Connection, DatabaseFailed, connect, end, failures, follow, make_tables
from yamcp_ui_adapter.cluster.documents import Newest
from yamcp_ui_adapter.cluster.errors import ConfigDatabaseUnavailable, ConfigSchemaNewer
from yamcp_ui_adapter.cluster.source import Applied
from yamcp_ui_adapter.format.jsontext import file_hash

SCHEMA_VERSION = 1
COMMAND_SECONDS = 5.0
LOCK_SECONDS = 5.0
"""Longest wait for the edit of another hub."""
KEPT_VERSIONS = 50
"""Versions that are kept of each document."""
GONE_SECONDS = 3600
"""A replica that has said nothing for this time is forgotten."""
CHANNEL = "yamcp_hub_config"
SETTINGS = {
    "lock_timeout": f"{LOCK_SECONDS * 1000:.0f}",
    "idle_in_transaction_session_timeout": "15000",  # a hub that hangs in an edit holds up the others no longer
}
TABLES = """
CREATE TABLE cluster (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    identity text NOT NULL DEFAULT gen_random_uuid()::text,
    schema_version integer NOT NULL,
    epoch bigint NOT NULL DEFAULT 0);
CREATE TABLE documents (
    name text NOT NULL, epoch bigint NOT NULL, content text, hash text NOT NULL, author text NOT NULL,
    changed timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (name, epoch));
CREATE TABLE replicas (
    name text PRIMARY KEY, epoch bigint NOT NULL, hash text NOT NULL, seen timestamptz NOT NULL DEFAULT now());
INSERT INTO cluster (schema_version) VALUES (1)"""
NEWEST = "SELECT DISTINCT ON (name) name, content FROM documents ORDER BY name, epoch DESC"
ADVANCE = "UPDATE cluster SET epoch = epoch + 1 WHERE epoch = $1 RETURNING epoch"
INSERT = "INSERT INTO documents (name, epoch, content, hash, author) VALUES ($1, $2, $3, $4, $5)"
PRUNE = """DELETE FROM documents WHERE name = $1 AND epoch <= (
    SELECT epoch FROM documents WHERE name = $1 ORDER BY epoch DESC OFFSET $2 LIMIT 1)"""
REPORT = """INSERT INTO replicas (name, epoch, hash) VALUES ($1, $2, $3)
    ON CONFLICT (name) DO UPDATE SET epoch = excluded.epoch, hash = excluded.hash, seen = now()"""


class PostgresSource:
    """A `Source` (source.py)."""

    kind: Literal["database", "directory"] = "database"

    def __init__(self, url: str, schema: str) -> None:
        self.target = f"{target(url, 'HUB_CONFIG_DATABASE')}, schema {schema}"
        self._url, self._schema = url, schema
        self._connection: Connection | None = None
        self._using = asyncio.Lock()
        self._noticed = asyncio.Event()

    async def read(self) -> Newest:
        """Return the newest configuration, from one snapshot of the database."""
        async with self._connected() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            return await _newest(connection, "")

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresTransaction]:
        """Begin a change: waits for that of another hub. What the block raises is raised as it is."""
        async with self._using:
            connection = await self._ready()
            transaction = connection.transaction()
            with self._coded(connection):
                await transaction.start()
                newest = await _newest(connection, "FOR UPDATE")
            made = PostgresTransaction(connection, transaction, newest, lambda: self._coded(connection))
            try:
                yield made
            finally:
                if not made.ended and not connection.is_closed():
                    with self._coded(connection):
                        await transaction.rollback()

    def fixed(self, names: Collection[str]) -> Collection[str]:
        """Every document can be edited."""
        return ()

    async def wait(self, seconds: float) -> bool:
        """Wait for a notice of another hub, or for the end of the connection."""
        noticed = await set_within(self._noticed, seconds)
        self._noticed.clear()
        return noticed

    async def report(self, replica: str, epoch: int, digest: str) -> None:
        """Store what this replica has, and forget those that have been gone for long."""
        async with self._connected() as connection:
            await connection.execute(REPORT, replica, epoch, digest)
            await connection.execute(f"DELETE FROM replicas WHERE seen < now() - interval '{GONE_SECONDS} s'")  # noqa: S608

    async def applied(self) -> list[Applied]:
        """Return what the replicas have, by name."""
        async with self._connected() as connection:
            sql = "SELECT name, epoch, hash, extract(epoch FROM seen)::float8 FROM replicas ORDER BY name"
            return [Applied(*row) for row in await connection.fetch(sql)]

    async def close(self) -> None:
        """End the connection."""
        connection, self._connection = self._connection, None
        if connection:
            await end(connection)

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[Connection]:
        """The connection, for one use."""
        async with self._using:
            connection = await self._ready()
            with self._coded(connection):
                yield connection

    async def _ready(self) -> Connection:
        if self._connection is None or self._connection.is_closed():
            with self._coded(None):
                self._connection = await self._connect()
        return self._connection

    @contextlib.contextmanager
    def _coded(self, connection: Connection | None) -> Iterator[None]:
        """Raise ConfigDatabaseUnavailable for errors of the driver, and give up the connection: its state is unknown,
        also after a cancellation.
        """
        try:
            with failures():
                yield
        except (DatabaseFailed, asyncio.CancelledError) as error:
            if connection:
                connection.terminate()
            if isinstance(error, asyncio.CancelledError):
                raise
            raise ConfigDatabaseUnavailable(f"The PostgreSQL database {self.target} {error}.") from None

    async def _connect(self) -> Connection:
        connection = await connect(self._url, COMMAND_SECONDS, search_path=self._schema, **SETTINGS)
        try:
            await self._prepare(connection)
            await follow(connection, CHANNEL, self._schema, self._noticed)
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def _prepare(self, connection: Connection) -> None:
        """Make the schema, once for all hubs. Raises ConfigSchemaNewer."""
        await make_tables(connection, self._schema, "cluster", TABLES)
        version = await connection.fetchval("SELECT schema_version FROM cluster")
        if version != SCHEMA_VERSION:
            message = f"The PostgreSQL database {self.target} has version {version}, this hub knows {SCHEMA_VERSION}."
            raise ConfigSchemaNewer(message)


class PostgresTransaction:
    """A `Transaction` (source.py)."""

    def __init__(
        self,
        connection: Connection,
        transaction: Any,
        newest: Newest,
        coded: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self.newest = newest
        self.ended = False
        """Whether it is committed, or may be."""
        self._connection = connection
        self._transaction = transaction
        self._coded = coded

    async def commit(self, changes: Mapping[str, bytes | None], author: str) -> Newest:
        """Write documents and commit; other hubs are notified by the commit."""
        with self._coded():
            epoch = await self._write(changes, author)
            self.ended = True
            await self._transaction.commit()
        kept = {name: raw for name, raw in {**self.newest.documents, **changes}.items() if raw is not None}
        self.newest = Newest(self.newest.identity, epoch, kept)
        return self.newest

    async def _write(self, changes: Mapping[str, bytes | None], author: str) -> int:
        connection = self._connection
        epoch: int | None = await connection.fetchval(ADVANCE, self.newest.epoch)
        if epoch is None:  # the row is locked, so only somebody who has the lock from a lost connection can have
            raise DatabaseFailed("has another epoch than at the begin of the edit")
        for name, raw in changes.items():
            text = None if raw is None else raw.decode("utf-8")
            await connection.execute(INSERT, name, epoch, text, file_hash(raw), author)
            await connection.execute(PRUNE, name, KEPT_VERSIONS)
        await connection.execute("SELECT pg_notify($1, current_schema())", CHANNEL)
        return epoch


async def _newest(connection: Connection, lock: str) -> Newest:
    found = await connection.fetchrow(f"SELECT identity, epoch FROM cluster {lock}")  # noqa: S608
    if found is None:
        raise DatabaseFailed("has a schema without a row in the table cluster")
    rows = await connection.fetch(NEWEST)
    documents = {row["name"]: row["content"].encode() for row in rows if row["content"] is not None}
    return Newest(found["identity"], found["epoch"], documents)
