"""`hubctl trust`: what servers changed of their tools."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

from bridge.models.trust import AcceptToolChanges, ReadToolChanges, RejectToolChanges, ToolChange, ToolChanges
from hubctl.commands.trust.scans import rescan, sbom, scans
from hubctl.context import Context
from hubctl.render import clean, span


async def trust(context: Context, arguments: argparse.Namespace) -> int:
    """Run `hubctl trust [list|accept|reject|scans|rescan|sbom]`."""
    if arguments.action == "accept":
        return await accept(context, arguments)
    if arguments.action == "reject":
        return await reject(context, arguments)
    if arguments.action == "scans":
        return await scans(context)
    if arguments.action == "rescan":
        return await rescan(context, arguments.subject)
    if arguments.action == "sbom":
        return await sbom(context, arguments.subject)
    return await listing(context, arguments.server)


async def listing(context: Context, server: str | None) -> int:
    """Print what differs from the pins, of one server or of all, with differences and hints."""
    async with context.actual() as hub:
        found = await hub.request(ReadToolChanges(server=server))
    if context.json:
        context.emit(found)
    else:
        context.say(*lines(found, time.time()))
    return 0


async def accept(context: Context, arguments: argparse.Namespace) -> int:
    """Pin what a server offers now: all that differs, or the named tools.

    Raises:
        RemoteError: `CHANGE_UNKNOWN`, `CHANGE_OUTDATED`.
    """
    names, digests = tuple(arguments.name) or None, tuple(arguments.digest)
    async with context.actual() as hub:
        done = await hub.request(AcceptToolChanges(server=arguments.server, tools=names, digests=digests))
    _say(context, done, arguments.server, done.accepted, "accepted")
    return 0


async def reject(context: Context, arguments: argparse.Namespace) -> int:
    """Keep from clients what a server offers now: all that waits for a decision, or the named tools.

    Raises:
        RemoteError: `CHANGE_UNKNOWN`, `CHANGE_OUTDATED`.
    """
    names, digests = tuple(arguments.name) or None, tuple(arguments.digest)
    async with context.actual() as hub:
        done = await hub.request(RejectToolChanges(server=arguments.server, tools=names, digests=digests))
    _say(context, done, arguments.server, done.rejected, "rejected")
    return 0


def _say(context: Context, done: object, server: str, names: Sequence[str], outcome: str) -> None:
    """Print an answer: as JSON, or a line for each name."""
    if context.json:
        context.emit(done)
    else:
        context.say(*(f"{clean(server)}: {clean(name)} is {outcome}." for name in names))


def lines(found: ToolChanges, now: float) -> list[str]:
    """Format changes, then the hints on what is pinned; `now` is Unix time in seconds."""
    said = [line for change in found.changes for line in _change(change, now)]
    said = said or ["Nothing differs from what is pinned. Servers with `changes` set to `allow` are not looked at."]
    for server, since in found.renewed.items():
        said.append(f"{clean(server)}: its definition has changed; it was pinned anew {span(now - since)} ago.")
    return said + [f"hint, pinned: {clean(hint)}" for hints in found.hints.values() for hint in hints]


def _change(change: ToolChange, now: float) -> list[str]:
    what = f"{change.kind} {change.name}".rstrip()
    state = "withheld until it is accepted" if change.pending else "served all the same"
    state = "rejected, and withheld" if change.rejected else state
    head = f"{clean(change.server)}: {clean(what)} is {change.change}, seen {span(now - change.since)} ago; {state}."
    body = [f"  {clean(line)}" for line in change.diff]
    hints = [f"  hint: {clean(hint)}" for hint in change.hints]
    return [head, *body, *hints, f"  digest {change.digest}"]
