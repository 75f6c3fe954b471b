"""The history in an SQLite file: the engine that needs no server.

Two connections, each used in a thread of its own: one writes, one reads, so that in WAL mode neither waits for the
other (sqlite.org/wal.html). They have threads because a commit on a slow disk, a page of rare records or VACUUM takes
from milliseconds to minutes, in which the recorder answers other requests and says what it is doing.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from bridge.errors import HubError
from bridge.models import OptimizeStep
from bridge.private import PRIVATE_FILE, make_directory
from recorder.errors import StoreUnavailable
from recorder.sql import migrations
from recorder.sql.database import QUESTION_SECONDS, Row, Size, adding
from recorder.sql.migrations import Engine
from recorder.sql.sqlite_care import optimize
from recorder.sql.sqlite_errors import WRITABLE, coded

T = TypeVar("T")
BUSY_SECONDS = 2.0
"""How long a write waits for a lock of another process."""
FREE_SHARE = 4
FREE_PAGES = 2000
"""Free pages are given back if there are this many, and if they are a fourth of all; else further records use them."""
GIVE_BACK = 200
"""Pages that are given back at once: some milliseconds."""
SETTINGS = (
    f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000:.0f}",
    "PRAGMA synchronous = NORMAL",  # after a loss of power the last batches are read from the spool again
    "PRAGMA journal_size_limit = 16777216",
    "PRAGMA cache_size = -16384",  # KiB
    "PRAGMA foreign_keys = OFF",
)
SUFFIXES = ("", "-wal", "-shm")


class Connection:
    """A connection to a file, and the thread that uses it."""

    def __init__(self, file: Path, mode: str) -> None:
        self._thread = ThreadPoolExecutor(1, f"sqlite-{mode}")
        self._file, self._mode = file, mode
        self._connection: sqlite3.Connection | None = None

    async def open(self) -> None:
        """Open the file. Raises an error of recorder/errors.py."""
        await self.run(self._open)

    def _open(self, _: sqlite3.Connection | None = None) -> None:
        uri = f"{self._file.absolute().as_uri()}?mode={self._mode}"
        self._connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        for sql in SETTINGS:
            self._connection.execute(sql)

    async def run(self, work: Callable[..., T], *values: Any) -> T:
        """Do something in the thread; `work` gets the connection first. Raises an error of recorder/errors.py."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, partial(work, self._connection, *values))
        except sqlite3.Error as error:
            raise coded(error, self._file) from None
        except asyncio.CancelledError:
            self.interrupt()
            raise

    def interrupt(self) -> None:
        """End what the thread is doing, with an error."""
        if self._connection:
            self._connection.interrupt()

    async def close(self) -> None:
        """Close the file, and end the thread when it has done what it is at."""
        if self._connection:
            with contextlib.suppress(sqlite3.Error):
                await asyncio.get_running_loop().run_in_executor(self._thread, self._connection.close)
        self._thread.shutdown(wait=False)


