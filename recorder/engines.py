"""The choice of a store. A driver is imported when it is used."""

from __future__ import annotations

from pathlib import Path

from recorder.store import Store


def make_store(file: Path, url: str | None = None, schema: str = "yamcp_hub", replica: str = "") -> Store:
    """The store for HUB_DATABASE_URL and HUB_DATABASE_SCHEMA, or else that of an SQLite file; not opened yet.

    `replica` is HUB_REPLICA.
    """
    if url is not None:
        from recorder.sql.postgres import PostgresDatabase  # noqa: PLC0415  # asyncpg takes 60 ms to import
        from recorder.sql.sql_store import SqlStore  # noqa: PLC0415

        return SqlStore(PostgresDatabase(url, schema, replica), replica=replica)
    from recorder.sql.sql_store import SqlStore  # noqa: PLC0415
    from recorder.sql.sqlite import SqliteDatabase  # noqa: PLC0415

    return SqlStore(SqliteDatabase(file), replica=replica)
