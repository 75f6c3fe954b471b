"""Moves records from the spool to the store: each exactly once, whichever process is killed in between."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from bridge.errors import HubError
from bridge.spool import COUNT_SUFFIX
from recorder.batch import Batch, Loss
from recorder.inotify import Watch
from recorder.spool import SpoolFile, files_in
from recorder.store import Store

log = logging.getLogger(__name__)

PAUSE = 0.1
"""Seconds between looks at the spool, so that what is written in short succession becomes one batch."""
FIRST_RETRY, LAST_RETRY = 0.5, 30.0
"""Seconds until a store that failed is tried again: twice as many each time."""


class Intake:
    """Reads the spool whenever it changes, and appends what it finds to the store.

    The store keeps, in the transaction of a batch, up to where its file is stored. A complete file's position is its
    size and one more, which is stored with the loss of a process that was killed; then the file is removed, and its
    position is forgotten with a later batch.
    """

    def __init__(self, directory: Path, store: Store, failed: Callable[[HubError], Awaitable[None]]) -> None:
        """`failed` is called with each error of the store, before it is tried again."""
        self._directory = directory
        self._failed = failed
        self.store = store
        self.error: HubError | None = None
        """Why nothing can be stored at the moment."""
        self.stored = asyncio.Condition()
        """Notified when records were stored."""
        self._changed = asyncio.Event()
        self._positions: dict[str, int] | None = None
        """The positions that the store has; None if it was not asked yet."""
        self._removed: set[str] = set()
        """Files that are removed, whose positions the store still has."""

    async def run(self) -> None:
        """Store what is in the spool and what comes, until cancelled."""
        retry = FIRST_RETRY
        async with Watch(self._directory, self._changed.set):
            while True:
                self._changed.clear()
                try:
                    await self.drain()
                except HubError as error:
                    self._note(error)
                    await self._failed(error)
                    self._positions = None
                    await asyncio.sleep(retry)
                    retry = min(2 * retry, LAST_RETRY)
                    continue
                retry = FIRST_RETRY
                self._note(None)
                await self._changed.wait()
                await asyncio.sleep(PAUSE)

    async def drain(self) -> None:
        """Store all that the spool has now. Raises the HubError of the store."""
        positions = await self._known()
        files = await asyncio.to_thread(files_in, self._directory)
        for file, following in zip(files, [*files[1:], None], strict=True):
            last = following is None or following.run != file.run
            await self._take(file, positions, last)

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
                offset = part.offset
        file.remove(last)
        self._removed.add(file.name)

    async def _append(self, batch: Batch) -> None:
        forgotten = frozenset(self._removed)
        await self.store.append(
            Batch(
                calls=batch.calls,
                sessions=batch.sessions,
                ended=batch.ended,
                changes=batch.changes,
                sign_ins=batch.sign_ins,
                lost=batch.lost,
                positions=batch.positions,
                finished=forgotten,
            )
        )
        assert self._positions is not None  # noqa: S101
        self._positions |= batch.positions
        for name in forgotten:
            self._positions.pop(name, None)
        self._removed -= forgotten
        async with self.stored:
            self.stored.notify_all()

    async def _known(self) -> dict[str, int]:
        """The positions of the store. When it is asked first, what a killed recorder left behind is tidied."""
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


def _final(batch: Batch, file: SpoolFile, missing: int) -> Batch:
    """The last batch of a file, with the records that its killed writer took along."""
    if missing:
        log.warning("a process was killed with records in memory", extra={"run": file.run, "lost": missing})
    losses = [*batch.lost, Loss(time.time(), missing)] if missing else batch.lost
    return Batch(
        calls=batch.calls,
        sessions=batch.sessions,
        ended=batch.ended,
        changes=batch.changes,
        sign_ins=batch.sign_ins,
        lost=losses,
        positions={file.name: file.size + 1},
    )
