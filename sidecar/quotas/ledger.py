"""The principals that have limits, what each has used of them, and the errors for what they forbid (ADR 45)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Literal, Protocol

from bridge.access.policy import is_key
from bridge.keys import OWN_PRINCIPALS, Principal
from bridge.models.access_file import AccessLimit
from sidecar.quotas.account import Account, Meter, seconds_to_midnight
from sidecar.quotas.errors import (
    BytesLimit,
    DailyLimit,
    LimitReached,
    LimitsUnavailable,
    RateLimited,
    TooManyCalls,
)
from sidecar.quotas.plan import Plan, plan_of

if TYPE_CHECKING:
    from sidecar.quotas.shared import SharedCounts

MAX_ACCOUNTS = 20_000
"""Principals whose limits are remembered; beyond it, those are forgotten of which nothing is counted."""
UNKNOWN = Account(Principal("", "unknown"), Plan(), 0.0)
"""Stands for a principal that has made no request yet."""


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


class Ledger:
    """The accounts of all principals. Counts are kept in this process, or by `shared` together with other hubs."""

    def __init__(
        self,
        spaces: Callable[[], Iterable[Space]],
        on_refused: Refused,
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        """`spaces` are all workspaces. `clock` is the clock of all times here, `wall` the Unix time: it ends days."""
        self.clock = clock
        self.wall = wall
        self.shared: SharedCounts | None = None
        """What counts together with other hubs; None to count in this process alone."""
        self._spaces = spaces
        self._current: Current = _same
        self._on_refused = on_refused
        self._entries: tuple[AccessLimit, ...] = ()
        self._accounts: dict[str, Account | None] = {}
        """By id of the principal; None for one without limits."""

    # --- accounts ------------------------------------------------------------------------------------------------

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
        account = self._accounts.get(principal.id, UNKNOWN)
        if account is None or not (account is UNKNOWN or account.stale):
            return account
        return self._open(self._current(principal) or principal, None if account is UNKNOWN else account)

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

    def begin_day(self, account: Account) -> None:
        """The day of a principal has ended: its counts begin anew."""
        account.begin_day(self.clock() + seconds_to_midnight(self.wall()))

    def sessions_of(self, principal: Principal) -> list[OpenSession]:
        """The open sessions of a principal."""
        return [each for space in self._spaces() for each in space.clients() if each.principal.id == principal.id]

    # --- counts of this process, and those that several hubs share -----------------------------------------------

    @property
    def asks_shared(self) -> bool:
        """Whether requests are counted together with other hubs now."""
        return self.shared is not None and self.shared.reachable

    async def enter_shared(
        self,
        account: Account,
        meters: tuple[Meter, ...],
        is_call: bool,
        bytes_per_day: float = math.inf,
        server: str = "",
        tool: str = "",
    ) -> tuple[str, ...]:
        """Count a request together with other hubs, at all meters or none; returns the names for `end`.

        Raises:
            LimitReached: a limit forbids it.
            LimitsUnavailable: it has to be counted by this process alone.
        """
        assert self.shared is not None  # noqa: S101 - `asks_shared`
        members: list[str] = []
        for meter in meters:
            try:
                kind, wait, member = await self.shared.enter(meter, is_call=is_call, bytes_per_day=bytes_per_day)
            except BaseException:
                self._return(meters, members, self.wall(), is_call=is_call)
                raise
            if kind:
                self._return(meters, members, self.wall(), is_call=is_call)
                raise self.refusal(kind, account, meter, wait, server, tool)
            members.append(member)
        if not self._entries:  # the last limit was removed meanwhile
            self.shared.leave_all()
            raise LimitsUnavailable("There are no limits any more.")
        return tuple(members)

    def end(self, meters: tuple[Meter, ...], members: Sequence[str], at: float, *, is_call: bool, begun: bool) -> None:
        """A request that was counted at `at` has ended, or did not begin after all."""
        now = self.clock()
        for meter in meters:
            if not begun:
                meter.refund(now, at, is_call)
            elif is_call:
                meter.release()
        if members and not begun:
            self._return(meters, members, self.wall() - (now - at), is_call=is_call)
        elif members and self.shared is not None:
            for member in members:
                self.shared.leave(member)

    def _return(self, meters: tuple[Meter, ...], members: Sequence[str], charged_at: float, *, is_call: bool) -> None:
        if self.shared is not None:
            for meter, member in zip(meters, members, strict=False):  # it may have been counted at some of them
                self.shared.leave(member)
                self.shared.give_back(meter, charged_at, is_call=is_call)

    # --- refusals ------------------------------------------------------------------------------------------------

    def refusal(
        self, kind: str, account: Account, meter: Meter, wait: float | None = None, server: str = "", tool: str = ""
    ) -> LimitReached:
        """The error for a request that a limit forbids, which is noted. `wait`: seconds until it is worth trying again,
        None to find them by the counts of this process."""
        about = f" of {tool or 'items'} at {server!r}" if server else ""
        now = self.clock()
        error: LimitReached
        if wait is None:
            wait = {"rate": meter.wait(now), "concurrent": 1}.get(kind, account.day_ends - now)
        if kind == "concurrent":
            error = TooManyCalls(f"{meter.concurrent:g} calls{about} are in progress.", wait, server, tool)
        elif kind == "calls_per_day":
            error = DailyLimit(f"{meter.calls_per_day:g} calls{about} were made today.", wait, server, tool)
        elif kind == "bytes_per_day":
            error = BytesLimit(f"{account.bytes_per_day:.0f} bytes were sent and received today.", wait)
        else:
            error = RateLimited(f"The requests{about} are too frequent.", wait, server, tool)
        self.note(error, account)
        return error

    def note(self, error: LimitReached, account: Account) -> None:
        """Note a refusal, for lists and metrics."""
        server, tool = str(error.data.get("server", "")), str(error.data.get("tool", ""))
        account.refusals.add(error.kind, error.code, server, tool)
        self._on_refused(error.kind, kind_of(account.principal))

    @property
    def store(self) -> Literal["off", "memory", "shared", "shared_away"]:
        """Where is counted (`LimitsState.store`)."""
        if not self._entries:
            return "off"
        return "memory" if self.shared is None else "shared" if self.shared.reachable else "shared_away"

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
