"""The limits per principal of a hub, which are loaded when access.json has some."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from bridge.errors import ErrorBody
from bridge.keys import Principal
from bridge.models.limits import LimitsState
from sidecar.admission.admission import Admission

if TYPE_CHECKING:
    from bridge.models.access_file import AccessLimit
    from bridge.settings import Settings
    from sidecar.quotas.ledger import Current, Refused, Space
    from sidecar.quotas.quotas import Quotas
    from sidecar.quotas.shared import SharedCounts


class Limits:
    """Owned by the hub. `refused` is told of each refusal, `shares` whether several hubs count together now (only if
    that is configured); `spaces` are all workspaces."""

    def __init__(
        self,
        settings: Settings,
        admission: Admission,
        server_gates: Admission,
        spaces: Callable[[], Iterable[Space]],
        refused: Refused,
        shares: Callable[[bool], None],
    ) -> None:
        self.quotas: Quotas | None = None
        """None until access.json has limits."""
        self._settings = settings
        self._gates = admission, server_gates
        self._spaces = spaces
        self._refused = refused
        self._shares = shares
        self._current: Current | None = None
        self._wanted = asyncio.Event()
        """Set with the first limits."""

    def apply(self, entries: Iterable[AccessLimit]) -> None:
        """Apply the limits of a snapshot."""
        entries = tuple(entries)
        if self.quotas is None and entries:
            from sidecar.quotas.quotas import Quotas  # noqa: PLC0415

            self.quotas = Quotas(*self._gates, self._spaces, self._refused)
            self.quotas.recheck(self._current)
            if self._settings.limits_redis:
                self.quotas.shared = self._shared(self.quotas, self._settings.limits_redis)
            self._wanted.set()
        if self.quotas is not None and self.quotas.apply(entries):
            self._changed()

    def _shared(self, quotas: Quotas, url: str) -> SharedCounts:
        from sidecar.quotas.shared import SharedCounts  # noqa: PLC0415

        self._shares(True)
        return SharedCounts(
            url, lambda: quotas.accounts, lambda account: len(quotas.sessions_of(account.principal)), self._shares
        )

    async def run(self) -> None:
        """Exchange counts with other hubs, if that is configured and there are limits, until cancelled."""
        await self._wanted.wait()
        if self.quotas is not None and self.quotas.shared is not None:
            await self.quotas.shared.run()

    def recheck(self, current: Callable[[Principal], Principal | None]) -> None:
        """Principals may have changed; `current` returns the current form of one."""
        self._current = current
        if self.quotas is not None:
            self.quotas.recheck(current)
            self._changed()

    def state(self, most: int) -> LimitsState:
        """What is counted, of at most `most` principals."""
        if self.quotas is None:
            return LimitsState()
        from sidecar.quotas.state import state_of  # noqa: PLC0415

        return state_of(self.quotas, most)

    def trouble(self) -> ErrorBody | None:
        """Why this process counts alone although several hubs are to count together; None if it does not."""
        quotas = self.quotas
        if quotas is None or quotas.shared is None or quotas.shared.reachable:
            return None
        from sidecar.quotas.errors import LimitsUnavailable  # noqa: PLC0415

        return LimitsUnavailable("Redis does not answer: this hub counts for itself.").body()

    def _changed(self) -> None:
        for changed in self._gates[0].on_meters:
            changed()
