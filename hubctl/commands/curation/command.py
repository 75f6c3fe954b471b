"""`hubctl curation`: which tools, prompts and resources a workspace shows, and how (docs/curation.md)."""

from __future__ import annotations

import argparse
import json
from typing import Any

from pydantic import ValidationError

from bridge.models import CuratedKind, Curation, ReadDesired, ReadWorkspaceTools, SetWorkspace, WorkspaceTools
from hubctl.applying import wait_applied
from hubctl.commands.import_text import read_text
from hubctl.context import Context
from hubctl.errors import ArgumentsInvalid
from hubctl.lookup import check_server, find_spec
from hubctl.render import clean, table

SECTIONS = {"tool": "tools", "prompt": "prompts", "resource": "resources", "template": "resources"}


async def curation(context: Context, arguments: argparse.Namespace) -> int:
    """Run `hubctl curation` with its action.

    Raises:
        NoSuchWorkspace, NoSuchServer: the hub does not have it.
        ArgumentsInvalid: a value cannot be used.
        RemoteError: errors of the adapter and the sidecar.
    """
    async with context.desired() as adapter:
        specs = (await adapter.request(ReadDesired())).snapshot.workspaces
    spec = find_spec(specs, arguments.workspace)
    current = spec.curation or Curation()
    if arguments.action == "list":
        return await show(context, spec.name)
    if arguments.action == "export":
        context.part(json.dumps(current.model_dump(mode="json", exclude_unset=True), indent=2) + "\n")
        return 0
    replaced = current
    if arguments.action == "import":
        wanted = parse(read_text(arguments.file))
    elif arguments.action == "clone":
        wanted, spec = current, find_spec(specs, arguments.to)
        replaced = spec.curation or Curation()
    elif arguments.action == "accept":
        wanted = accepted(current, await _items(context, spec.name))
    else:
        check_server(spec.servers, arguments.server)
        wanted = edited(current, arguments)
        if arguments.action == "new" and arguments.new != "on":
            wanted = with_known(wanted, arguments, await _items(context, spec.name))
    async with context.desired() as adapter:
        done = await adapter.request(SetWorkspace(name=spec.name, curation=wanted, expect_curation=replaced.hash))
    await wait_applied(context, done.snapshot, f"The curation of {spec.name!r} is saved, but not in force yet.")
    if context.json:
        context.emit(wanted)
    else:
        context.say(f"The curation of workspace {clean(spec.name)} is in force.")
        if arguments.action == "new" and not _rules_of(wanted, arguments).known and arguments.new != "on":
            name, kinds = clean(arguments.server), SECTIONS[arguments.kind]
            context.say(f"{name} has no {kinds} at the moment: all that it lists later count as new.")
    return 0


async def show(context: Context, workspace: str) -> int:
    """Run `hubctl curation list`: every item with its state and estimated tokens."""
    found = await _items(context, workspace)
    if context.json:
        context.emit(found)
        return 0
    rows = [
        (item.server, item.kind, clean(item.name), clean(item.exposed or ""), item.state, item.why, str(item.tokens))
        for item in found.items
    ]
    header = ("SERVER", "KIND", "NAME", "SHOWN AS", "STATE", "BY", "TOKENS")
    context.say(*table(header, rows, context.paint, context.columns, whole=("NAME",)))
    context.say(f"About {found.tokens} tokens for the tools that are shown.")
    return 0


async def _items(context: Context, workspace: str) -> WorkspaceTools:
    async with context.actual() as hub:
        return await hub.request(ReadWorkspaceTools(workspace=workspace), timeout=30)


def parse(text: str) -> Curation:
    """Parse an exported curation. Raises ArgumentsInvalid."""
    try:
        return Curation.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ArgumentsInvalid(f"The file is no curation: {place or 'it'}: {first['msg']}.") from None


def accepted(current: Curation, found: WorkspaceTools) -> Curation:
    """Return the curation in which every item that there is now is known; servers that ask or refuse show them then."""
    written = current.model_dump(mode="json", exclude_unset=True)
    for server, kinds in written.get("servers", {}).items():
        for section, rules in kinds.items():
            names = [item.name for item in found.items if item.server == server and SECTIONS[item.kind] == section]
            if names:  # the lists of a server that has not started are not known
                rules["known"] = names
    return Curation.model_validate(written)


