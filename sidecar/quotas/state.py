"""What principals have used of their limits, for lists (`limits_state`)."""

from __future__ import annotations

import math
from collections.abc import Iterator

from bridge.models.limits import LimitKind, LimitsState, LimitUse, PrincipalLimits
from sidecar.quotas.account import Account, Meter
from sidecar.quotas.ledger import Ledger, kind_of
from sidecar.quotas.plan import Scope

EVERYTHING = Scope(None, None)


def state_of(ledger: Ledger, most: int) -> LimitsState:
    """The state of all principals with limits that have made requests, and of at most `most` the details."""
    shown = [_principal(ledger, account) for account in ledger.accounts]
    shown.sort(key=lambda each: (-(each.last_refused or 0), -_share(each), each.name))
    return LimitsState(store=ledger.store, principals=tuple(shown[:most]), total=len(shown))


def _share(principal: PrincipalLimits) -> float:
    """The largest used share of a limit of the principal."""
    return max((use.used / (use.burst or use.limit) for use in principal.uses), default=0.0)


def _principal(ledger: Ledger, account: Account) -> PrincipalLimits:
    refusals, principal = account.refusals, account.principal
    return PrincipalLimits(
        id=principal.id,
        name=principal.name,
        kind=kind_of(principal),
        uses=tuple(_uses(ledger, account)),
        refused=dict(refusals.counts),
        last_refused=refusals.at or None,
        last_code=refusals.code,
        last_server=refusals.server,
        last_tool=refusals.tool,
    )


def _uses(ledger: Ledger, account: Account) -> Iterator[LimitUse]:
    now = ledger.clock()
    today = account.day_ends > now
    yield from _meter(account.general, EVERYTHING, now, today)
    plan = account.plan
    if plan.sessions < math.inf:
        yield LimitUse(kind="sessions", limit=plan.sessions, used=len(ledger.sessions_of(account.principal)))
    if plan.bytes_per_day < math.inf:
        yield LimitUse(kind="bytes_per_day", limit=plan.bytes_per_day, used=account.bytes if today else 0)
    for scope, meter in account.scoped.items():
        yield from _meter(meter, scope, now, today)


def _meter(meter: Meter, scope: Scope, now: float, today: bool) -> Iterator[LimitUse]:
    def use(kind: LimitKind, limit: float, used: float, burst: int = 0) -> LimitUse:
        return LimitUse(kind=kind, limit=limit, used=used, burst=burst, servers=scope.servers, tools=scope.tools)

    for rate in meter.rates:
        yield use("rate", rate.rate, round(max(0.0, (rate.tat - now) * rate.rate), 1), rate.burst)
    if meter.concurrent < math.inf:
        yield use("concurrent", meter.concurrent, meter.running)
    if meter.calls_per_day < math.inf:
        yield use("calls_per_day", meter.calls_per_day, meter.calls if today else 0)
