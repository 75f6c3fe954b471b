"""The actions of `hubctl catalog`, with their arguments."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable
from pathlib import Path

from hubctl import numbers
from hubctl.arguments import Parser
from hubctl.commands.catalog import activation, entries, sources
from hubctl.commands.catalog.variables import variables
from hubctl.context import Context

Action = Callable[[Context, argparse.Namespace], Awaitable[int]]


async def catalog(context: Context, arguments: argparse.Namespace) -> int:
    """Run `hubctl catalog` with its action."""
    does: Action = arguments.catalog
    return await does(context, arguments)


def add_actions(one: argparse.ArgumentParser, again: Parser) -> None:
    """Add the actions to the command. `again` has the options that may stand behind an action, too."""
    actions = one.add_subparsers(dest="action", metavar="action", title="actions", required=True)

    def action(name: str, what: str, does: Action) -> argparse.ArgumentParser:
        added: argparse.ArgumentParser = actions.add_parser(name, parents=[again], help=what)
        added.set_defaults(catalog=does)
        return added

    found = action("find", "search the catalogue", entries.find)
    found.add_argument("text", nargs="*", help="words; all entries without any")
    found.add_argument("--source", help="only entries of this source")
    found.add_argument("--category", help="only entries of this category")
    found.add_argument("--without-keys", action="store_true", help="only entries that need no key and no account")
    found.add_argument("--limit", type=numbers.most, default=20, help="maximum number of entries (20)")
    shown = action("show", "show an entry: what it would run, may reach and asks for", entries.show)
    shown.add_argument("name", help="its name in the catalogue")
    shown.add_argument("--version", help="a version (the newest one)")
    shown.add_argument("--source", help="the source of the catalogue that has it (any)")
    _sources(action("sources", "list, add, remove and refresh registries", sources.sources), again)
    added = action("add", "install an entry of the catalogue, and add its server", activation.add)
    added.add_argument("name", help="its name in the catalogue")
    added.add_argument("--version", help="a version (the newest one)")
    added.add_argument("--source", help="the source of the catalogue that has it (any)")
    added.add_argument("--workspace", action="append", help="add it to this workspace, created if needed; repeatable")
    added.add_argument("--set", action="append", metavar="INPUT=VALUE", help="a setting; repeatable")
    added.add_argument(
        "--secret", action="append", metavar="INPUT", help="ask for this setting; INPUT=@FILE: read it; repeatable"
    )
    added.add_argument("--key", help="its key in providers.json (made of its name)")
    added.add_argument("--yes", action="store_true", help="install without asking")
    changed = action("update", "install another version of a server, with the same settings", activation.update)
    changed.add_argument("server", help="its key in providers.json")
    changed.add_argument("--version", help="a version (the newest one)")
    changed.add_argument("--reinstall", action="store_true", help="install the version that it has once more")
    for name, what, does in (
        ("roll-back", "return to the version before the last update", activation.roll_back),
        ("remove", "remove a server, with its folder", activation.remove),
    ):
        action(name, what, does).add_argument("server", help="its key in providers.json")
    action("installed", "list what is installed", activation.installed)
    action("jobs", "list installations, with their state", activation.jobs)
    action("cancel", "cancel an installation", activation.cancel).add_argument("job", help="its id")
    _variables(action("variables", "list, set and unset variables that definitions refer to", variables), again)


def _sources(one: argparse.ArgumentParser, again: Parser) -> None:
    actions = one.add_subparsers(dest="sources", metavar="action", title="actions")
    actions.add_parser("list", parents=[again], help="list the sources, with their age (as without an action)")
    put = actions.add_parser("add", parents=[again], help="add a registry, or change it, and copy its entries")
    put.add_argument("id", help="a short name for it: lower-case letters, digits and hyphens")
    put.add_argument("url", help="its address, before /v0.1/servers")
    put.add_argument("--title", default="", help="what to call it (the host of the URL)")
    for name, what in (
        ("remove", "remove a registry, with the copy of its entries"),
        ("refresh", "copy what changed since the last time"),
    ):
        actions.add_parser(name, parents=[again], help=what).add_argument("id", help="its id")


def _variables(one: argparse.ArgumentParser, again: Parser) -> None:
    one.set_defaults(variables="list")
    actions = one.add_subparsers(dest="variables", metavar="action", title="actions")
    actions.add_parser("list", parents=[again], help="list names, never values (as without an action)")
    put = actions.add_parser("set", parents=[again], help="set a variable; its value is asked for, or read from stdin")
    put.add_argument("name", help="its name")
    put.add_argument("--file", type=Path, help="read the value from this file")
    gone = actions.add_parser("unset", parents=[again], help="remove a variable")
    gone.add_argument("name", help="its name")
