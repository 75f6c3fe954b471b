"""Commands about servers: the state of the whole, and restart."""

from __future__ import annotations

import time

from bridge.cli.context import Context
from bridge.cli.render import Paint, clean, count, size, span, table, trouble
from bridge.cli.workspaces import workspace_table
from bridge.models import Restart, ServerStatus, Status


async def status(context: Context) -> int:
    """`hubctl status`."""
    async with context.actual() as hub:
        current = await hub.request("status")
    if context.json:
        context.emit(current)
    else:
        context.say(*status_lines(context, current, time.time()))
    return 0


def status_lines(context: Context, current: Status, now: float) -> list[str]:
    """The state of the hub for people; `now` is Unix time in seconds."""
    lines = [head(current, now), "", *workspace_table(context, current)]
    if current.servers:
        lines += ["", *server_table(current, context.paint, now)]
    notes = [line for server in current.servers for line in server_notes(server, context.paint, now)]
    return [*lines, *([""] if notes else []), *notes]


def head(current: Status, now: float) -> str:
    """The first line: version, process, since when, and whether what was asked for is in force."""
    source = {
        "adapter": "",
        "disk": ", from its own copy (the adapter does not answer)",
        "none": ", not configured yet",
    }
    state = "settled" if current.settled else "settling"
    up = span(now - current.started_at)
    return f"yamcp-hub {current.version}: sidecar pid {current.pid}, up {up}, {state}{source[current.source]}"


def server_table(current: Status, paint: Paint, now: float) -> list[str]:
    """The table of all servers."""
    rows = [
        (
            clean(server.key),
            paint.state(server.state),
            span(now - server.since),
            " ".join(part for part in (server.transport, server.era) if part),
            str(server.tools),
            str(server.restarts),
            " ".join(map(str, server.pids)),
            size(server.memory_bytes),
        )
        for server in current.servers
    ]
    return table(("SERVER", "STATE", "FOR", "SPEAKS", "TOOLS", "RESTARTS", "PID", "MEMORY"), rows, paint)


def server_notes(server: ServerStatus, paint: Paint, now: float) -> list[str]:
    """What a person should know of a server beside its row: why it is not ready, its last words, hints."""
    name = clean(server.key)
    lines = []
    if why := trouble(server, now):
        lines.append(f"{paint.bold(name)}: {why}")
        lines += [paint.dim(f"  stderr: {clean(line)}") for line in server.stderr[-3:]]
    if server.stale:
        lines.append(f"{paint.bold(name)}: its entry in the file is broken; its last good version is in force.")
    return lines + [f"{paint.bold(name)}: {clean(hint)}" for hint in server.hints]


async def restart(context: Context, server: str) -> int:
    """`hubctl restart`."""
    async with context.actual() as hub:
        await hub.request("restart", Restart(key=server), timeout=30)
        current = await hub.request("status")
    found = next((entry for entry in current.servers if entry.key == server), None)
    if context.json:
        context.emit(found)
    else:
        state = f"; it is {found.state} now ({count(found.tools, 'tool')})" if found else ""
        context.say(f"Server {clean(server)} was restarted{state}.")
    return 0
