"""The limits per principal of a hub, which are loaded when access.json has some."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from bridge.keys import Principal
from bridge.models.limits import LimitsState
from sidecar.admission.admission import Admission

if TYPE_CHECKING:
    from bridge.models.access_file import AccessLimit
    from bridge.settings import Settings
    from sidecar.quotas.quotas import Current, Quotas, Refused, Space


class Limits:
    """Owned by the hub. `refused` is told of each refusal; `spaces` are all workspaces."""

    def __init__(
        self,
        settings: Settings,
        admission: Admission,
        server_gates: Admission,
        spaces: Callable[[], Iterable[Space]],
        refused: Refused,
    ) -> None:
        self.quotas: Quotas | None = None
        """None until access.json has limits."""
        self._settings = settings
        self._gates = admission, server_gates
        self._spaces = spaces
        self._refused = refused
        self._current: Current | None = None

    def apply(self, entries: Iterable[AccessLimit]) -> None:
        """Apply the limits of a snapshot."""
        entries = tuple(entries)
        if self.quotas is None and entries:
            from sidecar.quotas.quotas import Quotas  # noqa: PLC0415

            self.quotas = Quotas(*self._gates, self._spaces, self._refused)
            self.quotas.recheck(self._current)
        if self.quotas is not None and self.quotas.apply(entries):
            self._changed()

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

    def _changed(self) -> None:
        for changed in self._gates[0].on_meters:
            changed()
