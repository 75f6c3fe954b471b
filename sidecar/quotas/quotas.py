"""The limits per principal, as gates of each request (ADR 45): `Quotas` for all of them, `ToolQuotas` for some tools.

The gates are registered only while access.json has limits, so that calls cost nothing more without any. Counts are kept
in memory, or by a `SharedCounts` that several hubs share.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from functools import partial

from bridge.keys import Principal
from bridge.models.access_file import AccessLimit
from sidecar.admission.admission import DECLINED, Admission
from sidecar.admission.context import CallContext
from sidecar.quotas.account import Account
from sidecar.quotas.errors import LimitsUnavailable, TooManyOwnSessions
from sidecar.quotas.ledger import UNKNOWN, Ledger, Refused, Space
from sidecar.quotas.plan import CALLS, is_scoped
from sidecar.quotas.tool_quotas import ToolQuotas

SESSION_IDLE_SECONDS = 60.0
"""How long a session has been idle that makes room for another one of its principal."""

_NO_LIMIT = math.inf


Held = tuple[Account, float, bool, tuple[str, ...]]
"""A request that was admitted and has not ended: whose, when it was counted, whether it is a call, and its names at
`SharedCounts` if it was counted there. A plain tuple, since every request makes one."""


class Quotas(Ledger):
    """The gate of all requests. Owned by the hub; `tools` is the gate of the calls to servers."""

    def __init__(
        self,
        admission: Admission,
        server_gates: Admission,
        spaces: Callable[[], Iterable[Space]] = tuple,
        on_refused: Refused = lambda limit, principal: None,
        clock: Callable[[], float] = time.perf_counter,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """See `Ledger`. The gates are registered at `admission` and `server_gates`."""
        super().__init__(spaces, on_refused, clock, wall)
        self.tools = ToolQuotas(self)
        admission.admit_session, admission.meter_of = self.admit_session, self.meter_of
        self._admission = admission
        self._server_gates = server_gates
        self._held: dict[CallContext, Held] = {}

    # --- configuration -------------------------------------------------------------------------------------------

    def apply(self, new: tuple[AccessLimit, ...]) -> bool:
        """Apply the limits of a snapshot; returns whether they are others. The counts of principals that still have
        limits remain."""
        if new == self._entries:
            return False
        self._entries = new
        self._admission.set_gate(self, present=bool(new))
        self._server_gates.set_gate(self.tools, present=any(is_scoped(entry) for entry in new))
        if not new:
            self._forget()
        self.recheck()
        return True

    def _forget(self) -> None:
        """There are no limits any more: forget what is counted, as nobody will tell of the end of a request."""
        self._accounts.clear()
        self._held.clear()
        self.tools.held.clear()
        if self.shared is not None:
            self.shared.leave_all()

    # --- Gate ----------------------------------------------------------------------------------------------------

    def try_enter(self, call: CallContext) -> bool:
        """Admit a request if no limit forbids it."""
        principal = call.client.principal
        account = self._accounts.get(principal.id, UNKNOWN)
        if account is None:
            return True
        if account is UNKNOWN or account.stale:
            account = self.account_of(principal)
            if account is None:
                return True
        now = self.clock()
        if now >= account.day_ends:
            self.begin_day(account)
        is_call = call.method in CALLS
        if self.shared is not None and self.asks_shared and account.general_limits:
            return False
        if account.blocked(now, is_call):
            return False
        account.general.charge(now, is_call)
        self._held[call] = account, now, is_call, ()
        return True

    async def enter(self, call: CallContext) -> None:
        """Admit or refuse a request that `try_enter` did not admit.

        Raises:
            RateLimited, TooManyCalls, DailyLimit, BytesLimit: the limit that forbids it.
        """
        if self.try_enter(call):
            return
        account, is_call = self._accounts[call.client.principal.id], call.method in CALLS
        assert account is not None  # noqa: S101 - `try_enter` admits a principal without limits
        meters, members = (account.general,), tuple[str, ...]()
        if self.asks_shared:
            try:
                members = await self.enter_shared(account, meters, is_call, account.bytes_per_day)
            except LimitsUnavailable:
                await self.enter(call)  # by the counts of this process
                return
        elif kind := account.blocked(self.clock(), is_call):
            raise self.refusal(kind, account, account.general)
        account.general.charge(now := self.clock(), is_call)
        self._held[call] = account, now, is_call, members

    def leave(self, call: CallContext, outcome: str) -> None:
        """A request has ended: its call is no longer in progress. A declined one was not counted."""
        held = self._held.pop(call, None)
        if held is not None:
            account, at, is_call, members = held
            if outcome == DECLINED or members:
                self.end((account.general,), members, at, is_call=is_call, begun=outcome != DECLINED)
            elif is_call:
                account.general.running -= 1
        if self.tools.held and outcome != DECLINED:  # else its server's gate is left by whoever entered it
            self.tools.ended(call)

    # --- what is not a request -----------------------------------------------------------------------------------

    def meter_of(self, principal: Principal) -> Callable[[int], None] | None:
        """The function that counts bytes of a principal; None if its bytes are not limited."""
        account = self.account_of(principal) if self._entries else None
        limited = account is not None and account.bytes_per_day != _NO_LIMIT
        return partial(self._count_bytes, principal) if limited else None

    def _count_bytes(self, principal: Principal, size: int) -> None:
        if account := self.account_of(principal):
            if self.clock() >= account.day_ends:
                self.begin_day(account)
            account.bytes += size
            if self.shared is not None:
                self.shared.add_bytes(principal.id, size)

    def admit_session(self, principal: Principal) -> None:
        """Make room for a further session of a principal, by ending one that has been idle for a minute if necessary.

        Raises:
            TooManyOwnSessions: the principal has as many as it may have, and none of them is idle.
        """
        account = self.account_of(principal) if self._entries else None
        if account is None or account.plan.sessions == _NO_LIMIT:
            return
        opened = self.sessions_of(principal)
        if len(opened) + account.sessions_elsewhere < account.plan.sessions:
            return
        idle = [(since, each) for each in opened if (since := each.idle_since) is not None]
        since, longest = min(idle, key=lambda pair: pair[0], default=(time.monotonic(), None))
        left = SESSION_IDLE_SECONDS - (time.monotonic() - since)
        if longest is not None and left <= 0:
            longest.close()
            return
        error = TooManyOwnSessions(f"{account.plan.sessions:g} sessions are open, as many as there may be.", left)
        self.note(error, account)
        raise error
