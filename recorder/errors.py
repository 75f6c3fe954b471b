"""The errors of the recorder, each with a stable code."""

from __future__ import annotations

from bridge.errors import HubError


class StoreUnavailable(HubError):
    """The database of the history cannot be opened or reached. Records wait in the spool meanwhile."""

    code = "RECORDS_UNAVAILABLE"
    hint = "Start the database, or correct HUB_DATABASE_URL; the recorder tries again by itself."


class StoreBusy(StoreUnavailable):
    """Another process has locked the database of the history for longer than a write waits."""

    code = "RECORDS_BUSY"
    hint = "End the program that has history.db open for writing (a backup, a database browser)."


class StoreInUse(StoreUnavailable):
    """Another hub writes its history to the same PostgreSQL schema."""

    code = "RECORDS_IN_USE"
    hint = "Give each hub a schema of its own: set HUB_DATABASE_SCHEMA to another name for one of them."


class StoreFull(HubError):
    """The disk of the database of the history is full, or a quota is used up. Records wait in the spool meanwhile."""

    code = "RECORDS_FULL"
    hint = "Free space on that disk, or lower HUB_HISTORY_MAX_MB or HUB_HISTORY_DAYS."


class StoreCorrupt(HubError):
    """The file of the history is damaged, or it is not a database."""

    code = "RECORDS_CORRUPT"
    hint = (
        "The recorder moves the file aside and begins a new one; sqlite3's `.recover` may save what is in the old one."
    )


class SchemaTooNew(HubError):
    """The history was written by a newer hub; this one does not touch it."""

    code = "RECORDS_SCHEMA_NEWER"
    hint = "Start the newer hub again, or give this one another HUB_DATA_DIR or HUB_DATABASE_SCHEMA."


class QueryTooLong(HubError):
    """A question about the history took longer than 10 s, and was given up."""

    code = "RECORDS_QUERY_TOO_LONG"
    hint = "Ask for a shorter time; `hubctl history optimize` says whether the database wants care."


class NoSuchRecord(HubError):
    """The history has no record with that id: retention deleted it, or it never was there."""

    code = "NO_SUCH_RECORD"
    hint = "HUB_HISTORY_DAYS and HUB_HISTORY_MAX_MB say how long records are kept."
