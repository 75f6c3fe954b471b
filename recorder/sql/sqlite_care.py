"""Maintenance of an SQLite file: reports what a check, ANALYZE and VACUUM would improve, and runs them.

It can take minutes.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable, Iterator

from bridge.models import OptimizeStep
from recorder.errors import StoreCorrupt
from recorder.sql import migrations

INDEX = re.compile(r"CREATE INDEX (\w+) ON \w+ .*", re.S)
FREE_SHARE = 0.05
"""VACUUM is worth its time from this share of free pages on."""
DRIFT = 0.1
"""ANALYZE is worth it when the number of calls differs by this share from what the statistics say."""


def optimize(connection: sqlite3.Connection, dry_run: bool) -> list[OptimizeStep]:
    """All steps, in order. Raises StoreCorrupt."""
    steps = []
    for name, reason, action in (
        *_integrity(connection),
        *_indexes(connection),
        _analyze(connection),
        _vacuum(connection),
    ):
        begin = time.monotonic()
        done = action is not None and not dry_run
        if action and done:
            action()
        seconds = round(time.monotonic() - begin, 3) if done else 0.0
        steps.append(OptimizeStep(name=name, reason=reason, done=done, seconds=seconds))
    return steps


Step = tuple[str, str, Callable[[], object] | None]
"""Name, reason, and the action; None if there is nothing to improve."""


def _integrity(connection: sqlite3.Connection) -> Iterator[Step]:
    begin = time.monotonic()
    [(found,)] = connection.execute("PRAGMA quick_check(1)").fetchall()
    if found != "ok":
        raise StoreCorrupt(f"The check of the history's file found: {found}.")
    yield "check", f"no damage found in {time.monotonic() - begin:.1f} s", None


def _indexes(connection: sqlite3.Connection) -> Iterator[Step]:
    there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
    for statement in (each for one in migrations.load("sqlite") for each in migrations.statements(one.sql)):
        if (match := INDEX.fullmatch(statement)) and match[1] not in there:
            reason = "the index is missing: queries that need it scan whole tables"
            yield f"index {match[1]}", reason, lambda sql=statement: connection.execute(sql)  # type: ignore[misc]


def _analyze(connection: sqlite3.Connection) -> Step:
    [(stored,)] = connection.execute("SELECT value FROM counters WHERE name = 'stored'").fetchall()
    known = _known(connection)
    if known is not None and abs(stored - known) <= DRIFT * max(stored, 1):
        return "analyze", f"the statistics cover {known:,} calls, {stored:,} are stored: they are up to date", None
    was = "there are no statistics" if known is None else f"the statistics cover {known:,} calls"
    return (
        "analyze",
        f"{was}, {stored:,} are stored: query plans may be slow",
        lambda: connection.execute("ANALYZE"),
    )


def _known(connection: sqlite3.Connection) -> int | None:
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat1'").fetchall():
        return None
    rows = connection.execute("SELECT stat FROM sqlite_stat1 WHERE idx = 'calls_at'").fetchall()
    return int(rows[0][0].split()[0]) if rows else 0


def _vacuum(connection: sqlite3.Connection) -> Step:
    page, pages, free = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_size", "page_count", "freelist_count")
    )
    share = free / max(pages, 1)
    text = f"{free * page / 1e6:.1f} MB of {pages * page / 1e6:.1f} MB are free ({share:.0%})"
    if share < FREE_SHARE:
        return "vacuum", f"{text}: new records reuse the space", None
    return "vacuum", f"{text}: VACUUM would return the space to the file system", lambda: _do_vacuum(connection)


def _do_vacuum(connection: sqlite3.Connection) -> None:
    connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
