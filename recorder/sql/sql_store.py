"""A store in an SQL database, whichever its engine."""

from __future__ import annotations

import time
from collections.abc import Callable

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
from recorder.sql import appending
from recorder.sql.database import Database
from recorder.sql.reading import Reader
from recorder.store import RETAIN_STEP, StoreStatus


class SqlStore:
    """A `Store` (recorder/store.py) in `database`. `clock` returns Unix time; `replica` is the hub's name, or empty."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time, replica: str = "") -> None:
        self._database = database
        self._clock = clock
        self._replica = replica
        self._reader = Reader(database.fetch)

    async def open(self) -> None:
        """Connect, and migrate."""
        await self._database.open()
        if self._replica:
            async with self._database.transaction() as transaction:
                await appending.seen(transaction, self._replica, self._clock())

    async def close(self) -> None:
        """Disconnect."""
        await self._database.close()

    async def append(self, batch: Batch) -> None:
        """Store a batch in one transaction."""
        async with self._database.transaction() as transaction:
            await appending.append(transaction, batch, self._clock(), self._replica)

    async def positions(self) -> dict[str, int]:
        """The positions of all files."""
        rows = await self._database.fetch("SELECT file, bytes FROM positions")
        return {str(file): int(end) for file, end in rows}

    async def read_calls(self, request: ReadCalls) -> CallRecords:
        """One page of calls."""
        return await self._reader.calls(request)

    async def read_call(self, request: ReadCall) -> CallDetails:
        """One call."""
        return await self._reader.call(request)

    async def read_usage(self, request: ReadUsage, now: float) -> Usage:
        """Figures of calls."""
        return await self._reader.usage(request, now)

    async def read_changes(self, request: ReadChanges) -> ChangeRecords:
        """One page of changes."""
        return await self._reader.changes(request)

    async def read_sign_ins(self, request: ReadSignIns) -> SignInRecords:
        """One page of sign-ins."""
        return await self._reader.sign_ins(request)

    async def read_recorded_sessions(self, request: ReadRecordedSessions) -> RecordedSessions:
        """The newest sessions."""
        return await self._reader.sessions(request)

    async def read_recorded_principals(self, request: ReadRecordedPrincipals) -> RecordedPrincipals:
        """The principals seen last."""
        return await self._reader.principals(request)

    async def status(self) -> StoreStatus:
        """The state of the database."""
        fetch = self._database.fetch
        [(oldest,)] = await fetch("SELECT MIN(at) FROM calls")
        [(lost,)] = await fetch("SELECT CAST(COALESCE(SUM(records), 0) AS bigint) FROM lost")
        stored = await self._reader.counter("stored")
        size = await self._database.size()
        replicas = await self._reader.replicas() if self._replica else ()
        known = self._database.engine, self._database.version, stored, oldest, size.total, int(lost)
        return StoreStatus(*known, replicas=replicas)

    async def retain(self, before: float, max_bytes: int) -> int:
        """One step of deletion."""
        async with self._database.transaction() as transaction:
            if self._replica:
                await appending.seen(transaction, self._replica, self._clock())
            used = await self._used()  # now that no other replica deletes anything
            deleted = await appending.retain(transaction, before, self._clock(), used, max_bytes, RETAIN_STEP)
        await self._database.give_back()
        return deleted

    async def _used(self) -> float:
        """Bytes in use.

        Where the engine cannot tell them, space that deleted calls have left is estimated: the share of calls that
        were deleted since there were most.
        """
        size = await self._database.size()
        if size.used is not None:
            return size.used
        stored, peak = await self._reader.counter("stored"), await self._reader.counter("peak")
        return size.total * stored / max(stored, peak, 1)

    async def optimize(self, dry_run: bool) -> OptimizeReport:
        """Care for the database."""
        before = await self._database.size()
        steps = await self._database.optimize(dry_run)
        after = await self._database.size()
        return OptimizeReport(steps=tuple(steps), before=before.total, after=after.total)
