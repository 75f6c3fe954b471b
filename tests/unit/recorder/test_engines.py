"""The choice of a store, and what the schemas of both engines have in common."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from asyncpg import exceptions

from bridge.history.durations import BUCKETS
from bridge.postgresql.address import target
from recorder import usage
from recorder.engines import make_store
from recorder.errors import SchemaTooNew
from recorder.sql import migrations, queries
from recorder.sql.database import Database
from recorder.sql.postgres import PostgresDatabase, numbered
from recorder.sql.postgres_errors import coded


def database_of(store: object) -> Database:
    """The database of an SQL store."""
    found: Database = store._database  # type: ignore[attr-defined]
    return found


def test_the_setting_decides(tmp_path: Path) -> None:
    """With an address PostgreSQL, without one SQLite."""
    assert database_of(make_store(tmp_path / "history.db")).engine == "sqlite"
    assert isinstance(database_of(make_store(tmp_path / "history.db", "postgresql://h/d")), PostgresDatabase)


@pytest.mark.outside
def test_a_driver_is_imported_when_it_is_used(tmp_path: Path) -> None:
    """A hub with SQLite does not pay for asyncpg."""
    script = "import sys; from pathlib import Path; from recorder.engines import make_store; make_store(Path('x.db'))\n"
    script += "sys.exit('asyncpg' in sys.modules or 'sqlite3' not in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=100)


def shape(engine: migrations.Engine) -> list[str]:
    """What a schema has, without the types and marks of its engine."""
    text = " ".join(statement for each in migrations.load(engine) for statement in migrations.statements(each.sql))
    text = re.sub(r"\b(integer|bigint|real|double precision|text|boolean)\b", "", text, flags=re.I)
    return re.sub(r"WITHOUT ROWID|, id(?=\))", "", text).split()


def test_both_engines_have_the_same_tables_and_indexes() -> None:
    """Column by column, in every version."""
    versions = [[each.number for each in migrations.load(engine)] for engine in ("sqlite", "postgresql")]
    assert versions[0] == versions[1] == list(range(1, len(versions[0]) + 1))
    without_id = [[word for word in shape(engine) if word != "id)"] for engine in ("sqlite", "postgresql")]
    assert without_id[0] == without_id[1]
    assert "calls_workspace" in without_id[0]


def test_figures_have_a_column_for_each_bucket() -> None:
    """Of durations, with the last one."""
    assert len(queries.FIGURES) == usage.ROW == usage.FIRST_BUCKET + len(BUCKETS) + 1


def test_what_a_database_lacks_is_applied() -> None:
    """In order; a newer one is refused."""
    known = [migrations.Migration(number, "") for number in (1, 2, 3)]
    assert [each.number for each in migrations.pending(known, 1, "x")] == [2, 3]
    assert migrations.pending(known, 3, "x") == []
    with pytest.raises(SchemaTooNew, match=r"^x was written by a newer hub \(schema 4, this hub knows 3\)\.$"):
        migrations.pending(known, 4, "x")


def test_placeholders_are_numbered() -> None:
    """As PostgreSQL has them."""
    assert numbered("a = ? AND (b, c) < (?, ?)") == "a = $1 AND (b, c) < ($2, $3)"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://me:word@db.example.com/history", "db.example.com:5432/history"),
        ("postgresql://me:word@db:6000/history?sslmode=require", "db:6000/history"),
        ("postgresql://me:word@/history?host=/run/pg&port=7", "/run/pg:7/history"),
        ("postgresql://me:wo/rd@db:6000/history", "of HUB_DATABASE_URL"),
        ("postgresql://me:12/rd@db:6000/history", "of HUB_DATABASE_URL"),
        ("postgresql://me:12?rd@db:6000/history", "of HUB_DATABASE_URL"),
        ("postgresql://me:12#rd@db:6000/history", "of HUB_DATABASE_URL"),
    ],
)
def test_a_database_is_named_without_its_password(url: str, told: str) -> None:
    """Also if it is written in a way that makes another part of the address of it."""
    assert target(url, "HUB_DATABASE_URL") == told


def test_an_error_of_the_server_shows_no_row() -> None:
    """Its details may have the arguments of a call; errors are in logs, in the state and on pages."""
    fault = exceptions.NotNullViolationError("null value in column")
    fault.detail = "Failing row contains (1, hunter2)."
    error = coded(fault, "The database")
    assert "null value in column" in error.message
    assert "hunter2" not in error.message
