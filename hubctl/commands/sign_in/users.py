"""`hubctl users`: list the users who have signed in at an OpenID provider, and remove them."""

from __future__ import annotations

import argparse
import time

from bridge.models import EndUser, ListUsers, User
from hubctl.context import Context
from hubctl.render import clean, span, table

HEADER = ("NAME", "ID", "ADDRESS", "GROUPS", "SIGNED IN", "LOGINS", "GRANTS", "PROVIDER")


async def users(context: Context, arguments: argparse.Namespace) -> int:
    """Run `hubctl users` with its action."""
    if arguments.action == "end":
        return await end(context, arguments.user)
    return await listing(context)


async def listing(context: Context) -> int:
    """Run `hubctl users list`."""
    async with context.desired() as adapter:
        found = (await adapter.request(ListUsers())).users
    if context.json:
        context.emit(found)
    elif found:
        rows = [row(user, time.time()) for user in found]
        context.say(*table(HEADER, rows, context.paint, context.columns, whole=("ID",)))
    else:
        context.say("No user has signed in at an OpenID provider.")
    return 0


def row(user: User, now: float) -> tuple[str, ...]:
    """Format a user as a row of the table; `now` is Unix time in seconds."""
    return (
        clean(user.name) or "-",
        user.id,
        clean(user.email) or "-",
        clean(", ".join(user.groups)) or "-",
        f"{span(now - user.at)} ago",
        str(user.logins),
        str(user.grants),
        clean(user.issuer),
    )


async def end(context: Context, user: str) -> int:
    """Run `hubctl users end`: end all grants and logins of a user, given by id or e-mail address.

    Raises:
        RemoteError: `NO_SUCH_USER`: nobody has that id or address, or several have the address.
    """
    async with context.desired() as adapter:
        done = await adapter.request(EndUser(user=user))
    if context.json:
        context.emit(done)
    else:
        context.say(f"All grants and logins of {clean(user)} have ended; the provider may let the user sign in again.")
    return 0