class SqliteDatabase:
    """A `Database` (recorder/sql/database.py) in a file, which is created with mode 0600."""

    engine: Engine = "sqlite"

    def __init__(self, file: Path) -> None:
        self.version = 0
        self._file = file
        self._writer: Connection | None = None
        self._reader: Connection | None = None
        self._lock = asyncio.Lock()
        """Held by the one transaction that is open."""
        self._asking = asyncio.Lock()
        """Held by the one question that is asked, as `interrupt` ends whatever the connection is doing."""

    async def open(self) -> None:
        """Create the file if it is missing, and migrate it."""
        await self.close()
        try:
            _make_private(self._file)
        except OSError as error:
            raise StoreUnavailable(f"{self._file} cannot be used: {error.strerror}.", hint=WRITABLE) from None
        writer, reader = Connection(self._file, "rw"), Connection(self._file, "ro")
        try:
            await writer.open()
            version = await writer.run(_migrate, str(self._file))
            await reader.open()
            await reader.run(_fetch, "SELECT value FROM counters LIMIT 1", ())
        except BaseException:
            for connection in (reader, writer):
                await connection.close()
            raise
        self._writer, self._reader, self.version = writer, reader, version  # only now, as others ask meanwhile

    async def close(self) -> None:
        """Close both connections, when what they are doing is done; the write-ahead log goes into the file."""
        async with self._lock, self._asking:
            for connection in (self._reader, self._writer):
                if connection:
                    await connection.close()
            self._writer = self._reader = None
            self.version = 0

    async def fetch(self, sql: str, *values: Any) -> list[Row]:
        """Ask by the connection that reads."""
        async with self._asking:
            reader = _opened(self._reader, self._file)
            timer = asyncio.get_running_loop().call_later(QUESTION_SECONDS, reader.interrupt)
            try:
                return await reader.run(_fetch, sql, values)
            finally:
                timer.cancel()

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[SqliteTransaction]:
        """A transaction by the connection that writes. Raises StoreBusy if another process holds the lock."""
        async with self._lock:
            writer = _opened(self._writer, self._file)
            try:
                await writer.run(_execute, "BEGIN IMMEDIATE", ())
                yield SqliteTransaction(writer)
                await writer.run(_execute, "COMMIT", ())
            except BaseException:
                with contextlib.suppress(HubError):
                    await asyncio.shield(writer.run(_roll_back))
                raise

    async def size(self) -> Size:
        """The pages of the file, and of its write-ahead log; free ones are not in use."""
        [(page,)], [(pages,)], [(free,)] = [
            await self.fetch(f"PRAGMA {name}") for name in ("page_size", "page_count", "freelist_count")
        ]
        return Size(page * pages + _bytes(Path(f"{self._file}-wal")), page * (pages - free))

    async def give_back(self) -> None:
        """Give some free pages back, if there are many."""
        [(pages,)], [(free,)] = [await self.fetch(f"PRAGMA {name}") for name in ("page_count", "freelist_count")]
        if free > max(FREE_PAGES, pages / FREE_SHARE):
            async with self._lock:
                await _opened(self._writer, self._file).run(_give_back)

    async def optimize(self, dry_run: bool) -> list[OptimizeStep]:
        """Check, analyse and vacuum the file."""
        async with self._lock:
            return await _opened(self._writer, self._file).run(optimize, dry_run)


class SqliteTransaction:
    """A `Transaction` (recorder/sql/database.py)."""

    def __init__(self, writer: Connection) -> None:
        self._writer = writer

    async def execute(self, sql: str, *values: Any) -> int:
        """Run a statement."""
        return await self._writer.run(_execute, sql, values)

    async def many(self, sql: str, rows: Iterable[Row]) -> None:
        """Run a statement for each row."""
        if given := list(rows):
            await self._writer.run(_many, sql, given)

    async def insert(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Insert rows."""
        sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608
        await self.many(sql, rows)

    async def add_up(self, table: str, keys: Sequence[str], sums: Sequence[str], rows: Sequence[Row]) -> None:
        """Insert rows, or add them to those that are there."""
        columns = (*keys, *sums)
        insert = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608
        await self.many(f"{insert} {adding(table, keys, sums)}", rows)

    async def fetch(self, sql: str, *values: Any) -> list[Row]:
        """Ask within the transaction."""
        return await self._writer.run(_fetch, sql, values)


def _make_private(file: Path) -> None:
    """Create the file and its directory if they are missing, for this user alone."""
    make_directory(file.parent)
    file.touch(PRIVATE_FILE)
    for suffix in SUFFIXES:
        with contextlib.suppress(FileNotFoundError):
            Path(f"{file}{suffix}").chmod(PRIVATE_FILE)


def _bytes(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def _opened(connection: Connection | None, file: Path) -> Connection:
    if connection is None:
        raise StoreUnavailable(f"{file} is not open.")
    return connection


def _fetch(connection: sqlite3.Connection, sql: str, values: Sequence[Any]) -> list[Row]:
    return connection.execute(sql, values).fetchall()


def _execute(connection: sqlite3.Connection, sql: str, values: Sequence[Any]) -> int:
    return connection.execute(sql, values).rowcount


def _many(connection: sqlite3.Connection, sql: str, rows: list[Row]) -> None:
    connection.executemany(sql, rows)


def _give_back(connection: sqlite3.Connection) -> None:
    connection.executescript(f"PRAGMA incremental_vacuum({GIVE_BACK})")  # `execute` ends it after the first page


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:  # SQLite has ended it after some errors, such as a full disk
        connection.execute("ROLLBACK")


def _migrate(connection: sqlite3.Connection, what: str) -> int:
    """Bring the schema up to date; returns its version. Raises SchemaTooNew."""
    known = migrations.load("sqlite")
    if not _version(connection):
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # takes effect before the first table only
    connection.execute("PRAGMA journal_mode = WAL")
    for number, sql in migrations.pending(known, _version(connection), what):
        with _migration(connection):
            if _version(connection) < number:  # or another process has done it meanwhile
                for statement in migrations.statements(sql):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number}")
    return _version(connection)


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


@contextlib.contextmanager
def _migration(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        _roll_back(connection)
        raise
