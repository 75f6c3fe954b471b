"""The gate of one server: how many of its requests are under way at once (ADR 26)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sidecar.concurrency.semaphore import Semaphore

if TYPE_CHECKING:
    from sidecar.admission.context import CallContext


class ServerGate:
    """An `admission.Gate` for requests to one server; who has to wait is served in turn. `server` is its key."""

    __slots__ = ("_server", "semaphore")

    def __init__(self, semaphore: Semaphore, server: str) -> None:
        self.semaphore = semaphore
        self._server = server

    def try_enter(self, call: CallContext) -> bool:
        """Take a place, if one is free for the caller."""
        return self.semaphore.try_acquire(call.caller.key)

    async def enter(self, call: CallContext) -> None:
        """Take a place as soon as it is the caller's turn.

        Raises:
            CallTimeout: it was not the caller's turn before the call's deadline.
            ServerBusy: too many requests of the caller wait already.
        """
        left = max(round(call.deadline - time.perf_counter(), 3), 0.0)
        await self.semaphore.acquire_within(left, call.caller, self._server)

    def leave(self, call: CallContext, outcome: str) -> None:
        """Leave the place to whose turn it is."""
        self.semaphore.release(call.caller.key)
