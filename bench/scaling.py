"""What many replicas with many sessions would need, computed from measured figures (docs/scaling.md, *On paper*).

`python -m bench.scaling` prints the table. `--measure` measures before that what replicas cost (bench.replicas,
bench.forwarding, bench.redis_scripts; 5 minutes), `--docs` puts all tables into docs/scaling.md. The other figures are
written by `make replicas WRITE=1`. All are in scaling.json beside this module.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, TypedDict

from bench import forwarding, redis_scripts, replicas
from bench.tables import filled, piped
from bridge.settings import Settings
from hubctl.run.run import ENOUGH_FILES

DOCUMENT = Path(__file__).resolve().parents[1] / "docs/scaling.md"
FIGURES = Path(__file__).with_suffix(".json")
HUBS, SESSIONS, PAUSE = 100, 50_000, 10.0
"""Replicas, sessions of all, and seconds between two calls of a session."""
OWN = SESSIONS / HUBS
CALLS = OWN / PAUSE
"""Sessions of each replica, and its calls a second."""
POSTGRES_CONNECTIONS = 100
"""`max_connections` as PostgreSQL delivers it, 3 of them for superusers."""
POSTGRES_TRANSACTIONS = 1000
"""Of each second. Assumed: small ones, on a small machine."""
HISTORY_CONNECTIONS = 2
"""Of each replica (recorder/sql/postgres.py)."""
HISTORY_CALLS = 3_487
"""A second, that PostgreSQL stores in batches of 500: `bench.history_queries`, docs/history-queries.md."""
NGINX_CONNECTIONS = 200_000
"""Assumed: `worker_connections` and open files are set so; 1,024 is what nginx delivers."""
POD_BYTES = 512e6
"""Assumed: the memory of a pod."""


class Figures(TypedDict):
    """What was measured, of one replica, with the script that did it."""

    postgres_connections: float
    """make replicas; so are those up to `session_bytes`."""
    postgres_transactions: float
    """A second."""
    redis_commands: float
    """A second, without limits."""
    session_bytes: float
    """An idle session over HTTP+SSE."""
    call_us: float
    """CPU time of the sidecar for a call (bench.replicas)."""
    handed_us: float
    """CPU time of both sidecars for a call that is handed over (bench.forwarding)."""
    redis_us: float
    """CPU time of Redis for a call with limits (bench.redis_scripts)."""


class Need(NamedTuple):
    """One thing of which there is not enough at some size."""

    what: str
    each: str
    """For each replica."""
    all: str
    limit: str
    used: float
    """Share of the limit."""
    of_all: bool = True
    """Whether it is the number of replicas that uses it up, not that of the sessions of each."""


def needs(figures: Figures) -> list[Need]:
    """What is needed, beginning with what saturates first."""
    return sorted((*_of_all(figures), *_of_each(figures)), key=lambda each: -each.used)


def _of_all(figures: Figures) -> Iterator[Need]:
    """What all replicas have together."""
    limit = f"`max_connections`: {POSTGRES_CONNECTIONS} as delivered, 3 of them for superusers"
    for note, more in (("", 0), (", with the history", HISTORY_CONNECTIONS)):
        each = figures["postgres_connections"] + more
        used = each * HUBS / (POSTGRES_CONNECTIONS - 3)
        yield Need(f"connections to PostgreSQL{note}", f"{each:g}", f"{each * HUBS:,g}", limit, used)
    limit = f"{HISTORY_CALLS:,}/s, in batches of 500"
    what = "calls that are stored in one history, by one replica at a time"
    yield Need(what, f"{CALLS:.0f}/s", f"{CALLS * HUBS:,.0f}/s", limit, CALLS * HUBS / HISTORY_CALLS)
    each = figures["postgres_transactions"]
    used = each * HUBS / POSTGRES_TRANSACTIONS
    limit = f"assumed: {POSTGRES_TRANSACTIONS:,}/s"
    yield Need("transactions of PostgreSQL", f"{each:.1f}/s", f"{each * HUBS:,.0f}/s", limit, used)
    limit = f"`worker_connections` of one nginx; assumed: {NGINX_CONNECTIONS:,} (1,024 as delivered)"
    what = "balancer: connections, if each session has a stream of HTTP+SSE"
    yield Need(what, f"{2 * OWN:,.0f}", f"{2 * SESSIONS:,}", limit, 2 * SESSIONS / NGINX_CONNECTIONS)
    us, others = figures["redis_us"], figures["redis_commands"]
    limit = f"one core: {1e6 / us:,.0f}/s, if each takes {us:.0f} us"
    for note, number in (("with limits", CALLS + others), ("without limits", others)):
        what = f"commands of Redis, {note}"
        yield Need(what, f"{number:,.1f}/s", f"{number * HUBS:,.0f}/s", limit, number * HUBS * us / 1e6)
    between = 2 * (HUBS - 1)
    what = "connections between replicas, if each hands requests to each: one to and one from each"
    limit = f"{ENOUGH_FILES:,} open files of a hub"
    yield Need(what, f"{between:,}", f"{between * HUBS // 2:,}", limit, between / ENOUGH_FILES)


def _of_each(figures: Figures) -> Iterator[Need]:
    """What each replica has for itself."""
    one, handed = figures["call_us"], figures["handed_us"]
    far = 1 - 1 / HUBS
    all_handed = f"CPU for calls, {handed:.0f} us each at two replicas, if {far:.0%} are handed on"
    for what, us in (
        (f"CPU for calls, {one:.0f} us each", one),
        (f"{all_handed}, as the balancer knows no names", one / HUBS + handed * far),
    ):
        used = CALLS * us / 1e6
        yield Need(what, f"{used * 1e3:.1f} ms/s", f"{used * HUBS:.2f} s/s", "one core for each sidecar", used, False)
    memory = OWN * figures["session_bytes"]
    what = f"memory of sessions, {figures['session_bytes'] / 1e3:.0f} KB each (HTTP+SSE)"
    limit = f"assumed: {POD_BYTES / 1e6:.0f} MB for a pod"
    yield Need(what, f"{memory / 1e6:.0f} MB", f"{memory * HUBS / 1e9:.1f} GB", limit, memory / POD_BYTES, False)
    most = int(Settings.model_fields["max_sessions"].default)
    limit = f"{most:,} for each replica as delivered"
    yield Need("`HUB_MAX_SESSIONS`", f"{OWN:,.0f}", f"{SESSIONS:,}", limit, OWN / most, False)


def full_with(need: Need) -> str:
    """How many replicas with as many sessions each, or how many sessions of each, use it up."""
    return f"{int(HUBS / need.used):,} replicas" if need.of_all else f"{int(OWN / need.used):,} sessions each"


def table(figures: Figures) -> str:
    """In Markdown."""
    rows = [
        [each.what, each.each, each.all, each.limit, _percent(each.used), full_with(each)] for each in needs(figures)
    ]
    return "\n".join(piped(("", "for each replica", "for all", "limit", "used", "full with"), rows))


def _percent(share: float) -> str:
    return f"**{share:.0%}**" if share > 1 else f"{share:.1%}"


def load() -> Figures:
    """The figures as last measured."""
    figures: Figures = json.loads(FIGURES.read_text("utf-8"))
    return figures


def store(**measured: float) -> None:
    """Write measured figures."""
    figures = {**load(), **{name: float(f"{value:.3g}") for name, value in measured.items()}}
    FIGURES.write_text(json.dumps(figures, indent=2, sort_keys=True) + "\n", "utf-8")


def write(mark: str, text: str) -> None:
    """Put a table between the marks of that name in docs/scaling.md."""
    DOCUMENT.write_text(filled(DOCUMENT.read_text("utf-8"), mark, f"\n{text}\n"), "utf-8")


def measure(*, docs: bool) -> None:
    """Measure what replicas cost; with `docs`, write it down."""
    names, costs = asyncio.run(replicas.measure_all())
    handed = asyncio.run(forwarding.measure_all())
    redis_us = asyncio.run(redis_scripts.measure())
    own, other = replicas.table(names, costs), forwarding.table(handed)
    print(own, other, f"{redis_us:.1f} us of Redis for a call with limits", sep="\n\n", end="\n\n")
    if docs:
        store(call_us=replicas.dearest_call(costs), handed_us=forwarding.dearest_call(handed), redis_us=redis_us)
        day = f"{datetime.now(UTC).date()}, {os.cpu_count()} cores for all processes, clients included:"
        write("bench.replicas", f"{day}\n\n{own}")
        write("bench.forwarding", f"{day}\n\n{other}")


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(prog="bench.scaling", description=__doc__)
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--docs", action="store_true")
    given = parser.parse_args()
    if given.measure:
        measure(docs=given.docs)
    print(table(load()))
    if given.docs:
        write("paper", table(load()))


if __name__ == "__main__":
    main()
