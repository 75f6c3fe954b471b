"""Leases in a table of PostgreSQL. Its clock is the only one that counts."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

from bridge.postgresql.address import target
from bridge.postgresql.connection import Connection, DatabaseFailed, connect, end, failures, make_tables
from sidecar.placement.leases import Answer, StoreFailed

COMMAND_SECONDS = 4.0
TABLE = """CREATE TABLE leases (
    server text PRIMARY KEY, holder text NOT NULL, replica text NOT NULL, epoch bigint NOT NULL,
    until timestamptz NOT NULL)"""
ACQUIRE = """INSERT INTO leases AS l (server, holder, replica, epoch, until)
    VALUES ($1, $2, $3, 1, clock_timestamp() + make_interval(secs => $4))
    ON CONFLICT (server) DO UPDATE SET
        holder = excluded.holder, replica = excluded.replica,
        epoch = l.epoch + CASE WHEN l.holder = excluded.holder AND l.until > clock_timestamp() THEN 0 ELSE 1 END,
        until = clock_timestamp() + make_interval(secs => $4)
    WHERE l.until <= clock_timestamp() OR l.holder = excluded.holder
    RETURNING epoch"""
"""`clock_timestamp`, not `now`: the statement may have waited for another one."""
RENEW = """UPDATE leases SET until = clock_timestamp() + make_interval(secs => $3)
    WHERE holder = $1 AND server = ANY($2) AND until > clock_timestamp() RETURNING server"""
TAKER = "SELECT replica FROM leases WHERE server = $1 AND holder <> $2 AND until > clock_timestamp()"
RELEASE = "UPDATE leases SET until = clock_timestamp() WHERE holder = $1 AND server = ANY($2)"


class PostgresLeases:
    """A `LeaseStore` (leases.py). `holder` is unique to this process."""

    def __init__(self, url: str, schema: str, holder: str, replica: str) -> None:
        self._url, self._schema = url, schema
        self._holder, self._replica = holder, replica
        self._target = target(url, "HUB_CONFIG_DATABASE")
        self._connection: Connection | None = None
        self._using = asyncio.Lock()

    async def acquire(self, key: str, seconds: float) -> Answer:
        """Get a lease, or learn who has it."""
        found = await self._fetch(ACQUIRE, key, self._holder, self._replica, seconds)
        if found:
            return Answer(found[0][0], self._replica)
        found = await self._fetch("SELECT replica FROM leases WHERE server = $1", key)
        return Answer(0, found[0][0] if found else "")

    async def renew(self, keys: Collection[str], seconds: float) -> Mapping[str, bool]:
        """Extend leases; return whether each is still this holder's."""
        renewed = {row[0] for row in await self._fetch(RENEW, self._holder, list(keys), seconds)}
        return {key: key in renewed for key in keys}

    async def release(self, keys: Collection[str]) -> None:
        """Give leases back."""
        if keys:
            await self._fetch(RELEASE, self._holder, list(keys))

    async def taker(self, key: str) -> str:
        """The other replica that has a lease; empty: none."""
        found = await self._fetch(TAKER, key, self._holder)
        return str(found[0][0]) if found else ""

    async def close(self) -> None:
        """End the connection."""
        connection, self._connection = self._connection, None
        if connection:
            await end(connection)

    async def _fetch(self, sql: str, *values: Any) -> list[Any]:
        async with self._using:
            try:
                with failures():
                    connection = await self._connected()
                    found: list[Any] = await connection.fetch(sql, *values)
                    return found
            except BaseException as error:
                if self._connection:  # also after a cancellation its state is unknown
                    self._connection.terminate()
                    self._connection = None
                if isinstance(error, DatabaseFailed):
                    raise StoreFailed(f"The PostgreSQL database {self._target} {error}.") from None
                raise

    async def _connected(self) -> Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await connect(self._url, COMMAND_SECONDS, search_path=self._schema)
            await make_tables(self._connection, self._schema, "leases", TABLE)
        return self._connection
