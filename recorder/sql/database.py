"""What `SqlStore` asks of a database engine: transactions, questions and care. SQLite and PostgreSQL are the engines.

SQL is common to both. Placeholders are `?`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, Protocol

from bridge.models import OptimizeStep
from recorder.sql.migrations import Engine

Row = tuple[Any, ...]
QUESTION_SECONDS = 10.0
"""After this time a question is given up."""


class Size(NamedTuple):
    """Bytes of a database, and those of its space that are in use (None: the engine cannot tell)."""

    total: int
    used: int | None


def adding(table: str, keys: Sequence[str], sums: Sequence[str]) -> str:
    """The end of the INSERT of `Transaction.add_up`."""
    added = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in sums)
    return f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {added}"


class Transaction(Protocol):
    """Statements that take effect together."""

    async def execute(self, sql: str, *values: Any) -> int:
        """Run a statement; returns how many rows it changed."""

    async def many(self, sql: str, rows: Iterable[Row]) -> None:
        """Run a statement once for each row of values."""

    async def insert(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Insert rows, by the fastest way that the engine has."""

    async def add_up(self, table: str, keys: Sequence[str], sums: Sequence[str], rows: Sequence[Row]) -> None:
        """Insert rows of keys and numbers; where a row with these keys is there, add the numbers to its own."""

    async def fetch(self, sql: str, *values: Any) -> list[Row]:
        """The rows that a query finds."""


class Fetch(Protocol):
    """Asks a question outside of a transaction."""

    async def __call__(self, sql: str, *values: Any) -> list[Row]:
        """The rows that a query finds."""


class Database(Protocol):
    """An engine with an open database. Its errors are those of recorder/errors.py."""

    engine: Engine
    version: int
    """The version of the schema; 0 until it is open."""

    async def fetch(self, sql: str, *values: Any) -> list[Row]:
        """The rows that a query finds. Raises QueryTooLong after QUESTION_SECONDS."""

    async def open(self) -> None:
        """Connect, and migrate the schema."""

    async def close(self) -> None:
        """Disconnect."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """One transaction at a time: committed at the end, rolled back after an error."""

    async def size(self) -> Size:
        """The size of the database."""

    async def give_back(self) -> None:
        """Give a part of the space that is not in use back to the system, if that is much; takes milliseconds."""

    async def optimize(self, dry_run: bool) -> list[OptimizeStep]:
        """Do what would bring something, or only say so."""
