"""The errors of SQLite, as those of the recorder (pure): sqlite.org/rescode.html has their numbers."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from bridge.errors import HubError
from recorder.errors import QueryTooLong, StoreBusy, StoreCorrupt, StoreFull, StoreUnavailable
from recorder.sql.database import QUESTION_SECONDS

CANNOT_WRITE = {sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_TRUNCATE}
"""What SQLite says of a quota, and of a limit on the size of files."""
DENIED = {sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_AUTH}
WRITABLE = "Make HUB_DATA_DIR and history.db in it writable for the user that runs the hub."


def coded(error: sqlite3.Error, file: Path) -> HubError:
    """The error to raise for one of SQLite's. One that is a fault of this program is returned as StoreUnavailable."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    primary = code & 0xFF
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StoreCorrupt(f"{file} is damaged: {error}.")
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreBusy(f"{file} is locked by another process.")
    if primary == sqlite3.SQLITE_FULL or code in CANNOT_WRITE:
        return StoreFull(f"{file} cannot grow: {error}.")
    if primary == sqlite3.SQLITE_INTERRUPT:
        return QueryTooLong(f"The question took longer than {QUESTION_SECONDS:.0f} s.")
    hint = WRITABLE if primary in DENIED else "The text given is the database's; the hub's log has the time."
    return StoreUnavailable(f"{file} cannot be used: {error}.", hint=hint)
