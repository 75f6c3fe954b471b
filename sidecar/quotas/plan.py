"""The limits of one principal, collected from the entries of access.json that name it. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bridge.access.patterns import PatternSet
from bridge.access.policy import subjects_of
from bridge.keys import Principal
from bridge.models.access_file import AccessLimit

CALLS = frozenset({"tools/call", "prompts/get", "resources/read", "completion/complete"})
"""The methods that are calls: what is limited at once, per day, and per tool. Rates and bytes are of all requests."""


@dataclass(frozen=True)
class Bounds:
    """What is counted together: all requests of a principal, or its calls of certain tools. No limit is infinity."""

    rates: tuple[tuple[float, int], ...] = ()
    """Requests per second, and how many of them may come at once. All of them apply."""
    concurrent: float = math.inf
    calls_per_day: float = math.inf

    @property
    def limits(self) -> bool:
        """Whether there is any limit."""
        return self != Bounds()


@dataclass(frozen=True)
class Scope:
    """The calls that a limit is about, by patterns for keys of servers and for their own names of tools."""

    servers: tuple[str, ...] | None
    tools: tuple[str, ...] | None
    """None: also prompts and resources."""

    def fits(self, server: str, tool: str) -> bool:
        """Whether a call of a tool (empty for prompts and resources) of a server is one of these."""
        if self.servers is not None and server not in PatternSet(self.servers):
            return False
        return self.tools is None or (tool != "" and tool in PatternSet(self.tools))


@dataclass(frozen=True)
class Plan:
    """All limits of one principal."""

    general: Bounds = Bounds()
    sessions: float = math.inf
    bytes_per_day: float = math.inf
    scoped: tuple[tuple[Scope, Bounds], ...] = ()
    """Limits for some servers or tools. Each is counted by itself."""

    @property
    def limits(self) -> bool:
        """Whether there is any limit."""
        return self != Plan()


def plan_of(entries: Iterable[AccessLimit], principal: Principal) -> Plan:
    """The limits of a principal: of all entries whose subject it is, the lowest of each kind."""
    subjects = subjects_of(principal)
    mine = [entry for entry in entries if entry.subject in subjects]
    general = [entry for entry in mine if not is_scoped(entry)]
    scopes: dict[Scope, list[AccessLimit]] = {}
    for entry in mine:
        if is_scoped(entry):
            scopes.setdefault(scope_of(entry), []).append(entry)
    return Plan(
        _bounds(general),
        _least(entry.sessions for entry in general),
        _least(entry.bytes_per_day for entry in general),
        tuple((scope, _bounds(entries)) for scope, entries in scopes.items()),
    )


def is_scoped(entry: AccessLimit) -> bool:
    """Whether an entry is about some servers or tools only."""
    return entry.servers is not None or entry.tools is not None


def scope_of(entry: AccessLimit) -> Scope:
    """The calls that an entry is about."""
    return Scope(entry.servers, entry.tools)


def _bounds(entries: Sequence[AccessLimit]) -> Bounds:
    rates = {
        (entry.requests_per_second, entry.burst or max(1, math.ceil(entry.requests_per_second)))
        for entry in entries
        if entry.requests_per_second is not None
    }
    return Bounds(
        tuple(sorted(rates)),
        _least(entry.concurrent for entry in entries),
        _least(entry.calls_per_day for entry in entries),
    )


def _least(values: Iterable[float | None]) -> float:
    return min((value for value in values if value is not None), default=math.inf)
