"""Prints records in every form: a table, JSON, lines that follow, an export."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from bridge.client import BridgeClient
from bridge.models import Model, ReadRecordsStatus
from hubctl.commands.history.csv_text import csv_line
from hubctl.commands.history.moments import iso
from hubctl.commands.history.recorder import ANSWER_TIMEOUT, coming, pages, recorder, records_of
from hubctl.context import Context, dumps
from hubctl.render import clean, table
from hubctl.run.in_force import settings_in_force

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

    def with_replicas(self) -> Form:
        """The same with a column of the replicas' names."""
        return replace(
            self,
            columns=(*self.columns, "replica"),
            header=(*self.header, "REPLICA"),
            row=lambda record: (*self.row(record), clean(record.replica) or "-"),
        )


def fields_of(record: type[Model]) -> tuple[str, ...]:
    """Return the columns of a form: the record's fields, without the name of the replica."""
    return tuple(name for name in record.model_fields if name != "replica")


async def at_replicas(context: Context, client: BridgeClient, form: Form) -> Form:
    """Return the form with a column of replicas, if the history has records of several.

    Where each replica has a history of its own, say so on stderr.
    """
    if not settings_in_force(context.settings).replica:
        return form
    status = await client.request(ReadRecordsStatus(), timeout=ANSWER_TIMEOUT)
    if status.database == "sqlite":
        context.err.write(
            f"Only the records of this replica, {clean(status.replica)}: each replica has a history of its own. "
            "With the same HUB_DATABASE_URL at all replicas, they have one (docs/history.md).\n"
        )
    return form.with_replicas() if len(status.replicas) > 1 else form


async def export(context: Context, request: Model, form: Form, kind: Literal["csv", "jsonl"], most: int | None) -> int:
    """Write all records that the request asks for to stdout, page by page."""
    async with recorder(context) as client:
        form = await at_replicas(context, client, form)
        if kind == "csv":
            context.part(csv_line(("time", *form.columns)))
        async for page in pages(client, request, most):
            for record in records_of(page):
                cells = (iso(record.at), *(getattr(record, name) for name in form.columns))
                context.part(csv_line(cells) if kind == "csv" else f"{dumps(record)}\n")
        context.out.flush()
    return 0


async def listing(context: Context, request: Model, form: Form, most: int | None) -> int:
    """Print the newest records, newest first."""
    found: list[Any] = []
    following = None
    async with recorder(context) as client:
        form = await at_replicas(context, client, form)
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
        form = await at_replicas(context, client, form)
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
