"""Sealed records of sign-ins in the schema of the shared configuration, and claims: who refreshes a token now.

A claim ends by the database's clock and not with a connection, as leases do (ADR 58): a replica that has lost the
database may still be refreshing.
"""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

from bridge.postgresql.address import target
from bridge.postgresql.connection import Connection, DatabaseFailed, connect_and_follow, end, failures
from sidecar.sign_in_errors import SignInUnavailable

COMMAND_SECONDS = 5.0
CHANNEL = "yamcp_hub_sign_ins"
TABLES = """
CREATE SEQUENCE sign_ins_version;
CREATE TABLE sign_ins (
    id text PRIMARY KEY, kind text NOT NULL, content text NOT NULL, mark text NOT NULL,
    version bigint NOT NULL DEFAULT nextval('sign_ins_version'), written timestamptz NOT NULL DEFAULT now());
CREATE TABLE sign_in_claims (id text PRIMARY KEY, holder text NOT NULL, until timestamptz NOT NULL);
CREATE TABLE sign_ins_once (
    id text PRIMARY KEY, content text NOT NULL, written timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE sign_ins_identity (identity text NOT NULL);
INSERT INTO sign_ins_identity VALUES (gen_random_uuid()::text)"""
NOTIFY = f"SELECT pg_notify('{CHANNEL}', current_schema())"
PUT = """INSERT INTO sign_ins (id, kind, content, mark) VALUES ($1, $2, $3, $4)
    ON CONFLICT (id) DO UPDATE SET content = excluded.content, mark = excluded.mark, version = excluded.version,
        written = now()
    RETURNING version"""
ADD = "INSERT INTO sign_ins (id, kind, content, mark) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING"
RENEW = """UPDATE sign_ins SET content = $2, mark = $3, version = nextval('sign_ins_version'), written = now()
    WHERE id = $1 AND mark IN ($3, '') RETURNING version"""
REMOVE = "DELETE FROM sign_ins WHERE id = $1 AND mark = $2 RETURNING id"
ROW = "SELECT id, kind, content, mark, version FROM sign_ins"
HEAD = "SELECT (SELECT identity FROM sign_ins_identity), count(*), coalesce(sum(version), 0) FROM sign_ins"
CLAIM = """INSERT INTO sign_in_claims AS c (id, holder, until)
    VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3))
    ON CONFLICT (id) DO UPDATE SET holder = excluded.holder, until = excluded.until
    WHERE c.until <= clock_timestamp() OR c.holder = excluded.holder RETURNING id"""
RELEASE = "DELETE FROM sign_in_claims WHERE (id = $1 AND holder = $2) OR until <= clock_timestamp()"
PUT_ONCE = "INSERT INTO sign_ins_once (id, content) VALUES ($1, $2)"
DROP_ONCE = """DELETE FROM sign_ins_once WHERE written < clock_timestamp() - make_interval(secs => $1)
    OR id IN (SELECT id FROM sign_ins_once ORDER BY written DESC OFFSET $2)"""
TAKE_ONCE = """DELETE FROM sign_ins_once WHERE id = $1 RETURNING content,
    written > clock_timestamp() - make_interval(secs => $2) AS lasts"""


class Row(NamedTuple):
    """A sealed record."""

    id: str
    kind: str
    content: str
    mark: str
    version: int


class Head(NamedTuple):
    """What the table has. Every change of a record changes one of the numbers."""

    identity: str
    """Of the database: another one has other records."""
    records: int
    versions: int
    """The sum of all versions."""


class SignInDatabase:
    """One connection, for statements and notices. Methods raise SignInUnavailable. Call `close` at the end."""

    def __init__(self, url: str, schema: str, holder: str) -> None:
        self.target = f"{target(url, 'HUB_CONFIG_DATABASE')}, schema {schema}"
        self._url, self._schema, self._holder = url, schema, holder
        self._connection: Connection | None = None
        self._using = asyncio.Lock()
        self.noticed = asyncio.Event()
        """Set when a hub has written something, or the connection has ended."""

    async def head(self) -> Head:
        """What the table has."""
        return Head(*(await self._fetch(HEAD))[0])

    async def rows(self, after: int) -> list[Row]:
        """The records with a higher version."""
        return [Row(*row) for row in await self._fetch(f"{ROW} WHERE version > $1 ORDER BY version", after)]

    async def row(self, key: str) -> Row | None:
        """One record."""
        found = await self._fetch(f"{ROW} WHERE id = $1", key)
        return Row(*found[0]) if found else None

    async def versions(self) -> dict[str, int]:
        """The version of each record."""
        return dict(await self._fetch("SELECT id, version FROM sign_ins"))

    async def put(self, key: str, kind: str, content: str, mark: str) -> int:
        """Write a record; return its version."""
        found = await self._fetch(PUT, key, kind, content, mark, notify=True)
        return int(found[0][0])

    async def add(self, key: str, kind: str, content: str, mark: str) -> None:
        """Write a record unless there is one."""
        await self._fetch(ADD, key, kind, content, mark, notify=True)

    async def renew(self, key: str, content: str, mark: str) -> int | None:
        """Replace a record with that mark; return its version, or None if there is none."""
        found = await self._fetch(RENEW, key, content, mark, notify=True)
        return int(found[0][0]) if found else None

    async def remove(self, key: str, mark: str) -> None:
        """Remove a record with that mark."""
        await self._fetch(REMOVE, key, mark, notify=True)

    async def claim(self, key: str, seconds: float) -> bool:
        """Claim a record, unless another holder has claimed it; whether that was so."""
        return bool(await self._fetch(CLAIM, key, self._holder, seconds))

    async def release(self, key: str) -> None:
        """Give a claim back."""
        await self._fetch(RELEASE, key, self._holder)

    async def put_once(self, key: str, content: str, seconds: float, most: int) -> None:
        """Keep a record that is taken once; forget those older than `seconds`, and the oldest beyond `most`."""
        await self._fetch(PUT_ONCE, key, content)
        await self._fetch(DROP_ONCE, seconds, most)

    async def take_once(self, key: str, seconds: float) -> str | None:
        """Take such a record, if it is not older than `seconds`."""
        found = await self._fetch(TAKE_ONCE, key, seconds)
        return str(found[0]["content"]) if found and found[0]["lasts"] else None

    async def close(self) -> None:
        """End the connection."""
        connection, self._connection = self._connection, None
        if connection:
            await end(connection)

    async def _fetch(self, sql: str, *values: Any, notify: bool = False) -> list[Any]:
        """Run one statement; with `notify`, tell all hubs of it."""
        async with self._using:
            connection = None
            try:
                with failures():
                    connection = await self._ready()
                    async with connection.transaction():
                        found: list[Any] = await connection.fetch(sql, *values)
                        if notify:
                            await connection.execute(NOTIFY)
                    return found
            except (DatabaseFailed, asyncio.CancelledError) as error:
                if connection:
                    connection.terminate()  # its state is unknown
                if isinstance(error, asyncio.CancelledError):
                    raise
                raise SignInUnavailable(
                    f"The database of sign-ins, PostgreSQL {self.target}, {error}.",
                    hint="Tokens that have not ended go on. Mend the database (HUB_CONFIG_DATABASE), then try again.",
                ) from None

    async def _ready(self) -> Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await connect_and_follow(
                self._url, self._schema, "sign_ins", TABLES, CHANNEL, self.noticed, COMMAND_SECONDS
            )
        return self._connection
