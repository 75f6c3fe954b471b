"""What `hubctl doctor` finds about servers and workspaces, from the sidecar's status."""

from __future__ import annotations

from typing import Literal

from bridge.models import Model, ServerStatus, Status, WorkspaceStatus
from hubctl.render import count, span

MANY_RESTARTS, RECENT_SECONDS = 5, 60
"""A ready server is unsteady after this many restarts, if the last was within this many seconds."""


class Finding(Model):
    """The result of one check: its subject, its level, and how to fix the problem, if it is one."""

    level: Literal["ok", "info", "warning", "error"]
    subject: str
    message: str
    hint: str = ""
    code: str = ""


def servers(status: Status, now: float) -> list[Finding]:
    """Report servers that are not ready, or are degraded, with the reason and their last lines of stderr."""
    found = [_server(server, now) for server in status.servers if is_down(server)]
    found += [_unsteady(server, now) for server in status.servers if is_unsteady(server, now)]
    found += [_waiting(server) for server in status.servers if server.state == "sign_in_required"]
    starting = [server.key for server in status.servers if server.state == "starting" and not is_down(server)]
    if starting:
        found.append(Finding(level="warning", subject="servers", message=f"still starting: {', '.join(starting)}."))
    for server in status.servers:
        found += _troubles(server)
        found += [Finding(level="warning", subject=f"server {server.key}", message=hint) for hint in server.hints]
    return found or [Finding(level="ok", subject="servers", message="all that should run are ready.")]


def troubles(status: Status) -> list[Finding]:
    """Report what is amiss with the hub itself, such as a Redis that does not answer."""
    return [
        Finding(level="warning", subject="hub", message=each.message, hint=each.hint, code=each.code)
        for each in status.troubles
    ]


def _server(server: ServerStatus, now: float) -> Finding:
    tries = f" after {count(server.attempts, 'start')} that failed" if server.attempts > 1 else ""
    message = f"{server.state} for {span(now - server.since)}{tries}"
    if server.reason:
        message += f": {server.reason.message}"
    if server.breaker == "open":
        message += " Requests for it fail at once."
    if server.stderr_line:
        message += f" On stderr: {server.stderr_line}"
    hint, code = (server.reason.hint, server.reason.code) if server.reason else ("", "")
    return Finding(level="error", subject=f"server {server.key}", message=message, hint=hint, code=code)


def _waiting(server: ServerStatus) -> Finding:
    """Report a server that waits for a sign-in, with the link."""
    reason = server.reason
    url = str(reason.data.get("url", "")) if reason else ""
    message = f"{reason.message} {url}".strip() if reason else "Somebody has to sign in at it."
    hint = "Open the link in a browser; where each user signs in (`sign_in`: user), this is about the hub's own token."
    code = reason.code if reason else ""
    return Finding(level="info", subject=f"server {server.key}", message=message, hint=hint, code=code)


def is_down(server: ServerStatus) -> bool:
    """Return whether a server is not running, which includes one that waits for its next attempt."""
    return server.state in ("failed", "backoff") or (server.state == "starting" and server.attempts > 0)


def is_unsteady(server: ServerStatus, now: float) -> bool:
    """Return whether a ready server was restarted many times, and recently."""
    return (
        server.state in ("ready", "degraded")
        and server.restarts >= MANY_RESTARTS
        and now - server.since < RECENT_SECONDS
    )


def _unsteady(server: ServerStatus, now: float) -> Finding:
    last = f" Last on stderr: {' | '.join(server.stderr[-3:])}" if server.stderr else ""
    message = f"{server.state}, but it ends again and again: restarted {server.restarts} times, the last time "
    hint = f"Look why it ends: hubctl logs --server {server.key}"
    return Finding(
        level="error",
        subject=f"server {server.key}",
        message=f"{message}{span(now - server.since)} ago.{last}",
        hint=hint,
    )


def _troubles(server: ServerStatus) -> list[Finding]:
    """Report what is wrong with a server that is ready."""
    return [
        Finding(
            level="warning",
            subject=f"server {server.key}",
            message=f"{server.state}: {trouble.message}",
            hint=trouble.hint,
            code=trouble.code,
        )
        for trouble in server.troubles
    ]


def enforcement(status: Status) -> list[Finding]:
    """Report what enforces the limits of stdio servers; nothing while none of them has limits."""
    if not status.enforcement:
        return []
    message = f"those of stdio servers are enforced by {status.enforcement}."
    return [Finding(level="ok", subject="limits", message=message)]


def hub_tools(status: Status) -> list[Finding]:
    """Report the hub's own tools that cannot work; tools with the same problem in one finding."""
    names: dict[tuple[str, str], list[str]] = {}
    for tool in status.hub_tools:
        if tool.problem:
            names.setdefault((tool.problem, tool.what_to_do or ""), []).append(tool.name)
    return [
        Finding(level="warning", subject=f"tools {', '.join(named)}", message=problem, hint=hint)
        for (problem, hint), named in names.items()
    ]


def workspaces(status: Status) -> list[Finding]:
    """Report workspaces that offer nothing, or less than they should."""
    if status.applied is None:
        return []
    if not status.workspaces:
        hint = "Make one: `hubctl workspaces add NAME SERVER ...`, the console or YAMCP-UI."
        return [Finding(level="warning", subject="workspaces", message="there is none.", hint=hint)]
    found = [_workspace(workspace) for workspace in status.workspaces if workspace.state not in ("ready", "off")]
    found += [_pending(workspace) for workspace in status.workspaces if workspace.pending]
    return found or [Finding(level="ok", subject="workspaces", message="each that is on is ready.")]


def _pending(workspace: WorkspaceStatus) -> Finding:
    hint = "`hubctl curation list` shows them; switch them on or off, or `accept` all."
    message = f"{count(workspace.pending, 'new item')} not shown before you decide."
    return Finding(level="info", subject=f"workspace {workspace.name}", message=message, hint=hint)


_UNWELL: dict[str, tuple[Literal["warning", "error"], str]] = {
    "failed": ("error", "none of its servers is ready."),
    "degraded": ("warning", "not all of its servers are ready."),
    "starting": ("warning", "its servers are starting."),
    "empty": ("warning", "it has no server that is on."),
}


def _workspace(workspace: WorkspaceStatus) -> Finding:
    level, message = _UNWELL[workspace.state]
    reason, subject = workspace.reason, f"workspace {workspace.name}"
    if workspace.state == "empty":
        hint, code = (reason.hint, reason.code) if reason else ("", "")
        return Finding(level=level, subject=subject, message=f"empty: {message}", hint=hint, code=code)
    hint = "The servers' own lines here say why." if reason else ""
    return Finding(level=level, subject=subject, message=f"{workspace.state}: {message}", hint=hint)
