"""The limits per principal, as gates of each request (ADR 45): `Quotas` for all of them, `ToolQuotas` for some tools.

The gates are registered only while access.json has limits, so that calls cost nothing more without any. Counts are kept
in memory, or by a `SharedCounts` that several hubs share.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Literal, NamedTuple, Protocol

from bridge.access.policy import OWN_PRINCIPALS, is_key
from bridge.keys import Principal
from bridge.models.access_file import AccessLimit
from sidecar.admission.admission import DECLINED, Admission
from sidecar.admission.context import CallContext
from sidecar.quotas.account import Account, Meter, seconds_to_midnight
from sidecar.quotas.errors import (
    BytesLimit,
    DailyLimit,
    LimitReached,
    RateLimited,
    TooManyCalls,
    TooManyOwnSessions,
)
from sidecar.quotas.plan import Plan, is_scoped, plan_of

log = logging.getLogger(__name__)

CALLS = frozenset({"tools/call", "prompts/get", "resources/read", "completion/complete"})
"""The methods that are calls: what is limited at once, per day, and per tool. Rates and bytes are of all requests."""
MAX_ACCOUNTS = 20_000
"""Principals whose limits are remembered; beyond it, those are forgotten of which nothing is counted."""
SESSION_IDLE_SECONDS = 60.0
"""How long a session has been idle that makes room for another one of its principal."""

_NO_LIMIT = math.inf
_UNKNOWN = Account(Principal("", "unknown"), Plan(), 0.0)
"""Stands for a principal that has made no request yet."""


class Held(NamedTuple):
    """A request that was admitted and has not ended."""

    account: Account
    at: float
    is_call: bool


class HeldTool:
    """A call that was admitted by limits of its tool and has not ended. It may enter its server's gate several times:
    for each round in which its server asks for input, and when it is sent again."""

    __slots__ = ("at", "begun", "meters")

    def __init__(self, meters: tuple[Meter, ...], at: float) -> None:
        self.meters = meters
        self.at = at
        self.begun = False
        """Whether a server got it."""


class OpenSession(Protocol):
    """A session of a principal."""

    principal: Principal

    @property
    def idle_since(self) -> float | None:
        """Since when it is idle (`time.monotonic`); None if it must not be ended."""

    def close(self) -> None:
        """End it."""


class Space(Protocol):
    """A workspace, which has sessions."""

    def clients(self) -> Iterable[OpenSession]:
        """The sessions of its clients."""


Refused = Callable[[str, str], None]
"""Is told of each refusal, for metrics: the kinds of the limit and of the principal."""


Current = Callable[[Principal], Principal | None]
"""Returns the current form of a principal, whose groups may have changed; None if its credential has ended."""


class Quotas:
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
        """`spaces` are all workspaces. `clock` is the clock of all times here, `wall` the Unix time: it ends days."""
        self.tools = ToolQuotas(self)
        self.clock = clock
        self.wall = wall
        self._spaces = spaces
        self._current: Current = _same
        admission.admit_session, admission.meter_of = self.admit_session, self.meter_of
        self._admission = admission
        self._server_gates = server_gates
        self._on_refused = on_refused
        self.store: Literal["off", "memory", "shared", "shared_away"] = "off"
        """Where is counted (`LimitsState.store`)."""
        self._entries: tuple[AccessLimit, ...] = ()
        self._accounts: dict[str, Account | None] = {}
        """By id of the principal; None for one without limits."""
        self._held: dict[CallContext, Held] = {}

    # --- configuration -------------------------------------------------------------------------------------------

    def apply(self, new: tuple[AccessLimit, ...]) -> bool:
        """Apply the limits of a snapshot; returns whether they are others. The counts of principals that still have
        limits remain."""
        if new == self._entries:
            return False
        self._entries, self.store = new, "memory" if new else "off"
        self._admission.set_gate(self, present=bool(new))
        self._server_gates.set_gate(self.tools, present=any(is_scoped(entry) for entry in new))
        if not new:
            self._accounts.clear()
            self._held.clear()
            self.tools.held.clear()
        self.recheck()
        return True

    def recheck(self, current: Current | None = None) -> None:
        """Principals or limits may have changed: find the limits of each anew, with its next request."""
        self._current = current or self._current
        for name, account in tuple(self._accounts.items()):
            if account is None:
                del self._accounts[name]
            else:
                account.stale = True

    def account_of(self, principal: Principal) -> Account | None:
        """The account of a principal; None if it has no limits, as requests of the hub itself have none."""
        account = self._accounts.get(principal.id, _UNKNOWN)
        if account is None or not (account is _UNKNOWN or account.stale):
            return account
        return self._open(self._current(principal) or principal, None if account is _UNKNOWN else account)

    def _open(self, principal: Principal, account: Account | None) -> Account | None:
        plan = Plan() if principal.id in OWN_PRINCIPALS else plan_of(self._entries, principal)
        if not plan.limits:
            self._accounts[principal.id] = None
            return None
        if account is None:
            self._make_room()
            day_ends = self.clock() + seconds_to_midnight(self.wall())
            account = self._accounts[principal.id] = Account(principal, plan, day_ends)
        else:
            account.configure(principal, plan)
        return account

    def _make_room(self) -> None:
        if len(self._accounts) >= MAX_ACCOUNTS:
            self._accounts = {name: each for name, each in self._accounts.items() if each is not None and each.in_use}

    # --- Gate ----------------------------------------------------------------------------------------------------

    def try_enter(self, call: CallContext) -> bool:
        """Admit a request if no limit forbids it."""
        principal = call.client.principal
        account = self._accounts.get(principal.id, _UNKNOWN)
        if account is None:
            return True
        if account is _UNKNOWN or account.stale:
            account = self.account_of(principal)
            if account is None:
                return True
        now = self.clock()
        if now >= account.day_ends:
            self.begin_day(account)
        is_call = call.method in CALLS
        if account.blocked(now, is_call):
            return False
        account.general.charge(now, is_call)
        self._held[call] = Held(account, now, is_call)
        return True

    async def enter(self, call: CallContext) -> None:
        """Refuse a request that `try_enter` did not admit.

        Raises:
            RateLimited, TooManyCalls, DailyLimit, BytesLimit: the limit that forbids it.
        """
        if self.try_enter(call):
            return
        account = self._accounts[call.client.principal.id]
        assert account is not None  # noqa: S101 - `try_enter` admits a principal without limits
        now = self.clock()
        kind = account.blocked(now, call.method in CALLS) or "rate"
        raise self.refusal(kind, account, account.general, now)

    def leave(self, call: CallContext, outcome: str) -> None:
        """A request has ended: its call is no longer in progress. A declined one was not counted."""
        held = self._held.pop(call, None)
        if outcome == DECLINED:  # its server's gate is left by whoever entered it
            if held is not None:
                held.account.general.refund(self.clock(), held.at, held.is_call)
            return
        if held is not None and held.is_call:
            held.account.general.release()
        if self.tools.held:
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

    def begin_day(self, account: Account) -> None:
        """The day of a principal has ended: its counts begin anew."""
        account.begin_day(self.clock() + seconds_to_midnight(self.wall()))

    def admit_session(self, principal: Principal) -> None:
        """Make room for a further session of a principal, by ending one that has been idle for a minute if necessary.

        Raises:
            TooManyOwnSessions: the principal has as many as it may have, and none of them is idle.
        """
        account = self.account_of(principal) if self._entries else None
        if account is None or account.plan.sessions == _NO_LIMIT:
            return
        opened = self.sessions_of(principal)
        if len(opened) < account.plan.sessions:
            return
        idle = [(since, each) for each in opened if (since := each.idle_since) is not None]
        since, longest = min(idle, key=lambda pair: pair[0], default=(time.monotonic(), None))
        left = SESSION_IDLE_SECONDS - (time.monotonic() - since)
        if longest is not None and left <= 0:
            longest.close()
            return
        error = TooManyOwnSessions(f"{len(opened)} sessions are open, as many as this principal may have.", left)
        self.note(error, account)
        raise error

    def sessions_of(self, principal: Principal) -> list[OpenSession]:
        """The open sessions of a principal."""
        return [each for space in self._spaces() for each in space.clients() if each.principal.id == principal.id]

    # --- refusals ------------------------------------------------------------------------------------------------

    def refusal(
        self, kind: str, account: Account, meter: Meter, now: float, server: str = "", tool: str = ""
    ) -> LimitReached:
        """The error for a request that a limit forbids, which is noted."""
        about = f" to {tool or 'it'} of the server {server!r}" if server else ""
        midnight = account.day_ends - now
        error: LimitReached
        if kind == "concurrent":
            error = TooManyCalls(f"{meter.running} calls{about} are in progress.", 1, server, tool)
        elif kind == "calls_per_day":
            error = DailyLimit(f"{meter.calls} calls{about} were made today.", midnight, server, tool)
        elif kind == "bytes_per_day":
            error = BytesLimit(f"{account.bytes} bytes were sent and received today.", midnight)
        else:
            error = RateLimited(f"The requests{about} are too frequent.", meter.wait(now), server, tool)
        self.note(error, account)
        return error

    def note(self, error: LimitReached, account: Account) -> None:
        """Note a refusal, for lists and metrics."""
        server, tool = str(error.data.get("server", "")), str(error.data.get("tool", ""))
        account.refusals.add(error.kind, error.code, server, tool)
        self._on_refused(error.kind, kind_of(account.principal))

    @property
    def accounts(self) -> list[Account]:
        """The principals with limits that have made requests."""
        return [each for each in self._accounts.values() if each is not None]


def _same(principal: Principal) -> Principal:
    """The default of `Current`."""
    return principal


def kind_of(principal: Principal) -> Literal["key", "user"]:
    """What a principal with limits is: `key` or `user`."""
    return "key" if is_key(principal) else "user"


class ToolQuotas:
    """The gate of the calls to servers: limits for some servers or tools."""

    def __init__(self, quotas: Quotas) -> None:
        self._quotas = quotas
        self.held: dict[CallContext, HeldTool] = {}

    def try_enter(self, call: CallContext) -> bool:
        """Admit a call if no limit of its tool forbids it. A call that was admitted before is counted once."""
        if call.method not in CALLS:
            return True
        account = self._quotas.account_of(call.client.principal)
        if account is None or not account.scoped:
            return True
        meters = account.meters_of(call.server, call.tool)
        if not meters or call in self.held:
            return True
        now = self._quotas.clock()
        if now >= account.day_ends:
            self._quotas.begin_day(account)
        for meter in meters:
            if meter.blocked(now, True):
                return False
        for meter in meters:
            meter.charge(now, True)
        self.held[call] = HeldTool(meters, now)
        return True

    async def enter(self, call: CallContext) -> None:
        """Refuse a call that `try_enter` did not admit.

        Raises:
            RateLimited, TooManyCalls, DailyLimit: the limit that forbids it.
        """
        if self.try_enter(call):
            return
        account, now = self._quotas.account_of(call.client.principal), self._quotas.clock()
        for meter in account.meters_of(call.server, call.tool) if account else ():
            if account and (kind := meter.blocked(now, True)):
                raise self._quotas.refusal(kind, account, meter, now, call.server, call.tool)

    def leave(self, call: CallContext, outcome: str) -> None:
        """A call leaves its server's gate. It is counted until `Quotas` is told that it has ended, unless it did not
        begin at all."""
        held = self.held.get(call)
        if held is None:
            return
        if outcome != DECLINED:
            held.begun = True
        elif not held.begun:
            del self.held[call]
            now = self._quotas.clock()
            for meter in held.meters:
                meter.refund(now, held.at, True)

    def ended(self, call: CallContext) -> None:
        """A call has ended."""
        held = self.held.pop(call, None)
        if held is not None:
            for meter in held.meters:
                meter.release()
