"""`hubctl catalog variables`: list, set and unset the variables of variables.json. Values are never shown."""

from __future__ import annotations

import argparse
from pathlib import Path

from bridge.models.catalog.activation import ReadVariables, RemoveVariable, SetVariables
from hubctl.commands.catalog.options import secret
from hubctl.context import Context
from hubctl.render import clean, table

PLACES = {"file": "variables.json", "environment": "the hub's environment", "none": "not set"}


async def variables(context: Context, arguments: argparse.Namespace) -> int:
    """Run `hubctl catalog variables` with its action."""
    if arguments.variables == "set":
        return await put(context, arguments.name, arguments.file)
    if arguments.variables == "unset":
        return await unset(context, arguments.name)
    return await listing(context)


async def listing(context: Context) -> int:
    """Run `hubctl catalog variables list`."""
    async with context.desired() as adapter:
        found = (await adapter.request(ReadVariables())).variables
    if context.json:
        context.emit(found)
    elif found:
        rows = [(each.name, PLACES[each.set_in], ", ".join(map(clean, each.used_by)) or "-") for each in found]
        context.say(*table(("NAME", "SET IN", "USED BY"), rows, context.paint, context.columns))
    else:
        context.say("There are no variables, and no server refers to one.")
    return 0


async def put(context: Context, name: str, file: Path | None) -> int:
    """Run `hubctl catalog variables set`; the value is asked for, or read from a file or stdin."""
    value = await secret(context, name, file)
    async with context.desired() as adapter:
        done = await adapter.request(SetVariables(values={name: value}))
    if context.json:
        context.emit(done)
    else:
        context.say(f"{clean(name)} is set; servers that refer to it start with it.")
    return 0


async def unset(context: Context, name: str) -> int:
    """Run `hubctl catalog variables unset`."""
    async with context.desired() as adapter:
        done = await adapter.request(RemoveVariable(name=name))
    if context.json:
        context.emit(done)
    else:
        context.say(f"{clean(name)} is removed.")
    return 0
