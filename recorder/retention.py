"""Deletes records that are older than HUB_HISTORY_DAYS, and the oldest beyond HUB_HISTORY_MAX_MB, in short steps."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time

from bridge.errors import HubError
from bridge.settings import Settings
from recorder.errors import StoreCorrupt
from recorder.intake import Intake

log = logging.getLogger(__name__)

EACH_SECONDS = 3600.0
"""Seconds between two rounds, if few records come."""
EACH_RECORDS = 20_000
"""Stored calls after which a round begins earlier, for the sake of the size."""
PAUSE = 0.05
"""Seconds between two steps, in which new records are stored and questions are answered."""
DAY_SECONDS = 86_400


class Retention:
    """Keeps the store within its limits."""

    def __init__(self, intake: Intake, settings: Settings) -> None:
        self._intake = intake
        self._days = settings.history_days
        self._bytes = settings.history_max_mb * 1_000_000

    async def run(self) -> None:
        """Delete what is beyond the limits from time to time, until cancelled."""
        await self._intake.opened.wait()
        while True:
            store = self._intake.store
            try:
                await self.round()
            except StoreCorrupt as error:
                self._intake.report(store, error)
            except HubError:  # the intake meets it, too
                log.debug("old records could not be deleted", exc_info=True)
            await self._due()

    async def round(self) -> int:
        """Delete everything that is beyond the limits; returns how many records. Raises the HubError of the store."""
        total, before = 0, time.time() - self._days * DAY_SECONDS
        while deleted := await self._intake.store.retain(before, self._bytes):
            total += deleted
            await asyncio.sleep(PAUSE)
        return total

    async def _due(self) -> None:
        """Wait until the next round: EACH_SECONDS, or until EACH_RECORDS were stored."""
        wanted = self._intake.calls + EACH_RECORDS
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EACH_SECONDS), self._intake.stored:
                await self._intake.stored.wait_for(lambda: self._intake.calls >= wanted)
