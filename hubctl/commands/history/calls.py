"""`hubctl calls`: recorded calls, newest first, one of them, those that come, or all as a file."""

from __future__ import annotations

import argparse
import json

from bridge.models import CallDetails, CallRecord, ReadCall, ReadCalls
from hubctl.commands.history.listing import Form, export, fields_of, follow, listing
from hubctl.commands.history.moments import local
from hubctl.commands.history.recorder import ask
from hubctl.commands.metrics import duration
from hubctl.context import Context
from hubctl.errors import ArgumentsInvalid
from hubctl.render import Paint, clean

_OUTCOME_COLORS = {"ok": "32", "cancelled": "33", "disconnected": "33", "refused": "33"}


async def calls(context: Context, arguments: argparse.Namespace) -> int:
    """Run `hubctl calls`.

    Raises:
        ArgumentsInvalid: words that exclude each other.
        HistoryOff, HistoryUnavailable, RemoteError: `NO_SUCH_RECORD` and others of the recorder.
    """
    if arguments.id is not None:
        return await one(context, arguments.id)
    if arguments.follow and (arguments.export or arguments.until):
        raise ArgumentsInvalid("--follow goes with neither --export nor --until.")
    request = ReadCalls(
        since=arguments.since or 0.0,
        until=arguments.until,
        **{name: getattr(arguments, name) or "" for name in FILTERS},
    )
    form = form_of(context.paint)
    if arguments.export:
        return await export(context, request, form, arguments.export, arguments.limit)
    return await (follow if arguments.follow else listing)(context, request, form, arguments.limit)


FILTERS = ("workspace", "server", "tool", "principal", "session", "outcome", "correlation", "replica")


def form_of(paint: Paint) -> Form:
    """How calls are printed."""

    def row(call: CallRecord) -> tuple[str, ...]:
        return (
            str(call.id),
            local(call.at),
            paint(clean(call.outcome), _OUTCOME_COLORS.get(call.outcome, "31")),
            clean(call.tool or call.method) or "-",
            clean(call.server) or "-",
            clean(call.workspace) or "-",
            clean(call.principal) or "-",
            duration(call.seconds),
        )

    return Form(
        "calls",
        fields_of(CallRecord),
        ("ID", "TIME", "OUTCOME", "TOOL", "SERVER", "WORKSPACE", "PRINCIPAL", "TOOK"),
        row,
        ("ID", "TIME", "TOOK"),
        "No call was recorded that fits.",
    )


async def one(context: Context, number: int) -> int:
    """Print one call with all that is known of it."""
    found = await ask(context, ReadCall(id=number))
    if context.json:
        context.emit(found)
    else:
        context.say(*details(found, context.paint))
    return 0


def details(found: CallDetails, paint: Paint) -> list[str]:
    """Format a call: a line for each field that has a value, then arguments and result."""
    call = found.call
    times = f"{duration(call.seconds)}, of which {duration(call.waited)} waiting for its turn at the server"
    fields = {"time": local(call.at), "took": times}
    skipped = {"id", "at", "seconds", "waited"}
    fields |= {
        name.replace("_", " "): str(value)
        for name, value in call.model_dump().items()
        if name not in skipped and value not in ("", None)
    }
    wide = max(map(len, fields))
    lines = [
        paint.bold(f"Call {call.id}"),
        *(f"  {paint.dim(f'{name:<{wide}}')}  {clean(fields[name])}" for name in fields),
    ]
    for name, text in (("arguments", found.arguments), ("result", found.result)):
        cut = " (cut)" if found.cut and text is not None else ""
        lines.append(paint.bold(f"{name.capitalize()}{cut}") + ("" if text is not None else ": not kept"))
        lines += [f"  {clean(line)}" for line in indented(text or "")]
    return lines


def indented(text: str) -> list[str]:
    """Return the lines of JSON text, indented; of text that is none, such as one that was cut, as it is."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False).splitlines()
    except ValueError:
        return text.splitlines()
