"""The errors of PostgreSQL and its driver, as those of the recorder."""

from __future__ import annotations

import os

import asyncpg
from asyncpg import exceptions

from bridge.errors import HubError
from recorder.errors import QueryTooLong, StoreFull, StoreUnavailable
from recorder.sql.database import QUESTION_SECONDS

REFUSED = (
    *(exceptions.InvalidAuthorizationSpecificationError, exceptions.InvalidCatalogNameError),
    *(exceptions.InsufficientPrivilegeError, exceptions.ReadOnlySQLTransactionError),
)
"""What does not go away by itself."""
REFUSED_HINT = (
    "Correct HUB_DATABASE_URL, or create user and database as docs/history.md says; the recorder tries again by itself."
)


def coded(error: BaseException, target: str) -> HubError:
    """The error to raise for one of asyncpg's or of the network. `target` is the subject of its message."""
    if isinstance(error, exceptions.QueryCanceledError):
        return QueryTooLong(f"{target} did not answer within {QUESTION_SECONDS:.0f} s.")
    if isinstance(error, exceptions.DiskFullError):
        return StoreFull(f"{target} has no space left.", hint="Free space on the disk of PostgreSQL.")
    if isinstance(error, REFUSED):
        return StoreUnavailable(f"{target} refused: {_message(error)}.", hint=REFUSED_HINT)
    return StoreUnavailable(f"{target} {_reason(error)}.")


def _reason(error: BaseException) -> str:
    if isinstance(error, asyncpg.PostgresError):
        return f"failed: {_message(error)} (SQLSTATE {error.sqlstate})"
    if isinstance(error, TimeoutError):
        return "did not answer in time"
    if isinstance(error, OSError):
        return f"cannot be reached: {os.strerror(error.errno) if error.errno else 'the connection ended'}"
    return "has ended the connection"


def _message(error: BaseException) -> str:
    """The message of a server without its details, which may have a whole row: arguments and results of a call."""
    return str(error.args[0]) if error.args else type(error).__name__
