"""The limits of one principal, collected from the entries of access.json that name it. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from bridge.keys import Principal

EVERYBODY = "*"
"""The subject that is every principal, and the pattern that fits every name."""


class LimitEntry(Protocol):
    """An entry of `limits` in access.json; None is no limit."""

    @property
    def subject(self) -> str: ...
    @property
    def servers(self) -> Sequence[str] | None: ...
    @property
    def tools(self) -> Sequence[str] | None: ...
    @property
    def requests_per_second(self) -> float | None: ...
    @property
    def burst(self) -> int | None: ...
    @property
    def concurrent(self) -> int | None: ...
    @property
    def sessions(self) -> int | None: ...
    @property
    def calls_per_day(self) -> int | None: ...
    @property
    def bytes_per_day(self) -> int | None: ...


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
        if self.servers is not None and not any(matches(each, server) for each in self.servers):
            return False
        return self.tools is None or (tool != "" and any(matches(each, tool) for each in self.tools))


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


def plan_of(entries: Iterable[LimitEntry], principal: Principal) -> Plan:
    """The limits of a principal: of all entries whose subject it is, the lowest of each kind."""
    mine = [entry for entry in entries if entry.subject == EVERYBODY or entry.subject in principal.subjects]
    general = [entry for entry in mine if not is_scoped(entry)]
    scopes: dict[Scope, list[LimitEntry]] = {}
    for entry in mine:
        if is_scoped(entry):
            scopes.setdefault(scope_of(entry), []).append(entry)
    return Plan(
        _bounds(general),
        _least(entry.sessions for entry in general),
        _least(entry.bytes_per_day for entry in general),
        tuple((scope, _bounds(entries)) for scope, entries in scopes.items()),
    )


def is_scoped(entry: LimitEntry) -> bool:
    """Whether an entry is about some servers or tools only."""
    return entry.servers is not None or entry.tools is not None


def scope_of(entry: LimitEntry) -> Scope:
    """The calls that an entry is about."""
    servers, tools = entry.servers, entry.tools
    return Scope(None if servers is None else tuple(servers), None if tools is None else tuple(tools))


def _bounds(entries: Sequence[LimitEntry]) -> Bounds:
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


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in pattern.split("*")), re.DOTALL)


def matches(pattern: str, name: str) -> bool:
    """Whether a name fits a pattern, in which `*` stands for any characters; upper and lower case differ."""
    return _compiled(pattern).fullmatch(name) is not None
