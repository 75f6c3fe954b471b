"""The numbered SQL files in recorder/schema: each brings a database from one version of the schema to the next.

A file is never changed once it is released: what changes goes into a further one.
"""

from __future__ import annotations

import re
from importlib import resources
from typing import Literal, NamedTuple

from recorder.errors import SchemaTooNew

Engine = Literal["sqlite", "postgresql"]
FILE = re.compile(r"(\d{4})_\w+\.sql")


class Migration(NamedTuple):
    """The SQL that makes version `number` out of the version before."""

    number: int
    sql: str


def load(engine: Engine) -> list[Migration]:
    """All migrations of an engine, in order."""
    folder = resources.files("recorder") / "schema" / engine
    found = [(FILE.fullmatch(each.name), each) for each in folder.iterdir()]
    return sorted(Migration(int(match[1]), each.read_text("utf-8")) for match, each in found if match)


def pending(migrations: list[Migration], version: int, what: str) -> list[Migration]:
    """Those that a database of this version lacks. Raises SchemaTooNew; `what` names the database in its message."""
    known = migrations[-1].number
    if version > known:
        raise SchemaTooNew(f"{what} was written by a newer hub (schema {version}, this hub knows {known}).")
    return [each for each in migrations if each.number > version]


def statements(sql: str) -> list[str]:
    """The statements of a migration; comments are taken out. No text in it may contain `;` or `--`."""
    bare = re.sub(r"--[^\n]*", "", sql)
    return [text for each in bare.split(";") if (text := each.strip())]
