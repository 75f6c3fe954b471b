"""The gate of the calls to servers: limits for some servers or tools (ADR 45)."""

from __future__ import annotations

from sidecar.admission.admission import DECLINED
from sidecar.admission.context import CallContext
from sidecar.quotas.account import Meter
from sidecar.quotas.errors import LimitsUnavailable
from sidecar.quotas.ledger import Ledger
from sidecar.quotas.plan import CALLS


class HeldTool:
    """A call that was admitted by limits of its tool and has not ended. It may enter its server's gate several times:
    for each round in which its server asks for input, and when it is sent again."""

    __slots__ = ("at", "begun", "members", "meters")

    def __init__(self, meters: tuple[Meter, ...], at: float, members: tuple[str, ...] = ()) -> None:
        self.meters = meters
        self.at = at
        self.members = members
        """Its names at `SharedCounts`, if it was counted there, one for each meter."""
        self.begun = False
        """Whether a server got it."""


class ToolQuotas:
    """The gate. Owned by `Quotas`, which tells it when a call has ended."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.held: dict[CallContext, HeldTool] = {}

    def try_enter(self, call: CallContext) -> bool:
        """Admit a call if no limit of its tool forbids it. A call that was admitted before is counted once."""
        if call.method not in CALLS:
            return True
        ledger = self._ledger
        account = ledger.account_of(call.client.principal)
        if account is None or not account.scoped:
            return True
        meters = account.meters_of(call.server, call.tool)
        if not meters or call in self.held:
            return True
        if ledger.asks_shared:
            return False
        now = ledger.clock()
        if now >= account.day_ends:
            ledger.begin_day(account)
        for meter in meters:
            if meter.blocked(now, True):
                return False
        self._charge(call, meters, now)
        return True

    async def enter(self, call: CallContext) -> None:
        """Admit or refuse a call that `try_enter` did not admit.

        Raises:
            RateLimited, TooManyCalls, DailyLimit: the limit that forbids it.
        """
        if self.try_enter(call):
            return
        ledger = self._ledger
        account = ledger.account_of(call.client.principal)
        assert account is not None  # noqa: S101 - `try_enter` admits a principal without limits
        meters, members = account.meters_of(call.server, call.tool), tuple[str, ...]()
        if ledger.asks_shared:
            try:
                members = await ledger.enter_shared(account, meters, True, server=call.server, tool=call.tool)
            except LimitsUnavailable:
                await self.enter(call)  # by the counts of this process
                return
        else:
            for meter in meters:
                if kind := meter.blocked(ledger.clock(), True):
                    raise ledger.refusal(kind, account, meter, None, call.server, call.tool)
        self._charge(call, meters, ledger.clock(), members)

    def _charge(self, call: CallContext, meters: tuple[Meter, ...], now: float, members: tuple[str, ...] = ()) -> None:
        for meter in meters:
            meter.charge(now, True)
        self.held[call] = HeldTool(meters, now, members)

    def leave(self, call: CallContext, outcome: str) -> None:
        """A call leaves its server's gate. It is counted until `Quotas` is told that it has ended, unless it did not
        begin at all."""
        held = self.held.get(call)
        if held is None:
            return
        if outcome != DECLINED:
            held.begun = True
        elif not held.begun:
            self.ended(call)

    def ended(self, call: CallContext) -> None:
        """A call has ended; if no server got it, it is not counted."""
        if (held := self.held.pop(call, None)) is not None:
            self._ledger.end(held.meters, held.members, held.at, is_call=True, begun=held.begun)
