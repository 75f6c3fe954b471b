"""Answers the bridge's questions about the history, at the socket `records`."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeVar

from bridge.errors import HubError
from bridge.models import (
    CallDetails,
    CallRecords,
    ChangeRecords,
    Model,
    OptimizeRecords,
    OptimizeReport,
    ReadCall,
    ReadCalls,
    ReadChanges,
    ReadRecordedPrincipals,
    ReadRecordedSessions,
    ReadRecordsStatus,
    ReadSignIns,
    ReadUsage,
    RecordedPrincipals,
    RecordedSessions,
    RecordsStatus,
    SignInRecords,
    Usage,
)
from bridge.server import Handlers
from recorder.errors import StoreCorrupt, StoreFull
from recorder.intake import Intake
from recorder.store import Store, StoreStatus

A = TypeVar("A", bound=Model)
State = Literal["ok", "behind", "unavailable", "full"]

LOOK_SECONDS = 1.0
"""How often the database is asked for records that other replicas may have stored, while somebody waits for them."""
BEHIND_BYTES = 8 * 1024 * 1024
"""Bytes in the spool from which on the recorder says that it is behind: 30,000 records or so."""


class RecordsApi:
    """The handlers of the socket. `database` is the kind of the store, which is said while it cannot be reached;
    `replica` is the hub's name, or empty."""

    def __init__(self, intake: Intake, database: Literal["sqlite", "postgresql", "memory"], replica: str = "") -> None:
        self._intake = intake
        self._database = database
        self._replica = replica
        self.note: tuple[str, str] = ("", "")
        """Code and message of what people should know although all is well: that a damaged file was moved aside."""

    def handlers(self) -> Handlers:
        """The handlers by kind. Damage that one of them meets is reported to the intake, which replaces the store."""
        handlers: Handlers = {
            ReadCalls: self.calls,
            ReadCall: self.call,
            ReadUsage: self.usage,
            ReadChanges: self.changes,
            ReadSignIns: self.sign_ins,
            ReadRecordedSessions: self.sessions,
            ReadRecordedPrincipals: self.principals,
            ReadRecordsStatus: self.status,
            OptimizeRecords: self.optimize,
        }
        return {kind: self._reporting(handler) for kind, handler in handlers.items()}

    def _reporting(self, handler: Callable[[Any], Awaitable[Any]]) -> Callable[[Any], Awaitable[Any]]:
        async def handle(request: Any) -> Any:
            store = self._intake.store
            try:
                return await handler(request)
            except StoreCorrupt as error:
                self._intake.report(store, error)
                raise

        return handle

    async def _store(self) -> Store:
        """The open store. Raises the HubError for which there is none."""
        await self._intake.opened.wait()
        if self._intake.error is not None and not isinstance(self._intake.error, StoreFull):
            raise self._intake.error
        return self._intake.store

    async def calls(self, request: ReadCalls) -> CallRecords:
        """Recorded calls."""
        store = await self._store()
        return await self._followed(request, store.read_calls, lambda found: bool(found.calls))

    async def call(self, request: ReadCall) -> CallDetails:
        """One recorded call."""
        return await (await self._store()).read_call(request)

    async def usage(self, request: ReadUsage) -> Usage:
        """Figures until now."""
        return await (await self._store()).read_usage(request, time.time())

    async def changes(self, request: ReadChanges) -> ChangeRecords:
        """Recorded changes."""
        store = await self._store()
        return await self._followed(request, store.read_changes, lambda found: bool(found.changes))

    async def sign_ins(self, request: ReadSignIns) -> SignInRecords:
        """Recorded sign-ins."""
        return await (await self._store()).read_sign_ins(request)

    async def sessions(self, request: ReadRecordedSessions) -> RecordedSessions:
        """Recorded sessions."""
        return await (await self._store()).read_recorded_sessions(request)

    async def principals(self, request: ReadRecordedPrincipals) -> RecordedPrincipals:
        """Recorded principals."""
        return await (await self._store()).read_recorded_principals(request)

    async def optimize(self, request: OptimizeRecords) -> OptimizeReport:
        """Optimize the database."""
        return await (await self._store()).optimize(request.dry_run)

    async def status(self, _: ReadRecordsStatus) -> RecordsStatus:
        """The state of recorder and database, also while that cannot be reached."""
        spooled, error = await asyncio.to_thread(self._intake.waiting), self._intake.error
        known = StoreStatus(self._database, 0, 0, None, None, 0)
        if self._intake.opened.is_set() and (error is None or isinstance(error, StoreFull)):
            store = self._intake.store
            try:
                known = await store.status()
            except HubError as fault:  # the intake has not noticed yet
                error = fault
                if isinstance(fault, StoreCorrupt):
                    self._intake.report(store, fault)
        state, code, reason = self._state(error, spooled)
        own = {"state": state, "reason": reason, "code": code, "spooled": spooled, "replica": self._replica}
        return RecordsStatus.model_validate(own | known._asdict())

    def _state(self, error: HubError | None, spooled: int) -> tuple[State, str, str]:
        """The state, the code of what is wrong, and the reason."""
        if error is not None:
            return "full" if isinstance(error, StoreFull) else "unavailable", error.code, str(error)
        if not self._intake.opened.is_set():
            return "behind", "", "The recorder is starting."
        if spooled > BEHIND_BYTES:
            return "behind", "", f"{spooled / 1e6:.0f} MB of records wait to be stored."
        return "ok", *self.note

    async def _followed(self, request: Any, read: Callable[[Any], Awaitable[A]], has_records: Callable[[A], bool]) -> A:
        """Read the records after an id; if there are none, wait for them for up to `request.wait` seconds."""
        intake, seen = self._intake, self._intake.batches
        shared = self._replica and self._database == "postgresql"
        found = await read(request)
        if request.after is None or not request.wait:
            return found
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(request.wait):
                while not has_records(found):
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(LOOK_SECONDS if shared else None):
                            seen = await intake.more(seen)
                    found = await read(request)
        return found
