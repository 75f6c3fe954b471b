"""The counts of one principal, and whether its limits allow another request."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from hashlib import sha256

from bridge.keys import Principal
from sidecar.quotas.gcra import Gcra
from sidecar.quotas.plan import Bounds, Plan, Scope

DAY_SECONDS = 86400
MAX_REMEMBERED_TOOLS = 4096
"""Pairs of server and tool for which it is remembered which limits are about them."""


class Meter:
    """Counts requests that are limited together. `rates`, `running` and `calls` are what the limits compare."""

    __slots__ = ("bounds", "calls", "calls_per_day", "concurrent", "name", "rates", "running")

    def __init__(self, name: str) -> None:
        self.name = name
        """Its name where several hubs count together."""
        self.bounds = Bounds()
        self.rates: tuple[Gcra, ...] = ()
        self.concurrent = self.calls_per_day = math.inf
        self.running = 0
        """Calls in progress."""
        self.calls = 0
        """Calls that began today."""

    def configure(self, bounds: Bounds) -> None:
        """Apply limits; what was counted until now remains."""
        self.bounds = bounds
        known = {(rate.rate, rate.burst): rate for rate in self.rates}
        self.rates = tuple(known.get(each) or Gcra(*each) for each in bounds.rates)
        self.concurrent, self.calls_per_day = bounds.concurrent, bounds.calls_per_day

    def blocked(self, now: float, is_call: bool) -> str:
        """The kind of the limit that forbids a request now (`LimitReached.kind`); empty if none does."""
        for rate in self.rates:
            if rate.tat - rate.tolerance > now:
                return "rate"
        if is_call:
            if self.running >= self.concurrent:
                return "concurrent"
            if self.calls >= self.calls_per_day:
                return "calls_per_day"
        return ""

    def wait(self, now: float) -> float:
        """Seconds until the rates allow a request."""
        return max((rate.wait(now) for rate in self.rates), default=0.0)

    def charge(self, now: float, is_call: bool) -> None:
        """Count a request that begins; `is_call`: it is a call, of which the number is limited too."""
        for rate in self.rates:
            rate.charge(now)
        if is_call:
            self.running += 1
            self.calls += 1

    def refund(self, now: float, charged_at: float, is_call: bool) -> None:
        """Take back a request that did not begin after all."""
        for rate in self.rates:
            rate.refund(now, charged_at)
        if is_call:
            self.running -= 1
            self.calls = max(0, self.calls - 1)

    def release(self) -> None:
        """A call has ended."""
        self.running -= 1


@dataclass
class Refusals:
    """What was refused to a principal since the process began."""

    counts: dict[str, int] = field(default_factory=dict)
    """By kind of limit."""
    at: float = 0.0
    """Unix time of the last one; 0 if there was none."""
    code: str = ""
    server: str = ""
    tool: str = ""

    def add(self, kind: str, code: str, server: str, tool: str) -> None:
        """Note a refusal."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        self.at, self.code, self.server, self.tool = time.time(), code, server, tool


class Account:
    """A principal that has limits. Its sessions, and for a user also its browser logins and grants, count together."""

    __slots__ = (
        "_remembered",
        "bytes",
        "bytes_per_day",
        "day_ends",
        "general",
        "plan",
        "principal",
        "refusals",
        "scoped",
        "sessions_elsewhere",
        "stale",
    )

    def __init__(self, principal: Principal, plan: Plan, day_ends: float) -> None:
        self.principal = principal
        self.general = Meter(meter_name(principal.id))
        self.scoped: dict[Scope, Meter] = {}
        self.bytes = 0
        """Bytes of requests and answers today."""
        self.day_ends = day_ends
        """When the counts of the day begin anew, by the clock of `Quotas`."""
        self.sessions_elsewhere = 0
        """Open sessions at other hubs that count together with this one."""
        self.stale = False
        """Whether `plan` may not be that of the current configuration."""
        self.refusals = Refusals()
        self.configure(principal, plan)

    def configure(self, principal: Principal, plan: Plan) -> None:
        """Apply limits; what was counted until now remains."""
        self.principal, self.plan, self.stale = principal, plan, False
        self.general.configure(plan.general)
        self.bytes_per_day = plan.bytes_per_day
        self.scoped = {
            scope: self.scoped.get(scope) or Meter(meter_name(principal.id, scope)) for scope, _ in plan.scoped
        }
        for scope, bounds in plan.scoped:
            self.scoped[scope].configure(bounds)
        self._remembered: dict[tuple[str, str], tuple[Meter, ...]] = {}

    def begin_day(self, day_ends: float) -> None:
        """Begin the counts of a new day."""
        self.day_ends, self.bytes, self.general.calls = day_ends, 0, 0
        for meter in self.scoped.values():
            meter.calls = 0

    def meters_of(self, server: str, tool: str) -> tuple[Meter, ...]:
        """The meters that count the calls of a tool of a server."""
        try:
            return self._remembered[server, tool]
        except KeyError:
            if len(self._remembered) >= MAX_REMEMBERED_TOOLS:
                self._remembered.clear()
            found = tuple(meter for scope, meter in self.scoped.items() if scope.fits(server, tool))
            self._remembered[server, tool] = found
            return found

    def blocked(self, now: float, is_call: bool) -> str:
        """The kind of the limit that forbids a request now; empty if none does."""
        if self.bytes >= self.bytes_per_day:
            return "bytes_per_day"
        return self.general.blocked(now, is_call)

    @property
    def general_limits(self) -> bool:
        """Whether there is a limit for requests of all kinds."""
        return self.general.bounds.limits or self.bytes_per_day != math.inf

    @property
    def in_use(self) -> bool:
        """Whether anything is counted that is lost if the account is forgotten."""
        counted = any(each.running or each.calls for each in (self.general, *self.scoped.values()))
        return bool(counted or self.bytes or self.refusals.at)


def meter_name(principal: str, scope: Scope | None = None) -> str:
    """The name of a meter, made of a digest of the principal's id: Redis learns neither ids nor names. The braces keep
    all of a principal in one slot of a cluster (Redis Cluster, hash tags)."""
    whose = f"{{{sha256(f'principal {principal}'.encode()).hexdigest()[:32]}}}"
    return whose if scope is None else f"{whose}{sha256(repr(scope).encode()).hexdigest()[:16]}"


def seconds_to_midnight(unix_time: float) -> float:
    """Seconds until the day ends in UTC."""
    return DAY_SECONDS - unix_time % DAY_SECONDS
