"""The commands about providers.json, `hubctl add`, `edit`, `remove`, `import` and `export`; and `hubctl undo`."""

from __future__ import annotations

import argparse
import json
import os
import time
from typing import Any

from bridge.client import BridgeClient
from bridge.models import (
    Changed,
    ConfigFile,
    DeleteServer,
    Export,
    ImportedServer,
    ImportServers,
    PutServer,
    PutWorkspace,
    ReadConfig,
    ReadDesired,
    ServerStatus,
    SnapshotId,
    Undo,
)
from hubctl.applying import wait_applied, wait_started
from hubctl.commands.entries import changed_entry, new_entry, read_options
from hubctl.commands.import_text import read_import
from hubctl.context import Context
from hubctl.errors import ArgumentsInvalid
from hubctl.lookup import check_server, spec_or_name
from hubctl.render import by_key, clean, count, table, trouble

CHANGED_OUTCOMES = ("added", "replaced")
"""Import outcomes that changed providers.json."""


async def add(context: Context, arguments: argparse.Namespace) -> int:
    """Run `hubctl add`; if a workspace contains the server, wait until it has started or failed to start.

    Raises:
        ArgumentsInvalid: the options name neither a command nor a URL.
        RemoteError: ALREADY_EXISTS, ENTRY_INVALID, EDIT_CONFLICT and other errors of the adapter.
    """
    key = arguments.server
    entry = new_entry(key, read_options(arguments, os.environ))
    async with context.desired() as adapter:
        done: Changed = await adapter.request(PutServer(key=key, entry=entry, expect=""))
        for workspace in arguments.workspace or ():
            done = await join(adapter, workspace, (key,))
    return await _tell_server(context, key, done.snapshot, "added")


async def edit(context: Context, arguments: argparse.Namespace) -> int:
    """Run `hubctl edit`: change the fields that the options name, and keep the rest of the entry.

    Raises:
        NoSuchServer: no server has that key.
        ArgumentsInvalid: no option was given, or one does not apply to this kind of server.
        RemoteError: EDIT_CONFLICT if somebody else changed the entry meanwhile, and other errors of the adapter.
    """
    key, asked = arguments.server, read_options(arguments, os.environ)
    new = key if arguments.rename is None else arguments.rename
    if asked.nothing and new == key:
        raise ArgumentsInvalid("Nothing is to be changed: no option says what.")
    async with context.desired() as adapter:
        file = await adapter.request(ReadConfig(file="providers"))
        before = entry_of(file, key)
        entry = changed_entry(new, before, asked)
        if new != key and asked.namespace is None and before.get("namespace") == key:
            entry["namespace"] = new
        body = PutServer(key=new, entry=entry, expect=file.entries.get(key), old_key=key if new != key else None)
        done = await adapter.request(body)
    return await _tell_server(context, new, done.snapshot, "changed")


async def remove(context: Context, servers: list[str]) -> int:
    """Run `hubctl remove`: remove servers from providers.json, from every workspace, and from hub.json.

    Raises:
        NoSuchServer: no server has one of the keys; then nothing is removed.
    """
    servers = list(dict.fromkeys(servers))
    async with context.desired() as adapter:
        known = (await adapter.request(ReadConfig(file="providers"))).content or {}
        for key in servers:
            check_server(known, key)
        for key in servers:
            done = await adapter.request(DeleteServer(key=key))
    status = await wait_applied(context, done.snapshot, f"{_named(servers)} removed, but may still run.")
    if context.json:
        context.emit({"removed": servers, "applied": status.applied})
    else:
        context.say(f"{_named(servers)} removed.")
    return 0


def _named(servers: list[str]) -> str:
    names = ", ".join(map(clean, servers))
    return f"Server {names} is" if len(servers) == 1 else f"Servers {names} are"


async def import_file(context: Context, arguments: argparse.Namespace) -> int:
    """Run `hubctl import`; return 1 if a server of the file could not be imported.

    Raises:
        ArgumentsInvalid: the file is unreadable, or contains no servers.
    """
    config = await read_import(arguments.file)
    async with context.desired() as adapter:
        name = None
        if arguments.workspace is not None:
            name = spec_or_name((await adapter.request(ReadDesired())).snapshot.workspaces, arguments.workspace)
        body = ImportServers(config=config, workspace=name, replace=arguments.replace, dry_run=arguments.dry_run)
        done = await adapter.request(body)
    if not arguments.dry_run and any(each.outcome in CHANGED_OUTCOMES for each in done.servers):
        await wait_applied(context, done.snapshot, "The servers are in providers.json, but not started yet.")
    if context.json:
        context.emit(done)
    else:
        context.say(*import_lines(context, done.servers, arguments.dry_run))
    return int(any(each.outcome in ("exists", "unusable") for each in done.servers))


