"""Connections to PostgreSQL by asyncpg, and what its errors mean for people.

Imported only by what uses a database: asyncpg takes 60 ms to import.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator
from typing import Any

import asyncpg

CONNECT_SECONDS = 5.0
"""Longest time for a connection to be made."""
SETTINGS = {
    "application_name": "yamcp-hub",
    "jit": "off",
    "tcp_keepalives_idle": "10",  # so that the server finds out within 20 s that this machine is gone
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "2",
}
FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""What asyncpg raises of a database that refuses, fails or is away; TimeoutError is an OSError."""
Connection = Any
"""`asyncpg.Connection`; asyncpg has no types."""


class DatabaseFailed(Exception):
    """A database cannot be used; the text says why, without secrets and without values."""


async def connect(url: str, command_seconds: float, **settings: str) -> Connection:
    """Connect; each statement may take `command_seconds`. `settings` are the session's, beside `SETTINGS`.

    Raises:
        DatabaseFailed: it cannot be reached, refuses, or the address is unusable.
    """
    with failures():
        try:
            return await asyncpg.connect(
                url, timeout=CONNECT_SECONDS, command_timeout=command_seconds, server_settings=SETTINGS | settings
            )
        except ValueError as error:  # the text of what asyncpg makes of the address may hold a part of the password
            raise DatabaseFailed(f"has an address that cannot be used ({type(error).__name__})") from None


async def end(connection: Connection) -> None:
    """Close a connection, within a second."""
    with contextlib.suppress(*FAILURES):
        await connection.close(timeout=1)


async def make_tables(connection: Connection, schema: str, table: str, statements: str) -> None:
    """Make tables of the shared configuration unless `table` is there, once for all hubs; before them, the schema."""
    if await connection.fetchval("SELECT to_regclass($1)", table):
        return
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('yamcp-hub config'))")
        if not await connection.fetchval("SELECT 1 FROM pg_namespace WHERE nspname = $1", schema):
            await connection.execute(f'CREATE SCHEMA "{schema}"')
        if not await connection.fetchval("SELECT to_regclass($1)", table):
            await connection.execute(statements)


async def follow(connection: Connection, channel: str, schema: str, noticed: asyncio.Event) -> None:
    """Set `noticed` at each notice of a channel about the schema, and at the end of the connection."""

    def heard(_connection: Connection, _pid: int, _channel: str, payload: object) -> None:
        if payload == schema:
            noticed.set()

    await connection.add_listener(channel, heard)
    connection.add_termination_listener(lambda _: noticed.set())


async def connect_and_follow(
    url: str,
    schema: str,
    table: str,
    statements: str,
    channel: str,
    noticed: asyncio.Event,
    command_seconds: float,
    **settings: str,
) -> Connection:
    """Connect to the shared configuration (`connect`), make its tables (`make_tables`), and follow notices (`follow`).

    Raises DatabaseFailed, as `connect` does, and what the driver raises of the rest; no connection is left then.
    """
    connection = await connect(url, command_seconds, search_path=schema, **settings)
    try:
        await make_tables(connection, schema, table, statements)
        await follow(connection, channel, schema, noticed)
    except BaseException:
        connection.terminate()
        raise
    return connection


@contextlib.contextmanager
def failures() -> Iterator[None]:
    """Raise DatabaseFailed for the errors of the driver and of the network."""
    try:
        yield
    except FAILURES as error:
        raise DatabaseFailed(reason(error)) from None


def reason(error: BaseException) -> str:
    """Why a database failed, to stand behind its name. Of a server's message, only the part without values of rows."""
    if isinstance(error, asyncpg.PostgresError):
        return f"failed: {error.args[0] if error.args else type(error).__name__} (SQLSTATE {error.sqlstate})"
    if isinstance(error, TimeoutError):
        return "did not answer in time"
    if isinstance(error, OSError):
        return f"cannot be reached: {os.strerror(error.errno) if error.errno else 'the connection ended'}"
    return "has ended the connection"
