"""The gate of one server: what is registered for all servers, and a limit of requests in progress (`max_inflight`,
ADR 26)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sidecar.admission.admission import DECLINED, Admission
from sidecar.concurrency.semaphore import Semaphore

if TYPE_CHECKING:
    from sidecar.admission.context import CallContext


class ServerGate:
    """The `admission.Gate` of a server, whose key is `server`.

    A request passes the gates of `registered` first (`Hub.server_gates`), then a semaphore in which waiting callers
    take turns.
    """

    __slots__ = ("_registered", "_server", "semaphore")

    def __init__(self, semaphore: Semaphore, server: str, registered: Admission) -> None:
        self.semaphore = semaphore
        self._registered = registered
        self._server = server

    def try_enter(self, call: CallContext) -> bool:
        """Pass without waiting; False if a gate is shut, or no slot is free for the caller."""
        if self._registered.gates and not self._registered.try_enter(call):
            return False
        if self.semaphore.try_acquire(call.caller.key):
            return True
        self._registered.left(call, DECLINED)
        return False

    async def enter(self, call: CallContext) -> None:
        """Pass the gates, then acquire a slot, waiting for the caller's turn until the call's deadline.

        Raises:
            SidecarError: of a gate that refuses.
            CallTimeout: the deadline passed before the caller's turn.
            ServerBusy: too many requests of the caller are waiting already.
        """
        await self._registered.enter(call)
        try:
            left = max(round(call.deadline - time.perf_counter(), 3), 0.0)
            await self.semaphore.acquire_within(left, call.caller, self._server)
        except BaseException:
            self._registered.left(call, DECLINED)
            raise

    def leave(self, call: CallContext, outcome: str) -> None:
        """Release the slot to the next waiting caller, and leave the gates."""
        self.semaphore.release(call.caller.key)
        if self._registered.gates:
            self._registered.left(call, outcome)
