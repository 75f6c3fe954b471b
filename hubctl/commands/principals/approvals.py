"""`hubctl approvals`: what agents have proposed, exactly, and the decisions on it."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import sys
import time

from bridge.models.catalog.approvals import (
    ApproveProposal,
    ListProposals,
    Proposal,
    RefuseProposal,
)
from hubctl.context import Context
from hubctl.errors import ArgumentsInvalid, NoSuchProposal
from hubctl.render import clean, span, table

APPROVE_SECONDS = 30.0


async def approvals(context: Context, arguments: argparse.Namespace) -> int:
    """Run `hubctl approvals` with its action."""
    if arguments.action == "show":
        return await show(context, arguments.proposal)
    if arguments.action == "approve":
        return await approve(context, arguments.proposal, arguments.digest)
    if arguments.action == "refuse":
        return await refuse(context, arguments.proposal)
    return await listing(context)


async def listing(context: Context) -> int:
    """Run `hubctl approvals list`."""
    async with context.desired() as adapter:
        found = (await adapter.request(ListProposals())).proposals
    if context.json:
        context.emit(found)
    elif found:
        rows = [row(each, time.time()) for each in found]
        head = ("ID", "STATE", "CHANGE", "WORKSPACE", "ASKED BY", "AGE")
        context.say(*table(head, rows, context.paint, context.columns))
    else:
        context.say("No agent has proposed anything.")
    return 0


def row(proposal: Proposal, now: float) -> tuple[str, ...]:
    """Format a proposal as a row of the table; `now` is Unix time in seconds."""
    what = f"{proposal.action} {clean(proposal.shown.name)} {clean(proposal.shown.version)}".rstrip()
    who = clean(proposal.principal_name or proposal.principal) or "-"
    return proposal.id, proposal.state, what, clean(proposal.workspace), who, span(now - proposal.created)


async def show(context: Context, wanted: str) -> int:
    """Run `hubctl approvals show`: exactly what would run."""
    async with context.desired() as adapter:
        proposal = _find((await adapter.request(ListProposals())).proposals, wanted)
    if context.json:
        context.emit(proposal)
    else:
        context.say(*lines(proposal))
    return 0


def lines(proposal: Proposal) -> list[str]:
    """Describe a proposal. All that its principal wrote is shown as text."""
    shown = proposal.shown
    told = [
        ("proposal", f"{proposal.id}, {proposal.state}"),
        ("change", f"{proposal.action} the server {clean(proposal.key)} in the workspace {clean(proposal.workspace)}"),
        ("asked by", clean(proposal.principal_name or proposal.principal) or "-"),
        ("reason", clean(proposal.reason)),
        ("entry", f"{clean(shown.name)} {clean(shown.version)}".rstrip()),
        ("source", clean(shown.source)),
        ("package", clean(shown.package)),
        ("command", " ".join(map(clean, shown.command))),
        *((f"setting {clean(name)}", ", ".join(map(clean, texts))) for name, texts in shown.variables.items()),
        *((f"secret {clean(name)}", "to be entered with the approval") for name in shown.secrets),
        *(("reach", clean(text)) for text in shown.reach),
        ("digest", proposal.digest),
        ("decided by", clean(proposal.decided_by)),
        ("failed", clean(proposal.error.message) if proposal.error else ""),
    ]
    return [f"{name:<12} {text}".rstrip() for name, text in told if text]


async def approve(context: Context, wanted: str, digest: str | None) -> int:
    """Run `hubctl approvals approve`: show what would run, ask for the secrets, and carry it out.

    Raises:
        NoSuchProposal: no proposal has that id.
        ArgumentsInvalid: secrets are needed, and there is no terminal on which they could be entered.
    """
    async with context.desired() as adapter:
        proposal = _find((await adapter.request(ListProposals())).proposals, wanted)
        needed = proposal.shown.secrets if proposal.action != "remove" else ()
        if not context.json:
            context.say(*lines(proposal))
        if digest is None and not await _confirmed(context):
            context.say("Nothing was changed.")
            return 1
        values = {name: await _entered(name) for name in needed}
        body = ApproveProposal(id=proposal.id, digest=digest or proposal.digest, secrets=values)
        done = await adapter.request(body, timeout=APPROVE_SECONDS)
    if context.json:
        context.emit(done)
    else:
        context.say(f"Approved.{f' Activation {done.job} has started.' if done.job else ''}")
    return 0


async def refuse(context: Context, wanted: str) -> int:
    """Run `hubctl approvals refuse`."""
    async with context.desired() as adapter:
        done = await adapter.request(RefuseProposal(id=wanted))
    if context.json:
        context.emit(done)
    else:
        context.say(f"The proposal {done.id} is refused.")
    return 0


def _find(proposals: tuple[Proposal, ...], wanted: str) -> Proposal:
    for each in proposals:
        if each.id == wanted:
            return each
    raise NoSuchProposal(f"There is no proposal {wanted!r}.")


async def _confirmed(context: Context) -> bool:
    """Ask on the terminal. Raises ArgumentsInvalid without one."""
    if not sys.stdin.isatty():
        raise ArgumentsInvalid("Without a terminal, name what you approve: --digest DIGEST, from `approvals show`.")
    context.part("Run this? [y/N] ")
    context.out.flush()
    return (await asyncio.to_thread(sys.stdin.readline)).strip().lower() in ("y", "yes")


async def _entered(name: str) -> str:
    """Ask for a secret on the terminal, or read a line of stdin for each."""
    if sys.stdin.isatty():
        return str(await asyncio.to_thread(getpass.getpass, f"{name}: "))
    line: str = await asyncio.to_thread(sys.stdin.readline)
    return line.rstrip("\n")
