"""Writes the records to the spool, from which the recorder process stores them. Nothing waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson

from bridge.history.spool import SpoolWriter
from sidecar.audit.observer import CallObserver, Taken
from sidecar.audit.rows import ROW_FIELDS, SENDER_FIELDS

log = logging.getLogger(__name__)

FLUSH_SECONDS = 0.5
"""Seconds for which records stay in memory at most, while the disk takes them."""
BATCH = 1000
"""Calls in a line: encoding them holds up the event loop for 0.5 ms."""
BATCH_OF_BODIES = 50
"""Calls in a line while arguments and results are recorded."""
WARNING_SECONDS = 60.0
"""Seconds between log messages about records that are lost."""


class AuditWriter:
    """One task that writes what the observer noted, in batches; `run` it while the hub serves, then `close` it."""

    def __init__(
        self,
        directory: Path,
        max_bytes: int,
        count_lost: Callable[[int], None] = lambda count: None,
        redact: Callable[[str], str] = str,
    ) -> None:
        """`directory` is the spool of at most `max_bytes`. `count_lost` is called with the number of lost records;
        `redact` masks secrets in the URI of a resource."""
        self.observer = CallObserver(self._wake, redact)
        self.lost = 0
        """Records that were lost since the start."""
        self._count_lost = count_lost
        self._directory = directory
        self._max_bytes = max_bytes
        self._spool: SpoolWriter | None = None
        self._accounted = 0
        """Records in the lines of the spool, those included that they say to be lost."""
        self._owed = 0
        """Lost records of which the spool does not have a line yet."""
        self._woken = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "spool")
        self._flushing: asyncio.Task[None] | None = None
        """What writes the records that were taken from the queue last. It is not cancelled with `run`."""
        self._warned = -WARNING_SECONDS

    async def run(self) -> None:
        """Write every FLUSH_SECONDS while there are records, until cancelled."""
        with contextlib.suppress(OSError):  # tried again when there is something to write
            self._open()
        while True:
            self.observer.asleep = True
            if not self.observer.waiting:
                await self._woken.wait()
            self._woken.clear()
            self.observer.asleep = False
            await asyncio.sleep(FLUSH_SECONDS)
            self._flushing = asyncio.create_task(self._flush())
            await asyncio.shield(self._flushing)

    async def close(self) -> None:
        """Write what is left, and complete the spool's file. Call it when no more requests are served."""
        if self._flushing is not None:
            await self._flushing
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

    async def _flush(self) -> None:
        taken = self.observer.take()
        if taken.lost:
            self._owed += taken.lost
            self._lose(taken.lost, "more requests at once than can be written")
        if taken.begun or taken.ended:
            await self._write(len(taken.begun) + len(taken.ended), {"begun": taken.begun, "ended": taken.ended})
        most = BATCH_OF_BODIES if self.observer.extras else BATCH
        for at in range(0, len(taken.calls), most):
            calls = taken.calls[at : at + most]
            await self._write(len(calls), {**_head(taken), "calls": calls})
        if taken.lost and not taken.records:
            await self._write(0, {})

    async def _write(self, count: int, batch: dict[str, Any]) -> None:
        """Write the batch of `count` records, and how many were lost before it; they are lost if that fails."""
        owed, self._owed = self._owed, 0
        accounted = self._accounted + count + owed
        try:
            line = _encoded({**batch, "lost": owed, "upto": accounted}) + b"\n"
            spool = self._spool or self._open()
            await asyncio.get_running_loop().run_in_executor(self._thread, spool.append, line, accounted)
            self._accounted = accounted
        except OSError as error:
            self._owed += owed + count
            self._lose(count, error)

    def _lose(self, count: int, why: object) -> None:
        """Count records as lost, and say so in the log from time to time."""
        self.lost += count
        self._count_lost(count)
        if time.monotonic() - self._warned >= WARNING_SECONDS:
            self._warned = time.monotonic()
            log.warning("records of the history are lost", extra={"lost": self.lost, "reason": str(why)})

    def _open(self) -> SpoolWriter:
        """Open the spool; what was counted before goes on. Raises OSError."""
        spool = SpoolWriter(self._directory, "sidecar", self._max_bytes)
        self.observer.count_in(spool.seen)
        self._spool = spool
        return spool


def _encoded(batch: dict[str, Any]) -> bytes:
    """The batch as JSON, by the fast encoder, or else by the one that accepts lone surrogates: one odd name must not
    cost the records of others."""
    try:
        return orjson.dumps(batch)
    except TypeError:
        return json.dumps(batch, separators=(",", ":")).encode()


def _head(taken: Taken) -> dict[str, Any]:
    return {"fields": ROW_FIELDS, "sender_fields": SENDER_FIELDS, "senders": taken.senders}
