"""`hubctl cluster`: where the configuration comes from, which version each hub has, import and export."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from bridge.models.cluster import (
    ClusterState,
    ConfigExported,
    ConfigImported,
    ExportConfig,
    ImportConfig,
    ReadCluster,
)
from bridge.private import make_directory, write_file
from hubctl.arguments import Parser
from hubctl.commands.cluster.replicas import lines, read_replicas
from hubctl.commands.import_text import read_text
from hubctl.context import Context
from hubctl.errors import ArgumentsInvalid
from hubctl.render import clean, span, table

OK, NOT_CURRENT = 0, 1
SOURCES = {"files": "this hub's own files", "database": "PostgreSQL", "directory": "a read-only directory"}


def add_cluster_actions(one: argparse.ArgumentParser, again: Parser) -> None:
    """Add the actions of `hubctl cluster`."""
    actions = one.add_subparsers(dest="action", metavar="<action>")
    actions.add_parser("status", parents=[again], help="show source, versions and replicas (as without an action)")
    taken = actions.add_parser("import", parents=[again], help="write a whole configuration into the database")
    taken.add_argument("directory", nargs="?", help="where the files are; none: those that this hub uses")
    taken.add_argument("--replace", action="store_true", help="replace a different configuration in the database")
    given = actions.add_parser("export", parents=[again], help="write the database's configuration into files")
    given.add_argument("directory", nargs="?", help="where to write them; none: over the files that this hub uses")
    for action in (taken, given):
        action.add_argument("--dry-run", action="store_true", help="only say what would be changed")


async def cluster(context: Context, arguments: argparse.Namespace) -> int:
    """Run `hubctl cluster` with its action."""
    if arguments.action == "import":
        return await import_(context, arguments)
    if arguments.action == "export":
        return await export(context, arguments)
    async with context.desired() as adapter:
        found = await adapter.request(ReadCluster())
    hubs = await read_replicas(context)
    if context.json:
        context.emit(found.model_dump(mode="json") | {"hubs": hubs.model_dump(mode="json")})
    else:
        show(context, found, time.time())
        context.say(*lines(hubs, context))
    return OK if found.state in ("alone", "current") else NOT_CURRENT


def show(context: Context, found: ClusterState, now: float) -> None:
    """Print where the configuration comes from, and the versions of the replicas."""
    context.say(f"source    {SOURCES[found.source]}{f', {clean(found.target)}' if found.target else ''}")
    if found.source == "files":
        return
    context.say(
        f"state     {found.state}, for {span(now - found.since)}" if found.since else f"state     {found.state}"
    )
    if found.error:
        context.say(f"error     {found.error.code}: {clean(found.error.message)} {found.error.hint or ''}".rstrip())
    context.say(f"version   {found.epoch} ({found.hash})", f"documents {', '.join(found.documents) or 'none'}")
    if found.replicas:
        rows = [
            (clean(each.name), str(each.epoch), each.hash, f"{span(now - each.seen)} ago") for each in found.replicas
        ]
        context.say("", *table(("REPLICA", "VERSION", "HASH", "SEEN"), rows, context.paint, context.columns))


async def import_(context: Context, arguments: argparse.Namespace) -> int:
    """Run `hubctl cluster import`.

    Raises:
        ArgumentsInvalid: the directory has no file of a configuration, or one that cannot be read.
        RemoteError: CLUSTER_OFF, CONFIG_DIFFERS, CONFIG_INVALID, CONFIG_DATABASE_UNAVAILABLE.
    """
    documents = None if arguments.directory is None else read_directory(Path(arguments.directory))
    asked = ImportConfig(documents=documents, replace=arguments.replace, dry_run=arguments.dry_run)
    async with context.desired() as adapter:
        done = await adapter.request(asked, timeout=60)
    if context.json:
        context.emit(done)
    else:
        context.say(*imported(done, arguments.dry_run))
    return OK


def imported(done: ConfigImported, dry_run: bool) -> list[str]:
    """Describe an import."""
    would = "would be " if dry_run else ""
    lines = [f"{name} {would}written" for name in done.written] + [f"{name} {would}removed" for name in done.removed]
    if not lines:
        return [f"The database has this configuration already (version {done.epoch})."]
    return lines if dry_run else [*lines, f"The database has version {done.epoch} of the configuration."]


def read_directory(directory: Path) -> dict[str, str]:
    """Return the texts of a directory's JSON files, by name. Raises ArgumentsInvalid."""
    if not directory.is_dir():
        raise ArgumentsInvalid(f"{directory} is not a directory.")
    found = {path.name: read_text(str(path)) for path in sorted(directory.glob("*.json"))}
    if not found:
        raise ArgumentsInvalid(f"{directory} has no JSON file.", hint="Name a directory that export has written.")
    return found


async def export(context: Context, arguments: argparse.Namespace) -> int:
    """Run `hubctl cluster export`.

    Raises:
        ArgumentsInvalid: a file cannot be written.
        RemoteError: CLUSTER_OFF, CONFIG_DATABASE_UNAVAILABLE.
    """
    elsewhere = None if arguments.directory is None else Path(arguments.directory)
    async with context.desired() as adapter:
        asked = ExportConfig(dry_run=arguments.dry_run or elsewhere is not None)
        done = await adapter.request(asked, timeout=60)
    differing = done.differing if elsewhere is None else write_directory(elsewhere, done, arguments.dry_run)
    if context.json:
        context.emit({"epoch": done.epoch, "files": sorted(done.documents), "differing": list(differing)})
        return OK
    verb = "would be changed" if arguments.dry_run else "changed"
    context.say(*(f"{name} {verb}" for name in differing))
    place = elsewhere or "The hub's files"
    context.say(f"{place}: version {done.epoch} of the configuration, {len(differing)} files {verb}.")
    if elsewhere is None and not arguments.dry_run:
        context.say("Without HUB_CONFIG_DATABASE, the hub goes on with these files alone after its next start.")
    return OK


def write_directory(directory: Path, done: ConfigExported, dry_run: bool) -> tuple[str, ...]:
    """Write the documents as files of mode 0600; return the names of those that differed. Raises ArgumentsInvalid."""
    try:
        present = {path.name: path.read_bytes() for path in directory.glob("*.json")}
        wanted = {name: text.encode() for name, text in done.documents.items()}
        differing = tuple(name for name, raw in wanted.items() if present.get(name) != raw)
        if not dry_run:
            make_directory(directory)
            for name in differing:
                write_file(directory / name, wanted[name])
    except OSError as error:
        raise ArgumentsInvalid(f"{error.filename or directory} cannot be written: {error.strerror}.") from None
    return differing
