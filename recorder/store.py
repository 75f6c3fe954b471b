"""The contract of a store of records; recorder/engines.py chooses one."""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol

from bridge.models import (
    CallDetails,
    CallRecords,
    ChangeRecords,
    OptimizeReport,
    ReadCall,
    ReadCalls,
    ReadChanges,
    ReadRecordedPrincipals,
    ReadRecordedSessions,
    ReadSignIns,
    ReadUsage,
    RecordedPrincipals,
    RecordedSessions,
    SignInRecords,
    Usage,
)
from recorder.batch import Batch

RETAIN_STEP = 200
"""Most calls that one step of `retain` deletes: 2,000 held SQLite's write lock for half a second."""

MOST_SIGN_INS = 100_000
"""Sign-ins that are kept, 15 MB or so: anybody can attempt to sign in, and must not push out the records of calls."""


class StoreStatus(NamedTuple):
    """What `RecordsStatus` says of the database."""

    database: Literal["sqlite", "postgresql", "memory"]
    schema_version: int
    calls: int
    oldest: float | None
    """When the oldest call entered."""
    size: int | None
    """Bytes; None if it has none of its own."""
    lost: int
    replicas: tuple[str, ...] = ()
    """The replicas whose records it has; empty if this hub has no name."""


class Store(Protocol):
    """Keeps records. Each method but `open` and `close` may be called while others run.

    After an error of `append` or `retain` the store holds what it held before, or (if the connection broke at the end)
    all of the batch: append the same batch again.

    Raises (all methods):
        StoreUnavailable: the database cannot be reached; try again later. `StoreBusy`, `StoreInUse`: why.
        StoreFull: no space is left.
        StoreCorrupt: the file is damaged. Close the store, move the file aside, open a new one.
    """

    async def open(self) -> None:
        """Connect, and bring the schema to this hub's version. Can be called again if it failed.

        Raises SchemaTooNew.
        """

    async def close(self) -> None:
        """Disconnect; without effect if it is closed."""

    async def append(self, batch: Batch) -> None:
        """Store a batch in one transaction, unless its positions say that it is stored."""

    async def positions(self) -> dict[str, int]:
        """For each spool file: the offset behind its last stored record."""

    async def read_calls(self, request: ReadCalls) -> CallRecords:
        """One page of calls, in order of the time at which they entered; those after an id in order of ids."""

    async def read_call(self, request: ReadCall) -> CallDetails:
        """One call with its details. Raises NoSuchRecord."""

    async def read_usage(self, request: ReadUsage, now: float) -> Usage:
        """Figures of the last hour, day or month before `now` (Unix time)."""

    async def read_changes(self, request: ReadChanges) -> ChangeRecords:
        """One page of changes."""

    async def read_sign_ins(self, request: ReadSignIns) -> SignInRecords:
        """One page of sign-ins."""

    async def read_recorded_sessions(self, request: ReadRecordedSessions) -> RecordedSessions:
        """The newest sessions."""

    async def read_recorded_principals(self, request: ReadRecordedPrincipals) -> RecordedPrincipals:
        """The principals that were seen last."""

    async def status(self) -> StoreStatus:
        """The state of the database."""

    async def retain(self, before: float, max_bytes: int) -> int:
        """Delete records from before a Unix time, sign-ins beyond MOST_SIGN_INS, and while the database is larger than
        `max_bytes` the oldest calls, with the sessions that ended before these.

        One short step, so that others are not held up: at most RETAIN_STEP calls, and as many of each other kind.
        Returns how many records it deleted; 0 if nothing is left to do.
        """

    async def optimize(self, dry_run: bool) -> OptimizeReport:
        """Analyse, give space back, and check indexes, or only say what would be done. It may take minutes."""
