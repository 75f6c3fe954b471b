"""`hubctl limits`: show what principals have used of their limits."""

from __future__ import annotations

import time
from collections.abc import Iterator

from bridge.models import LimitsState, LimitUse, PrincipalLimits, ReadLimits
from hubctl.context import Context
from hubctl.render import clean, count, span, table

HEADER = ("PRINCIPAL", "LIMIT", "OF", "USED", "REFUSED", "LAST REFUSAL")
STORES = {
    "off": "No limit is in force: access.json has none.",
    "memory": "",
    "shared": "Counted together with other hubs (HUB_LIMITS_URL).",
    "shared_away": "Redis (HUB_LIMITS_URL) does not answer: this hub counts for itself.",
}
NAMES = {
    "rate": "requests per second",
    "concurrent": "calls at once",
    "sessions": "sessions",
    "calls_per_day": "calls today",
    "bytes_per_day": "bytes today",
}


async def limits(context: Context, most: int) -> int:
    """Run `hubctl limits`: one line for each limit of the `most` principals that were refused last or use most."""
    async with context.actual() as hub:
        state = await hub.request(ReadLimits(limit=most))
    if context.json:
        context.emit(state)
    else:
        context.say(*lines(state, time.time(), context))
    return 0


def lines(state: LimitsState, now: float, context: Context) -> list[str]:
    """Format the state as a table; `now` is Unix time in seconds."""
    said = [STORES[state.store]] if STORES[state.store] else []
    rows = [row for principal in state.principals for row in _rows(principal, now)]
    if rows:
        said += table(HEADER, rows, context.paint, context.columns, whole=("LIMIT", "USED"))
    elif state.store != "off":
        said.append("No principal with limits has sent a request yet.")
    if state.total > len(state.principals):
        said.append(f"{len(state.principals)} of {count(state.total, 'principal')}; --limit shows more.")
    return said


def _rows(principal: PrincipalLimits, now: float) -> Iterator[tuple[str, ...]]:
    last = ""
    if principal.last_refused:
        about = " ".join(filter(None, (principal.last_server, principal.last_tool)))
        last = f"{span(now - principal.last_refused)} ago, {principal.last_code} {clean(about)}".strip()
    for number, use in enumerate(principal.uses):
        first = number == 0
        refused = str(sum(principal.refused.values())) if first else ""
        yield (clean(principal.name) if first else "", NAMES[use.kind], scope(use), used(use), refused, last * first)


def scope(use: LimitUse) -> str:
    """What a limit is about, as patterns of servers and tools."""
    parts = [clean(", ".join(names)) for names in (use.servers, use.tools) if names is not None]
    return " / ".join(parts) or "all"


def used(use: LimitUse) -> str:
    """How much of a limit is used."""
    if use.kind == "rate":
        return f"{use.used:g} of a burst of {use.burst}, {use.limit:g}/s"
    return f"{use.used:,.0f} of {use.limit:,.0f}"
