"""The records of the journal, and authorization codes, in the schema of the shared configuration.

A turn holds the row of `journal`, so that the turns of all hubs come one after the other, and numbers are visible in
their order.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from bridge.postgresql.address import target
from bridge.postgresql.connection import Connection, DatabaseFailed, connect_and_follow, end, failures
from yamcp_ui_adapter.cluster.errors import ConfigDatabaseUnavailable

COMMAND_SECONDS = 5.0
CHANNEL = "yamcp_hub_journal"
SETTINGS = {
    "lock_timeout": "5000",
    "idle_in_transaction_session_timeout": "15000",  # a hub that hangs in a turn holds up the others no longer
}
CODE_SECONDS = 3600
"""How long codes are kept, as long as a single hub remembers them."""
TABLES = """
CREATE TABLE journal (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    identity text NOT NULL DEFAULT gen_random_uuid()::text,
    generation text NOT NULL DEFAULT gen_random_uuid()::text,
    size bigint NOT NULL DEFAULT 0);
CREATE TABLE journal_records (seq bigserial PRIMARY KEY, record text NOT NULL);
CREATE TABLE journal_codes (
    hash text PRIMARY KEY, content text NOT NULL, issued timestamptz NOT NULL DEFAULT now());
INSERT INTO journal DEFAULT VALUES"""
HEAD = """SELECT identity, generation, size, (SELECT coalesce(min(seq), 0) FROM journal_records) AS first,
    (SELECT coalesce(max(seq), 0) FROM journal_records) AS last FROM journal"""
APPEND = (
    "INSERT INTO journal_records (record) SELECT line FROM unnest($1::text[]) WITH ORDINALITY AS l(line, n) ORDER BY n"
)
PUT_CODE = """INSERT INTO journal_codes (hash, content) VALUES ($1, $2)
    ON CONFLICT (hash) DO UPDATE SET content = excluded.content"""
FIND_CODE = "SELECT content, extract(epoch FROM now() - issued)::float8 AS age FROM journal_codes WHERE hash = $1"


class Head(NamedTuple):
    """What the table of records has."""

    identity: str
    """Of the database: another one has other records."""
    generation: str
    """Another one after each compaction."""
    size: int
    """Records after the last compaction."""
    first: int
    last: int


class Turn:
    """One transaction. `fresh`: the first one of a connection; the database may have been restored since the last."""

    def __init__(self, connection: Connection, fresh: bool) -> None:
        self.fresh = fresh
        self._connection = connection

    async def head(self) -> Head:
        """Return what there is."""
        return Head(*await self._connection.fetchrow(HEAD))

    async def lines(self, after: int) -> list[bytes]:
        """Return the records with a higher number, in their order."""
        rows = await self._connection.fetch("SELECT record FROM journal_records WHERE seq > $1 ORDER BY seq", after)
        return [row["record"].encode() for row in rows]

    async def append(self, lines: Sequence[bytes]) -> int:
        """Add records, and notify the other hubs with the commit. Return the number of the last one."""
        await self._connection.execute(APPEND, [line.decode() for line in lines])
        await self._connection.execute("SELECT pg_notify($1, current_schema())", CHANNEL)
        found: int = await self._connection.fetchval("SELECT coalesce(max(seq), 0) FROM journal_records")
        return found

    async def compact(self, lines: Sequence[bytes]) -> Head:
        """Replace all records."""
        await self._connection.execute("DELETE FROM journal_records")
        await self._connection.execute("UPDATE journal SET generation = gen_random_uuid()::text, size = $1", len(lines))
        await self.append(lines)
        return await self.head()

    async def code(self, hashed: str) -> tuple[str, float] | None:
        """Return what is kept of an authorization code, and its age in seconds by the clock of the database."""
        row = await self._connection.fetchrow(FIND_CODE, hashed)
        return (row["content"], row["age"]) if row else None

    async def put_code(self, hashed: str, content: str) -> None:
        """Keep an authorization code, and forget old ones."""
        await self._connection.execute(
            f"DELETE FROM journal_codes WHERE issued < now() - interval '{CODE_SECONDS} s'"  # noqa: S608
        )
        await self._connection.execute(PUT_CODE, hashed, content)


class JournalDatabase:
    """One connection, for turns and notices. Methods raise ConfigDatabaseUnavailable. Call `close` at the end."""

    def __init__(self, url: str, schema: str) -> None:
        self.target = f"{target(url, 'HUB_CONFIG_DATABASE')}, schema {schema}"
        self._url, self._schema = url, schema
        self._connection: Connection | None = None
        self.noticed = asyncio.Event()
        """Set when another hub has written something, or the connection has ended."""

    @contextlib.asynccontextmanager
    async def turn(self, *, read_only: bool = False) -> AsyncIterator[Turn]:
        """One transaction, which is committed unless the block raises. `read_only`: without lock. Not two at once."""
        connection, before = None, self._connection
        try:
            with failures():
                connection = await self._ready()
                isolation = "repeatable_read" if read_only else "read_committed"
                async with connection.transaction(isolation=isolation, readonly=read_only):
                    if not read_only:
                        await connection.execute("SELECT 1 FROM journal FOR UPDATE")
                    yield Turn(connection, connection is not before)
        except (DatabaseFailed, asyncio.CancelledError) as error:
            if connection:
                connection.terminate()  # its state is unknown
            if isinstance(error, asyncio.CancelledError):
                raise
            message = f"The PostgreSQL database {self.target} {error}."
            raise ConfigDatabaseUnavailable(message, data={"oauth_error": "temporarily_unavailable"}) from None

    async def close(self) -> None:
        """End the connection."""
        connection, self._connection = self._connection, None
        if connection:
            await end(connection)

    async def _ready(self) -> Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await connect_and_follow(
                self._url, self._schema, "journal", TABLES, CHANNEL, self.noticed, COMMAND_SECONDS, **SETTINGS
            )
        return self._connection
