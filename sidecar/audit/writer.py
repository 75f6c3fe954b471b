"""Writes the records to the spool, from which the recorder process stores them. Nothing waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson

from bridge.history.spool import SpoolWriter
from sidecar.audit.observer import CallObserver
from sidecar.audit.rows import CALL_FIELDS, call_row

log = logging.getLogger(__name__)

FLUSH_SECONDS = 0.5
"""Seconds for which records stay in memory at most, while the disk takes them."""
BATCH = 500
"""Records in a batch: encoding them holds up the event loop for 0.5 ms."""
WARNING_SECONDS = 60.0
"""Seconds between log messages about records that are lost."""


class AuditWriter:
    """One task that writes what the observer noted, in batches; `run` it while the hub serves, then `close` it."""

    def __init__(self, directory: Path, max_bytes: int) -> None:
        self.observer = CallObserver(self._wake)
        self.lost = 0
        """Records that were lost since the start."""
        self._directory = directory
        self._max_bytes = max_bytes
        self._spool: SpoolWriter | None = None
        self._accounted = 0
        """Records in the lines of the spool, those included that they say to be lost."""
        self._owed = 0
        """Lost records of which the spool does not have a line yet."""
        self._woken = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "spool")
        self._warned = -WARNING_SECONDS

    async def run(self) -> None:
        """Write every FLUSH_SECONDS while there are records, until cancelled."""
        with contextlib.suppress(OSError):  # tried again when there is something to write
            self._open()
        while True:
            self.observer.asleep = True
            if not self._waiting():
                await self._woken.wait()
            self._woken.clear()
            self.observer.asleep = False
            await asyncio.sleep(FLUSH_SECONDS)
            await self._flush()

    async def close(self) -> None:
        """Write what is left, and complete the spool's file. Call it when no more requests are served."""
        await self._flush()
        if self._owed:
            await self._write(0, {})
        self._thread.shutdown()
        if self._spool is not None:
            try:
                self._spool.close()
            except OSError as error:
                log.warning("the spool could not be closed", extra={"reason": str(error)})

    def _wake(self) -> None:
        self.observer.asleep = False
        self._woken.set()

    def _waiting(self) -> bool:
        observer = self.observer
        return bool(observer.calls or observer.begun or observer.ended_sessions or observer.lost)

    async def _flush(self) -> None:
        while self._waiting():
            await self._write(*self._take())

    async def _write(self, count: int, batch: dict[str, Any]) -> None:
        """Write the batch of `count` records, and how many were lost before it; they are lost if that fails."""
        owed, self._owed = self._owed, 0
        accounted = self._accounted + count + owed
        line = orjson.dumps({**batch, "lost": owed, "upto": accounted}) + b"\n"
        try:
            spool = self._spool or self._open()
            await asyncio.get_running_loop().run_in_executor(self._thread, spool.append, line, accounted)
            self._accounted = accounted
        except OSError as error:
            self._owed += owed + count
            self._lose(count, error)

    def _take(self) -> tuple[int, dict[str, Any]]:
        """Take up to BATCH calls, and the sessions, from the observer: the number of records, and their batch."""
        observer = self.observer
        calls = observer.calls
        rows = [call_row(calls.popleft()) for _ in range(min(BATCH, len(calls)))]
        begun, observer.begun = observer.begun, []
        ended, observer.ended_sessions = observer.ended_sessions, []
        lost, observer.lost = observer.lost, 0
        if lost:
            self._owed += lost
            self._lose(lost, "more requests at once than can be written")
        count = len(rows) + len(begun) + len(ended)
        batch: dict[str, Any] = {"fields": CALL_FIELDS, "calls": rows} if rows else {}
        batch |= {name: records for name, records in (("begun", begun), ("ended", ended)) if records}
        return count, batch

    def _lose(self, count: int, why: object) -> None:
        """Count records as lost, and say so in the log from time to time."""
        self.lost += count
        if time.monotonic() - self._warned >= WARNING_SECONDS:
            self._warned = time.monotonic()
            log.warning("records of the history are lost", extra={"lost": self.lost, "reason": str(why)})

    def _open(self) -> SpoolWriter:
        """Open the spool; what was counted before goes on. Raises OSError."""
        spool = SpoolWriter(self._directory, "sidecar", self._max_bytes)
        spool.seen[0] = self.observer.seen[0]
        self.observer.seen, self._spool = spool.seen, spool
        return spool
