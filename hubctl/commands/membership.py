"""`hubctl workspaces add`, `edit` and `remove`: create, change and remove workspaces."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import ValidationError

from bridge.client import BridgeClient
from bridge.models import (
    ConfigFile,
    DeleteWorkspace,
    PutWorkspace,
    ReadConfig,
    ReadDesired,
    SetWorkspace,
    SnapshotId,
)
from hubctl.applying import wait_applied, wait_started
from hubctl.commands.editing import members
from hubctl.commands.workspaces import workspaces as listing
from hubctl.context import Context
from hubctl.errors import ArgumentsInvalid
from hubctl.lookup import check_server, check_workspace, find_status, spec_or_name
from hubctl.render import clean, count


async def workspaces(context: Context, arguments: argparse.Namespace) -> int:
    """Run `hubctl workspaces` with its action."""
    if arguments.action == "add":
        return await add(context, arguments.name, tuple(dict.fromkeys(arguments.server)))
    if arguments.action == "edit":
        return await edit(context, arguments)
    if arguments.action == "remove":
        return await remove(context, arguments.workspace)
    return await listing(context)


async def add(context: Context, name: str, servers: tuple[str, ...]) -> int:
    """Run `hubctl workspaces add`.

    Raises:
        NoSuchServer: the hub does not have one of the servers.
        RemoteError: ALREADY_EXISTS and other errors of the adapter.
    """
    async with context.desired() as adapter:
        known = (await adapter.request(ReadConfig(file="providers"))).entries
        for key in servers:
            check_server(known, key)
        done = await adapter.request(PutWorkspace(name=name, servers=servers, expect=""))
    return await _tell(context, name, servers, done.snapshot, "added")


async def edit(context: Context, arguments: argparse.Namespace) -> int:
    """Run `hubctl workspaces edit`: change members and name first, then settings.

    Raises:
        NoSuchWorkspace, NoSuchServer: the hub does not have it.
        ArgumentsInvalid: no change was given.
        RemoteError: ALREADY_EXISTS, EDIT_CONFLICT, EDIT_INVALID and other errors of the adapter.
    """
    entry = bool(arguments.add or arguments.remove or arguments.rename is not None)
    settings = {"name_template": arguments.name_template, "slug": arguments.slug, "record": arguments.record}
    settings |= {"remove_aliases": arguments.remove_alias or None, "cache_read_only": arguments.cache_read_only}
    settings = {name: value for name, value in settings.items() if value is not None}
    if not entry and not settings:
        raise ArgumentsInvalid("Nothing is to be changed: no option says what.")
    async with context.desired() as adapter:
        file, name = await found(adapter, arguments.workspace)
        servers = members(file, name)
        if entry:
            known = (await adapter.request(ReadConfig(file="providers"))).entries
            servers = changed_members(servers, arguments.add or [], arguments.remove or [], known)
            new = name if arguments.rename is None else arguments.rename
            old = name if new != name else None
            done = await adapter.request(
                PutWorkspace(name=new, servers=servers, expect=file.entries.get(name), old_name=old)
            )
            name = new
        if settings:
            done = await adapter.request(_setting(name, settings))
    return await _tell(context, name, servers, done.snapshot, "changed")


def _setting(name: str, settings: dict[str, Any]) -> SetWorkspace:
    """Return the request that changes the settings of a workspace. Raises ArgumentsInvalid: the slug is invalid."""
    try:
        return SetWorkspace(name=name, **settings)
    except ValidationError:
        message = f"{settings['slug']!r} is no slug: it has 1 to 64 letters (a-z, A-Z), digits, _ and -."
        raise ArgumentsInvalid(message) from None


async def remove(context: Context, workspace: str) -> int:
    """Run `hubctl workspaces remove`; the servers stay. Raises NoSuchWorkspace."""
    async with context.desired() as adapter:
        _, name = await found(adapter, workspace)
        done = await adapter.request(DeleteWorkspace(name=name))
    status = await wait_applied(context, done.snapshot, f"Workspace {name!r} is removed, but may still be served.")
    if context.json:
        context.emit({"removed": name, "applied": status.applied})
    else:
        context.say(f"Workspace {clean(name)} is removed; its servers are not.")
    return 0


async def found(adapter: BridgeClient, workspace: str) -> tuple[ConfigFile, str]:
    """Return workspaces.json, and the name in it of the workspace with that name or slug.

    Raises:
        NoSuchWorkspace: the file does not have it.
    """
    file = await adapter.request(ReadConfig(file="workspaces"))
    name = spec_or_name((await adapter.request(ReadDesired())).snapshot.workspaces, workspace)
    return file, check_workspace(file.entries, name)


def changed_members(
    before: tuple[str, ...], added: Sequence[str], removed: Sequence[str], known: Iterable[str]
) -> tuple[str, ...]:
    """Return the members of a workspace with some appended and others removed.

    Raises:
        NoSuchServer: a server to append is unknown, or one to remove is not a member.
    """
    for key in added:
        check_server(known, key)
    for key in removed:
        check_server(before, key)
    kept = [key for key in before if key not in removed]
    return (*kept, *(key for key in dict.fromkeys(added) if key not in kept))


async def _tell(context: Context, name: str, servers: tuple[str, ...], snapshot: SnapshotId, what: str) -> int:
    """Wait until a change of a workspace is in force and its servers have started or failed, then print the result."""
    await wait_applied(context, snapshot, f"Workspace {name!r} is {what}, but not served so yet.")
    workspace = find_status(await wait_started(context, servers), name)
    if context.json:
        context.emit(workspace)
        return 0
    ready = f"{workspace.ready} of {count(len(workspace.servers), 'server')} ready"
    context.say(f"Workspace {clean(name)} is {what}: {workspace.state}, {ready}.", f"  {workspace.http_url}")
    return 0
