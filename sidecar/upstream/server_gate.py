"""The gate of one server: limits the number of its requests in progress (`max_inflight`, ADR 26)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sidecar.concurrency.semaphore import Semaphore

if TYPE_CHECKING:
    from sidecar.admission.context import CallContext


class ServerGate:
    """The `admission.Gate` of a server, by a semaphore in which waiting callers take turns. `server` is its key."""

    __slots__ = ("_server", "semaphore")

    def __init__(self, semaphore: Semaphore, server: str) -> None:
        self.semaphore = semaphore
        self._server = server

    def try_enter(self, call: CallContext) -> bool:
        """Acquire a slot without waiting; False if none is free for the caller."""
        return self.semaphore.try_acquire(call.caller.key)

    async def enter(self, call: CallContext) -> None:
        """Acquire a slot, waiting for the caller's turn until the call's deadline.

        Raises:
            CallTimeout: the deadline passed before the caller's turn.
            ServerBusy: too many requests of the caller are waiting already.
        """
        left = max(round(call.deadline - time.perf_counter(), 3), 0.0)
        await self.semaphore.acquire_within(left, call.caller, self._server)

    def leave(self, call: CallContext, outcome: str) -> None:
        """Release the slot to the next waiting caller."""
        self.semaphore.release(call.caller.key)
