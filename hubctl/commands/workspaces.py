"""Commands about workspaces: list them, their URLs and tools, switch them on and off."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from bridge.errors import PeerUnavailable
from bridge.models import ListTools, ReadDesired, ReadStatus, SetWorkspace, SnapshotId, Status, WorkspaceStatus
from hubctl.context import Context
from hubctl.errors import ArgumentsInvalid, NotApplied
from hubctl.lookup import find_spec, find_status
from hubctl.render import by_key, clean, table

APPLY_TIMEOUT = 10
"""Seconds that a change is given to be applied."""
START_TIMEOUT = 10
"""Seconds that the servers of a workspace that was switched on are waited for."""
POLL = 0.05
"""Seconds between two looks at whether it is so."""


async def workspaces(context: Context) -> int:
    """`hubctl workspaces`."""
    async with context.actual() as hub:
        status = await hub.request(ReadStatus())
    if context.json:
        context.emit(status.workspaces)
        return 0
    context.say(*workspace_table(context, status))
    return 0


def workspace_table(context: Context, status: Status) -> list[str]:
    """The table of all workspaces, or a line that says that there is none."""
    if not status.workspaces:
        return ["There is no workspace. Make one in YAMCP-UI or in workspaces.json: docs/workflow.md."]
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
    return table(("WORKSPACE", "STATE", "READY", "TOOLS", "SESSIONS", "SSE", "STREAMABLE HTTP"), rows, context.paint)


async def url(context: Context, workspace: str, transport: str | None, direct: bool = False) -> int:
    """`hubctl url`: one bare URL when the transport is named, else both; `direct`: the sidecar's own.

    Raises:
        ArgumentsInvalid: the sidecar has none.
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
    """`hubctl enable` and `disable`: returns when the sidecar has done it, and servers have started or failed to.

    Raises:
        NoSuchWorkspace: there is none of that name.
        NotApplied: saved, but not carried out within `APPLY_TIMEOUT`.
    """
    async with context.desired() as adapter:
        desired = await adapter.request(ReadDesired())
        name = find_spec(desired.snapshot.workspaces, workspace).name
        changed = await adapter.request(SetWorkspace(name=name, enabled=enabled))
    word = "on" if enabled else "off"
    try:
        async with asyncio.timeout(APPLY_TIMEOUT):
            status = await applied(context, changed.snapshot)
    except (TimeoutError, PeerUnavailable):
        raise NotApplied(f"Workspace {name!r} is set to {word}, but not switched yet.") from None
    found = await _started(context, name) if enabled else find_status(status, name)
    if context.json:
        context.emit(found)
    elif enabled and found.servers:
        context.say(f"Workspace {clean(name)} is on: {found.ready} of {len(found.servers)} servers ready.")
    else:
        context.say(f"Workspace {clean(name)} is {word}.")
    return 0


async def _started(context: Context, name: str) -> WorkspaceStatus:
    """The workspace once none of its servers starts for the first time, or `START_TIMEOUT` is over."""
    deadline = time.monotonic() + START_TIMEOUT
    async with context.actual() as hub:
        while True:
            status = await hub.request(ReadStatus())
            found, servers = find_status(status, name), by_key(status)
            members = [servers[key] for key in found.servers if key in servers]
            if time.monotonic() > deadline or not any(s.state == "starting" and not s.attempts for s in members):
                return found
            await asyncio.sleep(POLL)


async def applied(context: Context, wanted: SnapshotId) -> Status:
    """Wait until the sidecar has applied this snapshot or a newer one."""
    async with context.actual() as hub:
        while True:
            status = await hub.request(ReadStatus())
            if status.applied and not wanted.newer_than(status.applied):
                return status
            await asyncio.sleep(POLL)


async def tools(context: Context, workspace: str) -> int:
    """`hubctl tools`: the tools as clients of the workspace see them."""
    async with context.actual() as hub:
        found = find_status(await hub.request(ReadStatus()), workspace)
        answer = await hub.request(ListTools(workspace=found.name), timeout=30)
    if context.json:
        context.emit(answer.tools)
    elif answer.tools:
        rows = [(str(tool["name"]), summary(tool)) for tool in answer.tools]
        context.say(*table(("TOOL", "WHAT IT DOES"), rows, context.paint))
    else:
        context.say(f"Workspace {clean(found.name)} has no tools now; `hubctl status` shows its servers.")
    return 0


def summary(tool: dict[str, Any]) -> str:
    """The first line of a tool's description, at most 100 characters of it."""
    first = str(tool.get("description") or tool.get("title") or "").strip().partition("\n")[0]
    return clean(first if len(first) <= 100 else first[:99] + "…")
