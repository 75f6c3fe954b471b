"""`hubctl grants`: list what clients have been allowed by OAuth, and end it."""

from __future__ import annotations

import argparse
import time

from bridge.models import EndGrant, Grant, ListGrants
from hubctl.context import Context
from hubctl.render import clean, span, table

HEADER = ("ID", "CLIENT", "HOST", "WORKSPACE", "OF", "AGE", "LAST USED", "ENDS IN")


async def grants(context: Context, arguments: argparse.Namespace) -> int:
    """Run `hubctl grants` with its action."""
    if arguments.action == "end":
        return await end(context, arguments.grant)
    return await listing(context, arguments.principal)


async def listing(context: Context, principal: str | None) -> int:
    """Run `hubctl grants list`: of a principal, given by id or name, or of all."""
    async with context.desired() as adapter:
        every = (await adapter.request(ListGrants())).grants
    found = [each for each in every if principal in (None, each.principal, each.principal_name)]
    if context.json:
        context.emit(found)
    elif found:
        rows = [row(grant, time.time()) for grant in found]
        context.say(*table(HEADER, rows, context.paint, context.columns, whole=("ID",)))
    else:
        context.say("No client has been allowed anything; clients that sign in with OAuth appear here.")
    return 0


def row(grant: Grant, now: float) -> tuple[str, ...]:
    """Format a grant as a row of the table; `now` is Unix time in seconds."""
    return (
        grant.id,
        clean(grant.client_name) or clean(grant.client),
        clean(grant.redirect_host),
        clean(grant.workspace),
        clean(grant.principal_name) or clean(grant.principal),
        span(now - grant.at),
        "-" if grant.last_used is None else f"{span(now - grant.last_used)} ago",
        span(grant.expires - now),
    )


async def end(context: Context, ids: list[str]) -> int:
    """Run `hubctl grants end`: end grants, whose tokens are refused within a second.

    Raises:
        RemoteError: `NO_SUCH_GRANT`: one is not in force; those before it have ended.
    """
    async with context.desired() as adapter:
        for each in ids:
            await adapter.request(EndGrant(id=each))
    if context.json:
        context.emit({"ended": ids})
    else:
        context.say(*(f"Grant {clean(each)} has ended; its client has to ask its user again." for each in ids))
    return 0
