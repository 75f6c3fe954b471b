"""Maintenance of a PostgreSQL schema: reports what VACUUM, ANALYZE and new indexes would improve, and runs them."""

from __future__ import annotations

import re
import time
from typing import Any, NamedTuple

from bridge.models import OptimizeStep
from recorder.sql import migrations

INDEX = re.compile(r"CREATE INDEX (\w+) ON (\w+) .*", re.S)
DEAD_SHARE = 0.1
"""VACUUM is worth its time from this share of dead rows on."""
DRIFT = 0.1
"""ANALYZE is worth it from this share of changed rows on."""
ENTRY_BYTES = 200
"""An index with more bytes for each row is built anew: entries have about 60, and pages may be half full."""
TABLES = """
SELECT relname, n_live_tup, n_dead_tup, n_mod_since_analyze, last_analyze IS NULL AND last_autoanalyze IS NULL AS never
FROM pg_stat_user_tables WHERE schemaname = current_schema() ORDER BY relname"""
INDEXES = """
SELECT i.relname, pg_relation_size(i.oid) AS bytes, CAST(i.reltuples AS bigint) AS rows, x.indisvalid AS valid
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
WHERE i.relnamespace = current_schema()::regnamespace ORDER BY i.relname"""


class Step(NamedTuple):
    """Name, reason, and the statements to run; none if there is nothing to improve."""

    name: str
    reason: str
    statements: tuple[str, ...] = ()


async def optimize(connection: Any, dry_run: bool) -> list[OptimizeStep]:
    """All steps, in order. None of them stops others from reading or writing."""
    steps = [_of_table(row) for row in await connection.fetch(TABLES)]
    steps += _of_indexes({row["relname"]: row for row in await connection.fetch(INDEXES)})
    return [await _done(connection, step, dry_run) for step in steps]


async def _done(connection: Any, step: Step, dry_run: bool) -> OptimizeStep:
    begin = time.monotonic()
    done = bool(step.statements) and not dry_run
    for sql in step.statements if done else ():
        await connection.execute(sql)
    seconds = round(time.monotonic() - begin, 3) if done else 0.0
    return OptimizeStep(name=step.name, reason=step.reason, done=done, seconds=seconds)


def _of_table(row: Any) -> Step:
    table, live, dead, changed = row["relname"], row["n_live_tup"], row["n_dead_tup"], row["n_mod_since_analyze"]
    text = f"{live:,} rows, {dead:,} dead, {changed:,} changed since the last ANALYZE"
    if dead > DEAD_SHARE * max(live, 1000):
        return Step(
            f"vacuum {table}", f"{text}: VACUUM would make their space reusable", (f"VACUUM (ANALYZE) {table}",)
        )
    if changed > DRIFT * max(live, 1000) or (row["never"] and live):
        return Step(f"analyze {table}", f"{text}: query plans may be slow", (f"ANALYZE {table}",))
    return Step(f"analyze {table}", f"{text}: the statistics are up to date")


def _of_indexes(there: dict[str, Any]) -> list[Step]:
    steps = []
    for statement in (each for one in migrations.load("postgresql") for each in migrations.statements(one.sql)):
        if match := INDEX.fullmatch(statement):
            name, create = match[1], statement.replace("CREATE INDEX", "CREATE INDEX CONCURRENTLY", 1)
            row = there.get(name)
            if row is None:
                steps.append(
                    Step(f"index {name}", "the index is missing: queries that need it scan whole tables", (create,))
                )
            elif not row["valid"]:
                again = (f"DROP INDEX {name}", create)
                steps.append(Step(f"index {name}", "the index is invalid, because its creation was interrupted", again))
            elif row["bytes"] > ENTRY_BYTES * max(row["rows"], 10_000):
                text = f"{row['bytes'] / 1e6:.1f} MB for {row['rows']:,} rows: most of the index is empty"
                steps.append(Step(f"index {name}", text, (f"REINDEX INDEX CONCURRENTLY {name}",)))
    return steps
