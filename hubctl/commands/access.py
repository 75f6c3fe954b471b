"""`hubctl access`: show, check and replace access.json, and explain what a subject may use."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from bridge.models import (
    AccessDecision,
    AccessItem,
    CheckAccessFile,
    ExplainAccess,
    Issue,
    PutAccessFile,
    ReadAccessFile,
    ReadDesired,
    ViewAs,
    WorkspaceAccess,
)
from hubctl.commands.import_text import read_text
from hubctl.context import Context
from hubctl.lookup import find_spec
from hubctl.render import clean, count, table

OK, FAULTS = 0, 1


async def access(context: Context, arguments: argparse.Namespace) -> int:
    """Run `hubctl access` with its action."""
    match arguments.action:
        case "check":
            return await check(context, arguments.file)
        case "put":
            return await put(context, read_text(arguments.file))
        case "remove":
            return await put(context, None)
        case "explain":
            return await explain(context, arguments)
        case "view":
            return await view(context, arguments.subject)
    return await show(context)


async def show(context: Context) -> int:
    """Run `hubctl access show`: print the file; what is wrong with it goes to stderr."""
    async with context.desired() as adapter:
        found = await adapter.request(ReadAccessFile())
    if context.json:
        context.emit(found)
    elif found.text is None:
        context.say(f"There is no {found.path}: keys may use their workspaces, and users nothing.")
    else:
        context.part(found.text if found.text.endswith("\n") else found.text + "\n")
        _report(context, found.issues)
    return OK


async def check(context: Context, file: str) -> int:
    """Run `hubctl access check`: return 1 if the file has faults. Raises ArgumentsInvalid if it cannot be read."""
    async with context.desired() as adapter:
        issues = (await adapter.request(CheckAccessFile(text=read_text(file)))).issues
    if context.json:
        context.emit({"issues": [issue.model_dump(mode="json") for issue in issues]})
    else:
        _report(context, issues)
        if not faults(issues):
            context.say(f"{clean(file)} can be used: `hubctl access put` puts it in force.")
    return FAULTS if faults(issues) else OK


async def put(context: Context, text: str | None) -> int:
    """Run `hubctl access put` or `remove`: replace the file, or remove it. The hub keeps a copy of the former one."""
    async with context.desired() as adapter:
        saved = await adapter.request(PutAccessFile(text=text))
    if context.json:
        context.emit(saved)
    else:
        _report(context, saved.issues)
        context.say("access.json is in force." if text is not None else "access.json is removed.")
    return OK


def faults(issues: Iterable[Issue]) -> list[Issue]:
    """The issues for which a file cannot be used."""
    return [issue for issue in issues if issue.severity == "error"]


def _report(context: Context, issues: Iterable[Issue]) -> None:
    for issue in issues:
        context.err.write(clean(f"{issue.severity}: {issue.message}") + "\n")


async def explain(context: Context, arguments: argparse.Namespace) -> int:
    """Run `hubctl access explain`. Raises NoSuchWorkspace."""
    workspace = await _workspace(context, arguments.workspace)
    asked = ExplainAccess(
        subject=arguments.subject,
        name=arguments.item,
        type=arguments.type,
        workspace=workspace,
        server=arguments.server,
    )
    async with context.actual() as hub:
        found = await hub.request(asked)
    if context.json:
        context.emit(found)
    elif not found.decisions:
        context.say(f"No workspace has a {arguments.type} {clean(arguments.item)}.")
    else:
        context.say(f"{clean(found.subject)} has the role {found.role}.", "")
        context.say(*(line for each in found.decisions for line in decision_lines(context, each)))
    return OK


async def _workspace(context: Context, name: str | None) -> str | None:
    """The name of the workspace with that name or slug."""
    if name is None:
        return None
    async with context.desired() as adapter:
        return find_spec((await adapter.request(ReadDesired())).snapshot.workspaces, name).name


def decision_lines(context: Context, each: AccessDecision) -> list[str]:
    """Describe a decision, and the rule that makes it."""
    verdict = context.paint.good("allowed") if each.allowed else context.paint.bad("denied")
    absent = "" if each.listed else " (the server does not list it now)"
    place = f"{clean(each.workspace)}: {clean(each.shown_as)} of {clean(each.server)}"
    lines = [f"{place}: {verdict}, {clean(each.why)}{absent}"]
    if each.text is not None:
        lines.append(f"  {each.text.model_dump_json(exclude_none=True)}")
    return lines


async def view(context: Context, subject: str) -> int:
    """Run `hubctl access view`: what a subject sees in each workspace, and what is hidden from it."""
    async with context.actual() as hub:
        found = await hub.request(ViewAs(subject=subject))
    if context.json:
        context.emit(found)
        return OK
    context.say(f"{clean(found.subject)} has the role {found.role}.")
    for workspace in found.workspaces:
        context.say("", *workspace_lines(context, workspace))
    return OK


def workspace_lines(context: Context, workspace: WorkspaceAccess) -> list[str]:
    """Describe what is seen of a workspace."""
    name = clean(workspace.name)
    if not workspace.usable:
        return [f"{name}: does not exist for it"]
    shown = sum(item.allowed for item in workspace.items)
    title = f"{name}: {count(shown, 'item')} of {len(workspace.items)}"
    rows = [item_row(context, item) for item in workspace.items]
    header = ("", "TYPE", "NAME", "SERVER", "WHY")
    return [title, *table(header, rows, context.paint, context.columns)] if rows else [title]


def item_row(context: Context, item: AccessItem) -> tuple[str, ...]:
    """An item as a row of a table."""
    verdict = context.paint.good("allowed") if item.allowed else context.paint.bad("hidden")
    return verdict, item.type, clean(item.shown_as), clean(item.server), clean(item.why)
