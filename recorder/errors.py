"""The errors of the recorder, each with a stable code."""

from __future__ import annotations

from bridge.errors import HubError


class StoreUnavailable(HubError):
    """The recorder cannot open or reach the history's database. Records wait in the spool."""

    code = "RECORDS_UNAVAILABLE"
    hint = "Start the database, or correct HUB_DATABASE_URL; the recorder retries automatically."


class StoreBusy(StoreUnavailable):
    """Another process locked the history's database for longer than a write waits."""

    code = "RECORDS_BUSY"
    hint = "Stop the program that has history.db open for writing (a backup, a database browser)."


class StoreInUse(StoreUnavailable):
    """Another hub writes its history to the same PostgreSQL schema: no replica of this one, or one of the same name."""

    code = "RECORDS_IN_USE"
    hint = "Give each hub a schema of its own (HUB_DATABASE_SCHEMA), or each replica a name (HUB_REPLICA)."


class StoreFull(HubError):
    """The disk of the history's database is full, or its quota is exceeded. Records wait in the spool."""

    code = "RECORDS_FULL"
    hint = "Free space on that disk, or lower HUB_HISTORY_MAX_MB or HUB_HISTORY_DAYS."


class StoreCorrupt(HubError):
    """The history's file is corrupt, or it is not a database."""

    code = "RECORDS_CORRUPT"
    hint = "The recorder renames the file and creates a new one; sqlite3's `.recover` may restore the old contents."


class SchemaTooNew(HubError):
    """A newer hub wrote the history; this version neither reads nor changes it."""

    code = "RECORDS_SCHEMA_NEWER"
    hint = "Start the newer hub again, or give this one another HUB_DATA_DIR or HUB_DATABASE_SCHEMA."


class QueryTooLong(HubError):
    """A query of the history took longer than 10 s and was cancelled."""

    code = "RECORDS_QUERY_TOO_LONG"
    hint = "Query a shorter period; `hubctl history optimize` shows whether the database needs maintenance."


class NoSuchRecord(HubError):
    """The history has no record with that id: retention deleted it, or it never existed."""

    code = "NO_SUCH_RECORD"
    hint = "HUB_HISTORY_DAYS and HUB_HISTORY_MAX_MB set how long the hub keeps records."
