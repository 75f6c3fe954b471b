"""Leases without a database: what the table does, with a clock that tests move."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sidecar.placement.leases import Answer, StoreFailed

Rows = dict[str, tuple[str, int, float]]
"""Holder, epoch and end of each lease."""


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class MemoryLeases:
    """What the table does, for one holder; `away` while it cannot be reached, `unknown` are leases for which it
    gives no answer."""

    def __init__(self, clock: Clock, rows: Rows, holder: str) -> None:
        self._clock, self._rows, self._holder = clock, rows, holder
        self.away = False
        self.unknown: set[str] = set()

    async def acquire(self, key: str, seconds: float) -> Answer:
        """As `LeaseStore`."""
        self._check()
        holder, epoch, until = self._rows.get(key, ("", 0, 0.0))
        if until > self._clock() and holder != self._holder:
            return Answer(0, holder)
        epoch += holder != self._holder or until <= self._clock()
        self._rows[key] = self._holder, epoch, self._clock() + seconds
        return Answer(epoch, self._holder)

    async def renew(self, keys: Collection[str], seconds: float) -> Mapping[str, bool]:
        """As `LeaseStore`."""
        self._check()
        mine = {key for key in keys if self._rows[key][0] == self._holder and self._rows[key][2] > self._clock()}
        for key in mine:
            self._rows[key] = self._holder, self._rows[key][1], self._clock() + seconds
        return {key: key in mine for key in keys if key not in self.unknown}

    async def release(self, keys: Collection[str]) -> None:
        """As `LeaseStore`."""
        self._check()
        for key in keys:
            if self._rows[key][0] == self._holder:
                self._rows[key] = self._holder, self._rows[key][1], self._clock()

    async def taker(self, key: str) -> str:
        """As `LeaseStore`."""
        self._check()
        holder, _, until = self._rows.get(key, ("", 0, 0.0))
        return holder if until > self._clock() and holder != self._holder else ""

    async def close(self) -> None:
        """Nothing is open."""

    def _check(self) -> None:
        if self.away:
            raise StoreFailed("It is away.")
