"""Moves records from the spool to the store: each exactly once, whichever process is killed in between."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from bridge.errors import HubError
from bridge.history.spool import COUNT_SUFFIX
from recorder.batch import Batch, Loss
from recorder.errors import StoreBusy, StoreFull
from recorder.inotify import Watch
from recorder.spool import SpoolFile, files_in
from recorder.store import Store

log = logging.getLogger(__name__)

PAUSE = 0.1
"""Seconds between looks at the spool, so that what is written in short succession becomes one batch."""
BUSY_CALLS, BUSY_PAUSE = 500, 1.0
"""After that many calls at once, the pause in seconds: a transaction costs as much as a hundred calls."""
FIRST_RETRY, LAST_RETRY = 0.5, 5.0
"""Seconds until a store that failed is tried again: twice as many each time."""


class Intake:
    """Reads the spool whenever it changes, and appends what it finds to the store.

    The store keeps, in the transaction of a batch, up to where its file is stored. A complete file's position is its
    size and one more, which is stored with the loss of a process that was killed; then the file is removed, and its
    position is forgotten with a later batch.
    """

    def __init__(self, directory: Path, store: Store) -> None:
        self._directory = directory
        self.store = store
        self.failed: Callable[[HubError], Awaitable[None]] = _nothing
        """Called with each error of the store, before it is tried again. It may give another `store`."""
        self.opened = asyncio.Event()
        """Set once the store was opened, or could not be."""
        self.calls = 0
        """Calls that were stored since the start."""
        self.batches = 0
        """Batches that were."""
        self.error: HubError | None = None
        """Why nothing can be stored at the moment."""
        self.stored = asyncio.Condition()
        """Notified when records were stored."""
        self._changed = asyncio.Event()
        self._positions: dict[str, int] | None = None
        """The positions that the store has; None if it was not asked yet."""
        self._closed = True
        """Whether the store has to be opened before it is used."""
        self._removed: set[str] = set()
        """Files that are removed, whose positions the store still has."""
        self._unusable: set[str] = set()
        """Files that could not be read or removed."""
        self._reported: tuple[Store, HubError] | None = None
        """An error that another user of the store met."""

    async def run(self) -> None:
        """Store what is in the spool and what comes, until cancelled."""
        retry = FIRST_RETRY
        async with Watch(self._directory, self._changed.set):
            while True:
                self._changed.clear()
                calls = self.calls
                try:
                    await self.drain()
                except HubError as error:
                    if not await self._replaced(error):
                        await asyncio.sleep(retry)
                        retry = min(2 * retry, LAST_RETRY)
                    continue
                retry = FIRST_RETRY
                self._note(None)
                await self._changed.wait()
                await asyncio.sleep(pause_after(self.calls - calls))

    async def more(self, seen: int) -> int:
        """Wait until there are other than `seen` batches; returns how many there are."""
        async with self.stored:
            await self.stored.wait_for(lambda: self.batches != seen)
        return self.batches

    def report(self, store: Store, error: HubError) -> None:
        """Handle an error of the store that a question or the deletion of old records met, as one met here: a damaged
        page may be one that no new record touches."""
        self._reported = store, error
        self._changed.set()

    async def _replaced(self, error: HubError) -> bool:
        """Report an error of the store. Return whether it was replaced, so that it can be used at once."""
        store = self.store
        await self.failed(error)
        self._positions = None
        if self.store is not store:
            self._closed = True
            return True
        self._note(error)
        self._closed = self._closed or not isinstance(error, StoreFull | StoreBusy)
        self.opened.set()
        return False

    async def drain(self) -> None:
        """Store all that the spool has now. Raises the HubError of the store."""
        reported, self._reported = self._reported, None
        if reported is not None and reported[0] is self.store:
            raise reported[1]
        positions = await self._known()
        files = await asyncio.to_thread(files_in, self._directory)
        latest = {file.run: file.number for file in files}
        for file in files:
            try:
                await self._take(file, positions, last=file.number == latest[file.run])
            except OSError as error:  # such as a file of another user: it must not hold up all others
                self._skipped(file, error)

    def _skipped(self, file: SpoolFile, error: OSError) -> None:
        """Report a file that cannot be read or removed, once. It is tried again with each look at the spool."""
        if file.name not in self._unusable:
            self._unusable.add(file.name)
            log.error("a file of the spool cannot be used", extra={"file": str(file.path), "reason": error.strerror})

    def waiting(self) -> int:
        """Bytes in the spool that are not stored yet."""
        positions, total = self._positions or {}, 0
        for file in files_in(self._directory):
            with contextlib.suppress(FileNotFoundError):
                total += max(0, file.size - positions.get(file.name, 0))
        return total

    async def _take(self, file: SpoolFile, positions: dict[str, int], last: bool) -> None:
        """Store the rest of a file, and remove it if it is complete. `last`: it is the last one of its run."""
        offset = positions.get(file.name, 0)
        complete = offset > file.size
        while not complete:
            dead = not last or not file.is_written()  # before reading: what it wrote until then is read
            part = await asyncio.to_thread(file.read, offset, time.time())
            complete = part.complete or (dead and part.offset == offset)
            if complete:
                missing = 0 if part.complete or not last else file.missing()
                await self._append(_final(part.batch, file, missing))
            elif part.offset == offset:
                return
            else:
                await self._append(part.batch)
                offset = positions[file.name] = part.offset
        file.remove(last)
        positions.pop(file.name, None)
        self._removed.add(file.name)

    async def _append(self, batch: Batch) -> None:
        forgotten = frozenset(self._removed)
        await self.store.append(replace(batch, finished=forgotten))
        self._note(None)
        self._removed -= forgotten
        self.calls += len(batch.calls)
        self.batches += 1
        async with self.stored:
            self.stored.notify_all()

    async def _known(self) -> dict[str, int]:
        """The positions of the store. When it is asked first, what a killed recorder left behind is tidied."""
        if self._closed:
            await self.store.close()
            await self.store.open()
            self._closed = False
            self.opened.set()
        if self._positions is None:
            self._positions = await self.store.positions()
            files = files_in(self._directory)
            self._removed = set(self._positions) - {file.name for file in files}
            runs = {file.run for file in files}
            for count in self._directory.glob(f"*{COUNT_SUFFIX}"):
                if count.name.removesuffix(COUNT_SUFFIX) not in runs:
                    count.unlink(missing_ok=True)
        return self._positions

    def _note(self, error: HubError | None) -> None:
        if error is not None and (self.error is None or self.error.code != error.code):
            log.error("records cannot be stored", extra={"code": error.code, "reason": error.message})
        elif error is None and self.error is not None:
            log.warning("records are stored again", extra={"code": self.error.code})
        self.error = error


def pause_after(calls: int) -> float:
    """Seconds between two looks at the spool, if the first one found so many calls."""
    return PAUSE if calls < BUSY_CALLS else BUSY_PAUSE


def _final(batch: Batch, file: SpoolFile, missing: int) -> Batch:
    """The last batch of a file, with the records that its killed writer took along."""
    if missing:
        log.warning("a process was killed with records in memory", extra={"run": file.run, "lost": missing})
    losses = [*batch.lost, Loss(time.time(), missing)] if missing else batch.lost
    return replace(batch, lost=losses, positions={file.name: file.size + 1})


async def _nothing(_: HubError) -> None:
    """By default, a store that failed is just tried again."""