def import_lines(context: Context, servers: tuple[ImportedServer, ...], dry_run: bool) -> list[str]:
    """Format the outcome of an import: one line for each server, with its warnings."""
    rows = [(clean(each.key), each.outcome, each.type, clean(each.message)) for each in servers]
    lines = table(("SERVER", "OUTCOME", "TYPE", "NOTE"), rows, context.paint, context.columns, whole=("SERVER",))
    taken = sum(each.outcome in CHANGED_OUTCOMES for each in servers)
    return [*lines, f"{count(taken, 'server')} {'would be ' if dry_run else ''}taken."]


async def join(adapter: BridgeClient, workspace: str, servers: tuple[str, ...]) -> Changed:
    """Append servers to a workspace, given by name or slug; create it if it does not exist."""
    name = spec_or_name((await adapter.request(ReadDesired())).snapshot.workspaces, workspace)
    file = await adapter.request(ReadConfig(file="workspaces"))
    there = members(file, name)
    body = PutWorkspace(
        name=name, servers=(*there, *(key for key in servers if key not in there)), expect=file.entries.get(name, "")
    )
    return await adapter.request(body)


def members(file: ConfigFile, name: str) -> tuple[str, ...]:
    """Return the members of a workspace as they stand in workspaces.json; none if it does not exist."""
    entry = (file.content or {}).get(name, [])
    found = entry.get("servers") if isinstance(entry, dict) else entry
    return tuple(member for member in found if isinstance(member, str)) if isinstance(found, list) else ()


def entry_of(file: ConfigFile, key: str) -> dict[str, Any]:
    """Return a server's entry as it stands in providers.json. Raises NoSuchServer."""
    content = file.content or {}
    entry = content[check_server(content, key)]
    return entry if isinstance(entry, dict) else {}


async def _tell_server(context: Context, key: str, snapshot: SnapshotId, what: str) -> int:
    """Wait until a change of a server is in force, and print the outcome; return 1 if the server does not start."""
    await wait_applied(context, snapshot, f"Server {key!r} is {what}, but not started yet.")
    found = by_key(await wait_started(context, [key])).get(key)
    if context.json:
        context.emit(found)
    else:
        context.say(f"Server {clean(key)} is {what}{outcome(key, found, time.time())}")
    return int(found is not None and found.state in ("failed", "backoff"))


def outcome(key: str, found: ServerStatus | None, now: float) -> str:
    """Return the end of the sentence that describes a server's state after a change."""
    if found is None or found.state == "stopped":
        if found and found.session == "per_client":
            return "; it starts with each client that uses it."
        return f"; it runs when a workspace has it (hubctl workspaces edit WORKSPACE --add {clean(key)})."
    if found.state in ("ready", "degraded", "sleeping"):
        return f"; it is {found.state} ({count(found.tools, 'tool')})."
    return f"; it is {found.state}. {trouble(found, now)}".rstrip()


async def export(context: Context, arguments: argparse.Namespace) -> int:
    """`hubctl export`: JSON on stdout, and what else there is to know on stderr.

    Raises:
        RemoteError: NO_SUCH_SERVER, CONFIG_FILE_BROKEN.
    """
    servers = tuple(dict.fromkeys(arguments.server)) or None
    async with context.desired() as adapter:
        found = await adapter.request(Export(form=arguments.form, servers=servers, secrets=arguments.secrets))
    if context.json:
        context.emit(found)
        return 0
    context.say(*json.dumps(found.config, indent=2).splitlines())
    return 0


async def undo(context: Context) -> int:
    """`hubctl undo`.

    Raises:
        RemoteError: NOTHING_TO_UNDO, EDIT_CONFLICT.
    """
    async with context.desired() as adapter:
        done = await adapter.request(Undo())
    status = await wait_applied(context, done.snapshot, f"Undone in the files, but not in force yet: {done.summary}.")
    if context.json:
        context.emit({"undone": done.summary, "applied": status.applied})
    else:
        context.say(f"Undone: {done.summary}.")
    return 0
