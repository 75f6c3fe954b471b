"""Prints records in every form: a table, JSON, lines that follow, an export."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bridge.models import Model
from hubctl.commands.history.csv_text import csv_line
from hubctl.commands.history.moments import iso
from hubctl.commands.history.recorder import coming, pages, recorder, records_of
from hubctl.context import Context, dumps
from hubctl.render import table

SHOWN = 50
"""Records that are shown unless the user says how many."""


@dataclass(frozen=True)
class Form:
    """How records of one kind are printed."""

    name: str
    """What they are called in JSON."""
    columns: Sequence[str]
    """The fields of the record, for CSV."""
    header: Sequence[str]
    row: Callable[[Any], tuple[str, ...]]
    whole: Sequence[str]
    """Columns of the table that are never shortened."""
    none: str
    """What is said if there is no record."""


async def export(context: Context, request: Model, form: Form, kind: Literal["csv", "jsonl"], most: int | None) -> int:
    """Write all records that the request asks for to stdout, page by page."""
    async with recorder(context) as client:
        if kind == "csv":
            context.part(csv_line(("time", *form.columns)))
        async for page in pages(client, request, most):
            for record in records_of(page):
                line = csv_line((iso(record.at), *dict(record).values())) if kind == "csv" else f"{dumps(record)}\n"
                context.part(line)
        context.out.flush()
    return 0


async def listing(context: Context, request: Model, form: Form, most: int | None) -> int:
    """Print the newest records, newest first."""
    found: list[Any] = []
    following = None
    async with recorder(context) as client:
        async for page in pages(client, request, most or SHOWN):
            found += records_of(page)
            following = page.next
    if context.json:
        context.emit({form.name: found, "next": following})
    elif not found:
        context.say(form.none)
    else:
        context.say(*table(form.header, map(form.row, found), context.paint, context.columns, form.whole))
        if following is not None:
            context.say(context.paint.dim(f"The newest {len(found)}; --limit shows more, --export all."))
    return 0


async def follow(context: Context, request: Model, form: Form, most: int | None) -> int:
    """Print the newest records, oldest first, and then those that come, until interrupted."""
    found: list[Any] = []
    last: int | None = None
    async with recorder(context) as client:
        async for page in pages(client, request, most or SHOWN):
            if last is None:  # what is stored while the further pages are read is on none of them
                last = page.last
            found += records_of(page)
        _show(context, form, reversed(found))
        async for page in coming(client, request, last or 0):
            _show(context, form, records_of(page))
    return 0


def _show(context: Context, form: Form, records: Any) -> None:
    for record in records:
        context.say(dumps(record) if context.json else "  ".join(cell for cell in form.row(record) if cell))
