"""Commands about servers: `hubctl status`, `health` and `restart`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from bridge.client import BridgeClient
from bridge.errors import HubError
from bridge.models import ReadRecordsStatus, ReadStatus, Restart, ServerStatus, Status, WorkspaceStatus
from hubctl.applying import POLL_SECONDS
from hubctl.commands.history.recorder import ask
from hubctl.commands.workspaces import workspace_table
from hubctl.context import Context
from hubctl.errors import HistoryOff
from hubctl.lookup import check_server
from hubctl.render import Paint, by_key, clean, count, error_line, size, span, table, trouble
from hubctl.run import front

RESTART_TIMEOUT = 10
"""How long a restarted server has to start, in seconds."""
NOT_READY = "WORKSPACE_NOT_READY"
"""The code of a reason that the tables of `hubctl status` tell."""
FRONT_TIMEOUT = 5
"""How long the front has to answer, in seconds. It asks other processes, and gives each of them 2 s."""


async def status(context: Context) -> int:
    """Run `hubctl status`."""
    async with context.actual() as hub:
        current = await hub.request(ReadStatus())
    if context.json:
        context.emit(current)
    else:
        pages, kept = await asyncio.gather(pages_lines(context), history_line(context))
        context.say(*status_lines(context, current, [*pages, kept], time.time()))
    return 0


async def health(context: Context) -> int:
    """Run `hubctl health`; return 0 if the front reports that all is well, else print the reasons and return 1."""
    answer = await front.health(context.settings, FRONT_TIMEOUT)
    if context.json:
        context.emit(answer)
    else:
        context.say(*health_lines(answer))
    return int(answer.status != "ok")


def health_lines(answer: front.Health) -> list[str]:
    """Format the front's answer; without credentials a protected hub tells only whether all is well."""
    if answer.status == "ok":
        return ["The hub is well."]
    return list(map(error_line, answer.reasons)) or ["The hub is not well: `hubctl doctor` finds out why."]


async def pages_lines(context: Context) -> list[str]:
    """Return the address of the hub's pages and what does not work beside the servers, or why there are no pages."""
    try:
        answer = await front.health(context.settings, FRONT_TIMEOUT)
    except HubError as error:
        return [context.paint.bad(error_line(error.body()))]
    reasons = [reason for reason in answer.reasons if reason.code != NOT_READY]
    return [f"pages: {context.settings.base_url}/", *(context.paint.bad(error_line(reason)) for reason in reasons)]


async def history_line(context: Context) -> str:
    """Return the state of the history, or why it is not kept."""
    try:
        found = await ask(context, ReadRecordsStatus(), timeout=FRONT_TIMEOUT)
    except HistoryOff:
        return "history: off"
    except HubError as error:
        return context.paint.bad(f"history: {error_line(error.body())}")
    if found.state == "ok":
        return f"history: {count(found.calls, 'call')}"
    return context.paint.warn(f"history: {found.state}. {clean(found.reason)}")


def status_lines(context: Context, current: Status, above: Sequence[str], now: float) -> list[str]:
    """Format the state of the hub; `above`: the lines above the tables; `now` is Unix time in seconds."""
    troubles = [context.paint.warn(error_line(each)) for each in current.troubles]
    lines = [head(current, now), *troubles, *above, "", *workspace_table(context, current)]
    if current.servers:
        lines += ["", *server_table(current, context.paint, now, context.columns)]
    notes = [empty_note(workspace, context.paint) for workspace in current.workspaces if workspace.state == "empty"]
    notes += [pending_note(workspace, context.paint) for workspace in current.workspaces if workspace.pending]
    notes += [line for server in current.servers for line in server_notes(server, context.paint, now)]
    notes += [
        context.paint.bad(clean(f"{tool.name}: {tool.problem} {tool.what_to_do or ''}".rstrip()))
        for tool in current.hub_tools
        if tool.problem
    ]
    return [*lines, *([""] if notes else []), *notes]


def head(current: Status, now: float) -> str:
    """Return the first line: version, process id, uptime, and whether the desired configuration is in force."""
    source = {
        "adapter": "",
        "disk": ", from its own copy (the adapter does not answer)",
        "none": ", not configured yet",
    }
    state = "settled" if current.settled else "settling"
    up = span(now - current.started_at)
    return f"yamcp-hub {current.version}: sidecar pid {current.pid}, up {up}, {state}{source[current.source]}"


def server_table(current: Status, paint: Paint, now: float, columns: int | None = None) -> list[str]:
    """Return the table of all servers; `columns` is the width of the terminal."""
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
    header = ("SERVER", "STATE", "FOR", "SPEAKS", "TOOLS", "RESTARTS", "PID", "MEMORY")
    return table(header, rows, paint, columns, whole=("SERVER",))


def pending_note(workspace: WorkspaceStatus, paint: Paint) -> str:
    """Tell what waits for an administrator, and how to see it."""
    number = count(workspace.pending, "new item")
    return f"{paint.bold(clean(workspace.name))}: {number} not shown before you decide: `hubctl curation list`."


def empty_note(workspace: WorkspaceStatus, paint: Paint) -> str:
    """Explain why a workspace offers nothing, if the lines of its servers do not."""
    return f"{paint.bold(clean(workspace.name))}: {error_line(workspace.reason) if workspace.reason else 'empty'}"


def server_notes(server: ServerStatus, paint: Paint, now: float) -> list[str]:
    """Return the notes below a server's row: why it is not ready, its last lines of stderr, hints."""
    name = clean(server.key)
    lines = []
    if why := trouble(server, now):
        lines.append(f"{paint.bold(name)}: {why}")
        lines += [paint.dim(f"  stderr: {clean(line)}") for line in _last_words(server)]
    lines += [f"{paint.bold(name)}: {error_line(each)}" for each in server.troubles]
    if server.stale:
        lines.append(f"{paint.bold(name)}: its entry in the file is broken; its last good version is in force.")
    return lines + [f"{paint.bold(name)}: {clean(hint)}" for hint in server.hints]


def _last_words(server: ServerStatus) -> list[str]:
    """Return the most telling line of stderr, and the last ones."""
    return [line for line in dict.fromkeys((server.stderr_line, *server.stderr[-3:])) if line]


async def restart(context: Context, server: str) -> int:
    """Run `hubctl restart`; wait until the server has started or failed, or for `RESTART_TIMEOUT`.

    Raises:
        NoSuchServer: the hub does not have that server.
    """
    async with context.actual() as hub:
        known = by_key(await hub.request(ReadStatus()))
        before = known[check_server(known, server)]
        await hub.request(Restart(key=server), timeout=30)
        found = await _restarted(hub, server, before)
    if context.json:
        context.emit(found)
    else:
        state = f"; it is {found.state} now ({count(found.tools, 'tool')})" if found else ""
        context.say(f"Server {clean(server)} was restarted{state}.")
    return 0


async def _restarted(hub: BridgeClient, server: str, before: ServerStatus) -> ServerStatus | None:
    """Wait until the restarted server is in a state that lasts, and return it."""
    deadline = time.monotonic() + RESTART_TIMEOUT
    while True:
        found = by_key(await hub.request(ReadStatus())).get(server)
        if found is None or found.state == "stopped" or time.monotonic() > deadline:
            return found
        if found.state != "starting" and found.since > before.since:
            return found
        await asyncio.sleep(POLL_SECONDS)
