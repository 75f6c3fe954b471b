"""`hubctl keys`: list, create and revoke named keys."""

from __future__ import annotations

import argparse
import time

from bridge.models import AddKey, Key, ListKeys, ReadDesired, RevokeKey
from hubctl.context import Context
from hubctl.lookup import find_spec
from hubctl.render import clean, span, table


async def keys(context: Context, arguments: argparse.Namespace) -> int:
    """Run `hubctl keys` with its action."""
    if arguments.action == "add":
        return await add(context, arguments.name, arguments.workspace, arguments.admin)
    if arguments.action == "revoke":
        return await revoke(context, arguments.key)
    return await listing(context)


async def listing(context: Context) -> int:
    """Run `hubctl keys list`."""
    async with context.desired() as adapter:
        found = (await adapter.request(ListKeys())).keys
    if context.json:
        context.emit(found)
    elif found:
        rows = [row(key, time.time()) for key in found]
        context.say(*table(("NAME", "ID", "OPENS", "AGE", "LAST USED"), rows, context.paint, context.columns))
    else:
        context.say("There are no keys; `hubctl keys add NAME` makes one.")
    return 0


def row(key: Key, now: float) -> tuple[str, str, str, str, str]:
    """Format a key as a row of the table; `now` is Unix time in seconds."""
    used = "-" if key.last_used is None else f"{span(now - key.last_used)} ago"
    return clean(key.name), key.id, opens(key.workspaces, key.admin), span(now - key.created), used


def opens(workspaces: tuple[str, ...] | None, admin: bool) -> str:
    """Describe what a key gives access to."""
    if admin:
        return "everything"
    return "all workspaces" if workspaces is None else ", ".join(clean(name) for name in workspaces) or "nothing"


async def add(context: Context, name: str, workspaces: list[str] | None, admin: bool) -> int:
    """Run `hubctl keys add`: create a key, and print its token, which the hub shows only here.

    Raises:
        NoSuchWorkspace: no workspace has that name or slug.
    """
    async with context.desired() as adapter:
        names = None
        if workspaces:
            known = (await adapter.request(ReadDesired())).snapshot.workspaces
            names = tuple(find_spec(known, workspace).name for workspace in workspaces)
        made = await adapter.request(AddKey(name=name, workspaces=names, admin=admin))
    if context.json:
        context.emit(made)
        return 0
    context.say(
        f"Key {clean(name)} ({made.id}) opens {opens(names, admin)}. Its token, which is shown only now:",
        "",
        f"  {made.token}",
        "",
        "Clients send it with every request: Authorization: Bearer <token>",
    )
    if not context.settings.protected:
        context.say("This hub listens on loopback and asks for no token; it would if HUB_TOKEN were set.")
    return 0


async def revoke(context: Context, key: str) -> int:
    """Run `hubctl keys revoke`: delete a key; sessions that it opened end within two seconds."""
    async with context.desired() as adapter:
        done = await adapter.request(RevokeKey(key=key))
    if context.json:
        context.emit(done)
    else:
        context.say(f"Key {clean(key)} is revoked; its sessions end.")
    return 0