def with_known(current: Curation, arguments: argparse.Namespace, found: WorkspaceTools) -> Curation:
    """Return the curation in which the items that the server has now are known, beside those that were."""
    section = SECTIONS[arguments.kind]
    now = [item.name for item in found.items if item.server == arguments.server and SECTIONS[item.kind] == section]
    written = current.model_dump(mode="json", exclude_unset=True)
    rules = written["servers"][arguments.server][section]
    rules["known"] = list(dict.fromkeys([*rules.get("known", ()), *now]))
    return Curation.model_validate(written)


def _rules_of(current: Curation, arguments: argparse.Namespace) -> CuratedKind:
    rules: CuratedKind = getattr(current.servers[arguments.server], SECTIONS[arguments.kind])
    return rules


def edited(current: Curation, arguments: argparse.Namespace) -> Curation:
    """Return the curation after an action on a server's items. Raises ArgumentsInvalid: a value is invalid."""
    written: dict[str, Any] = current.model_dump(mode="json", exclude_unset=True)
    server = written.setdefault("servers", {}).setdefault(arguments.server, {})
    rules = server.setdefault(SECTIONS[arguments.kind], {})
    if arguments.action in ("on", "off"):
        _switch(rules, arguments.match, arguments.annotation, arguments.action == "on")
    elif arguments.action == "new":
        rules["new"] = arguments.new
    else:
        item = rules.setdefault("items", {}).setdefault(arguments.item, {})
        _change(item, arguments)
    try:
        return Curation.model_validate(written)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ArgumentsInvalid(f"{first['loc'][-1]!r} cannot be set so: {first['msg']}.") from None


def _switch(rules: dict[str, Any], match: str, annotation: str | None, on: bool) -> None:
    """Switch one item by its name, or several by a rule that comes before all others."""
    if annotation is None and "*" not in match:
        rules.setdefault("items", {}).setdefault(match, {})["on"] = on
        return
    same = {"match": match, **({"annotation": annotation} if annotation else {})}
    others = [rule for rule in rules.get("rules", ()) if {**rule, "on": None} != {**same, "on": None}]
    rules["rules"] = [{**same, "on": on}, *others]


def _change(item: dict[str, Any], arguments: argparse.Namespace) -> None:
    """Rename an item, or set or remove a preset of a tool's argument."""
    if arguments.action == "rename":
        item["name"] = arguments.to
        return
    presets = item.setdefault("arguments", {})
    if arguments.value is None:
        presets.pop(arguments.argument, None)
        return
    try:
        value = json.loads(arguments.value)
    except ValueError:
        value = arguments.value
    presets[arguments.argument] = {"default": value} if arguments.default else {"value": value, "hidden": True}


def add_curation_actions(one: argparse.ArgumentParser, again: argparse.ArgumentParser) -> None:
    """Add the actions to the command's parser; `again` has the options that each action takes, too."""
    actions = one.add_subparsers(dest="action", metavar="action", title="actions", required=True)

    def action(name: str, what: str) -> argparse.ArgumentParser:
        added = actions.add_parser(name, parents=[again], help=what)
        added.add_argument("workspace", help="name or slug")
        return added

    def of_server(name: str, what: str) -> argparse.ArgumentParser:
        added = action(name, what)
        added.add_argument("server", help="key of the server")
        added.add_argument("--kind", choices=tuple(SECTIONS), default="tool", help="what it is about (tool)")
        return added

    action("list", "list every item with its state and estimated tokens")
    for name in ("on", "off"):
        added = of_server(name, f"switch items {name}: one by its own name, several by pattern or annotation")
        added.add_argument("match", help="the server's own name, or a pattern with *")
        hints = ("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint")
        added.add_argument("--annotation", choices=hints, help="only tools that declare this")
    of_server("new", "choose what happens to new items").add_argument("new", choices=("on", "off", "ask"))
    action("accept", "take all items that there are now as known, pending ones too")
    renamed = of_server("rename", "show an item under another name")
    renamed.add_argument("item", help="the server's own name")
    renamed.add_argument("to", help="the name in its place")
    preset = of_server("preset", "fix an argument of a tool and hide it, or give it a default")
    preset.add_argument("item", help="the server's own name of the tool")
    preset.add_argument("argument", help="name of the argument")
    preset.add_argument("value", nargs="?", help="JSON, or else text; without it the preset is removed")
    preset.add_argument("--default", action="store_true", help="used only where the client does not send the argument")
    action("export", "print the curation as JSON")
    action("import", "replace the curation").add_argument("file", help="an exported curation; - for stdin")
    action("clone", "copy the curation to another workspace").add_argument("to", help="name or slug of the other one")
