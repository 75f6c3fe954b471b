"""`hubctl changes`: recorded changes of the configuration, newest first, those that come, or all as a file."""

from __future__ import annotations

import argparse

from bridge.models import ChangeRecord, ReadChanges
from hubctl.commands.history.listing import SHOWN, Form, at_replicas, export, fields_of, follow, listing
from hubctl.commands.history.moments import local
from hubctl.commands.history.recorder import pages, recorder, records_of
from hubctl.context import Context
from hubctl.errors import ArgumentsInvalid
from hubctl.render import Paint, clean

_DIFF_COLORS = {"+": "32", "-": "31", "@": "2"}
FORM = Form(
    "changes",
    fields_of(ChangeRecord),
    ("ID", "TIME", "BY", "FROM", "CHANGE", "OF"),
    lambda change: (
        str(change.id),
        local(change.at),
        clean(change.principal) or "-",
        change.source,
        clean(change.kind),
        clean(change.subject) or "-",
    ),
    ("ID", "TIME"),
    "No change was recorded that fits.",
)


async def changes(context: Context, arguments: argparse.Namespace) -> int:
    """Run `hubctl changes`.

    Raises:
        ArgumentsInvalid: words that exclude each other.
        HistoryOff, HistoryUnavailable, RemoteError: errors of the recorder.
    """
    if arguments.follow and (arguments.export or arguments.until or arguments.diff):
        raise ArgumentsInvalid("--follow goes with none of --export, --until and --diff.")
    request = ReadChanges(
        since=arguments.since or 0.0,
        until=arguments.until,
        **{name: getattr(arguments, name) or "" for name in ("principal", "source", "subject", "replica")},
    )
    if arguments.export:
        return await export(context, request, FORM, arguments.export, arguments.limit)
    if arguments.diff and not context.json:
        return await diffs(context, request, arguments.limit)
    return await (follow if arguments.follow else listing)(context, request, FORM, arguments.limit)


async def diffs(context: Context, request: ReadChanges, most: int | None) -> int:
    """Print the newest changes with their diffs."""
    async with recorder(context) as client:
        form = await at_replicas(context, client, FORM)
        async for page in pages(client, request, most or SHOWN):
            for change in records_of(page):
                context.say(*diff_lines(change, form, context.paint))
    return 0


def diff_lines(change: ChangeRecord, form: Form, paint: Paint) -> list[str]:
    """Format a change as a line, and its diff below."""
    head = paint.bold("  ".join(form.row(change)))
    lines = [f"  {paint(clean(line), _DIFF_COLORS.get(line[:1], '0'))}" for line in change.diff.splitlines()]
    return [head, *(lines or ["  (no diff)"]), ""]
