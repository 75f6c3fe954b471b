"""Commands about workspaces: list them, print their URLs and tools, switch them on and off."""

from __future__ import annotations

from typing import Any

from bridge.models import ListTools, ReadDesired, ReadStatus, SetWorkspace, Status
from bridge.models.actual import FoundTools, SearchTools
from hubctl.applying import wait_applied, wait_started
from hubctl.context import Context
from hubctl.errors import ArgumentsInvalid
from hubctl.lookup import find_spec, find_status
from hubctl.render import clean, count, table


async def workspaces(context: Context) -> int:
    """Run `hubctl workspaces`."""
    async with context.actual() as hub:
        status = await hub.request(ReadStatus())
    if context.json:
        context.emit(status.workspaces)
        return 0
    context.say(*workspace_table(context, status))
    return 0


def workspace_table(context: Context, status: Status) -> list[str]:
    """Return the table of all workspaces, or a line that says that there are none."""
    if not status.workspaces:
        return ["There is no workspace. `hubctl workspaces add NAME SERVER ...` makes one: docs/workflow.md."]
    rows = [
        (
            clean(workspace.name),
            context.paint.state(workspace.state),
            f"{workspace.ready}/{len(workspace.servers)}",
            str(workspace.tools),
            str(workspace.sessions),
            workspace.sse_url,
            workspace.http_url,
        )
        for workspace in status.workspaces
    ]
    header = ("WORKSPACE", "STATE", "READY", "TOOLS", "SESSIONS", "SSE", "STREAMABLE HTTP")
    return table(header, rows, context.paint, context.columns, whole=("WORKSPACE", "SSE", "STREAMABLE HTTP"))


async def url(context: Context, workspace: str, transport: str | None, direct: bool = False) -> int:
    """Run `hubctl url`: print one URL if the transport is named, else both; `direct`: those of the sidecar's own port.

    Raises:
        ArgumentsInvalid: the sidecar has no port of its own.
    """
    async with context.actual() as hub:
        found = find_status(await hub.request(ReadStatus()), workspace)
    urls = {"sse": found.sse_url, "http": found.http_url}
    if direct:
        urls = {"sse": found.direct_sse_url, "http": found.direct_http_url}
        if not all(urls.values()):
            why = "The sidecar has no URLs of its own: this hub asks for tokens, at the front alone."
            raise ArgumentsInvalid(why, hint="Leave out --direct.")
    if context.json:
        context.emit(urls if transport is None else {transport: urls[transport]})
    elif transport:
        context.say(urls[transport])
    else:
        context.say(*(f"{name:<5}{address}" for name, address in urls.items()))
    return 0


async def switch(context: Context, workspace: str, enabled: bool) -> int:
    """Run `hubctl enable` or `disable`; wait until the change is in force and the servers have started or failed.

    Raises:
        NoSuchWorkspace: no workspace has that name or slug.
        NotApplied: the change is saved but was not applied in time.
    """
    async with context.desired() as adapter:
        desired = await adapter.request(ReadDesired())
        name = find_spec(desired.snapshot.workspaces, workspace).name
        changed = await adapter.request(SetWorkspace(name=name, enabled=enabled))
    word = "on" if enabled else "off"
    not_yet = f"Workspace {name!r} is set to {word}, but not switched yet."
    found = find_status(await wait_applied(context, changed.snapshot, not_yet), name)
    if enabled:
        found = find_status(await wait_started(context, found.servers), name)
    if context.json:
        context.emit(found)
    elif enabled and found.servers:
        context.say(f"Workspace {clean(name)} is on: {found.ready} of {count(len(found.servers), 'server')} ready.")
    else:
        context.say(f"Workspace {clean(name)} is {word}.")
    return 0


async def tools(context: Context, workspace: str, search: str | None = None) -> int:
    """Run `hubctl tools`: print the tools as clients of the workspace see them, or those that `search` finds."""
    async with context.actual() as hub:
        found = find_status(await hub.request(ReadStatus()), workspace)
        if search is not None:
            return _tell_found(context, await hub.request(SearchTools(workspace=found.name, text=search), timeout=30))
        answer = await hub.request(ListTools(workspace=found.name), timeout=30)
    if context.json:
        context.emit(answer.tools)
    elif answer.tools:
        rows = [(str(tool["name"]), summary(tool)) for tool in answer.tools]
        context.say(*table(("TOOL", "WHAT IT DOES"), rows, context.paint, context.columns, whole=("TOOL",)))
    else:
        context.say(f"Workspace {clean(found.name)} has no tools now; `hubctl status` shows its servers.")
    return 0


def _tell_found(context: Context, answer: FoundTools) -> int:
    """Print what was found; return 1 if that is nothing."""
    if context.json:
        context.emit([found.model_dump() for found in answer.tools])
    elif answer.tools:
        rows = [(found.tool, summary(found.model_dump())) for found in answer.tools]
        context.say(*table(("TOOL", "WHAT IT DOES"), rows, context.paint, context.columns, whole=("TOOL",)))
    else:
        context.say("No tool has these words; try other keywords, or the name of a service.")
    return 0 if answer.tools else 1


def summary(tool: dict[str, Any]) -> str:
    """Return the first line of a tool's description, cut to 100 characters."""
    first = str(tool.get("description") or tool.get("title") or "").strip().partition("\n")[0]
    return clean(first if len(first) <= 100 else first[:99] + "…")
