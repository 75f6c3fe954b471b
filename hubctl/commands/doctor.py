"""`hubctl doctor`: what is wrong, and what to do about it."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Literal

from bridge.errors import HubError
from bridge.models import (
    Desired,
    MaskedSnapshot,
    Model,
    ReadDesired,
    ReadStatus,
    ServerStatus,
    Status,
    StdioLaunch,
    WorkspaceStatus,
)
from bridge.settings import Settings, settings_file_names
from hubctl.commands.openness import too_open
from hubctl.context import Context
from hubctl.errors import HubNotRunning
from hubctl.render import Paint, clean, count, span
from hubctl.run import front, lock
from hubctl.run.access import check_certificate, check_token
from hubctl.run.in_force import settings_in_force
from hubctl.run.node import check_packages, find_node
from hubctl.run.ports import port_problems
from hubctl.run.run import check_yamcp_directory, check_yamcp_writable
from hubctl.run.supervisor import process_states
from hubctl.run.yamcp_ui import check_yamcp_ui

ANSWER = 3.0
"""Seconds that a process is given to answer."""
MANY, LATELY = 5, 60
"""A server that is ready does not stay up if it was restarted so often, the last time within so many seconds."""
_COLORS = {"error": "31", "warning": "33", "info": "2", "ok": "32"}
_FROM = {"npx": "Node", "node": "Node", "uvx": "uv", "uv": "uv", "docker": "Docker"}


class Finding(Model):
    """One thing that was looked at: what about, how it is, and what to do where it is not well."""

    level: Literal["ok", "info", "warning", "error"]
    subject: str
    message: str
    hint: str = ""
    code: str = ""


async def doctor(context: Context) -> int:
    """Look at everything; 1 when something is wrong, 0 otherwise (warnings are told, and are not wrong)."""
    found = await findings(context)
    if context.json:
        context.emit(found)
    else:
        context.say(*(line for finding in found for line in finding_lines(finding, context.paint)))
        wrong = sum(finding.level == "error" for finding in found)
        context.say("", conclusion(wrong, sum(finding.level == "warning" for finding in found), context.paint))
    return int(any(finding.level == "error" for finding in found))


def conclusion(wrong: int, warnings: int, paint: Paint) -> str:
    """The last line: how much is wrong, and how many warnings there are."""
    more = f"; {count(warnings, 'warning')}" if warnings else ""
    return f"{wrong} wrong{more}." if wrong else (paint.warn if warnings else paint.good)(f"Nothing is wrong{more}.")


def finding_lines(finding: Finding, paint: Paint) -> list[str]:
    """A finding on one line, and on a second one what to do."""
    level = paint(f"{finding.level:<8}", _COLORS[finding.level])
    lines = [f"{level} {clean(finding.subject)}: {clean(finding.message)}"]
    return [*lines, f"         {paint.dim('do:')} {clean(finding.hint)}"] if finding.hint else lines


async def findings(context: Context) -> list[Finding]:
    """Everything that was looked at, from the outside in."""
    found = [*unknown_variables([*os.environ, *settings_file_names()]), *openness(context.settings)]
    if not running(context):
        return [*found, *not_running(context.settings), *directory(context.settings)]
    settings = settings_in_force(context.settings)
    status, desired, pages, ui = await asyncio.gather(
        _status(context), _desired(context), _front(settings), _yamcp_ui(settings)
    )
    states = await asyncio.to_thread(process_states, settings.runtime)
    found += [_process("sidecar", status, states), _process("adapter", desired, states)]
    found += acceptor(settings, states)
    found += [_process("front", pages, states)] + ([_process("yamcp-ui", ui, states)] if settings.yamcp_ui_dir else [])
    found += directory(settings)
    if isinstance(desired, Desired):
        found += [*configuration(desired), *programs(desired.snapshot, os.environ.get("PATH", os.defpath))]
    if isinstance(status, Status):
        found += [*servers(status, time.time()), *workspaces(status)]
    return found


def running(context: Context) -> bool:
    """Whether there is a hub to ask: one is supervised here, or its sockets are served some other way."""
    runtime = context.settings.runtime
    return lock.held(runtime) or any(map(lock.listens, (runtime / "actual.sock", runtime / "desired.sock")))


def unknown_variables(environment: Iterable[str]) -> list[Finding]:
    """Variables, or lines of the settings file, that look like settings and are none."""
    known = {f"HUB_{name.upper()}" for name in Settings.model_fields} | {"HUB_SETTINGS_FILE"}
    return [
        Finding(
            level="warning",
            subject=name,
            message="is no setting, and changes nothing.",
            hint="docs/configuration.md lists the settings.",
        )
        for name in sorted(set(environment) - known)
        if name.startswith("HUB_")
    ]


def openness(settings: Settings) -> list[Finding]:
    """The files and directories that others may read or change, each with the command that mends it."""
    return [_error(str(path), error).model_copy(update={"level": level}) for level, path, error in too_open(settings)]


def not_running(settings: Settings) -> list[Finding]:
    """That no hub runs, and whether one could be started."""
    missing = HubNotRunning(f"No hub runs with {settings.runtime}.")
    return [_error("hub", missing), *(_error("start", error) for error in obstacles(settings))]


def obstacles(settings: Settings) -> Iterator[HubError]:
    """Everything that would keep the hub from starting."""
    checks: tuple[Callable[[], object], ...] = (
        find_node,
        check_packages,
        partial(check_yamcp_directory, settings),
        partial(check_yamcp_ui, settings),
        partial(check_token, settings),
        partial(check_certificate, settings),
    )
    for check in checks:
        try:
            check()
        except HubError as error:
            yield error
    yield from port_problems(settings)


def directory(settings: Settings) -> list[Finding]:
    """That YAMCP's files cannot be changed, where that is so."""
    try:
        check_yamcp_writable(settings)
    except HubError as error:
        return [_error("YAMCP's directory", error)]
    return []


def _error(subject: str, error: HubError) -> Finding:
    body = error.body()
    return Finding(level="error", subject=subject, message=body.message, hint=body.hint, code=body.code)


async def _status(context: Context) -> Status | HubError:
    async with context.actual() as hub:
        try:
            return await hub.request(ReadStatus(), timeout=ANSWER)
        except HubError as error:
            return error


async def _desired(context: Context) -> Desired | HubError:
    async with context.desired() as adapter:
        try:
            return await adapter.request(ReadDesired(), timeout=ANSWER)
        except HubError as error:
            return error


async def _front(settings: Settings) -> HubError | None:
    """That the front answers; what it finds failing, the other looks tell in more detail."""
    try:
        await front.health(settings, ANSWER)
    except HubError as error:
        return error
    return None


async def _yamcp_ui(settings: Settings) -> HubError | None:
    try:
        if settings.yamcp_ui_dir:
            await front.check_yamcp_ui_answers(settings, ANSWER)
    except HubError as error:
        return error
    return None


def _process(name: str, answer: object, states: dict[str, str]) -> Finding:
    if not isinstance(answer, HubError):
        return Finding(level="ok", subject=name, message="answers.")
    state = f" supervisord says: {states[name]}." if name in states else ""
    hint = (
        f"One that ended is started again by itself; if it stays away, {name}.log in the logs directory says why. "
        "One that runs and does not answer needs a restart of the hub."
    )
    return Finding(level="error", subject=name, message=f"{answer.message}{state}", hint=hint, code=answer.body().code)


def acceptor(settings: Settings, states: dict[str, str]) -> list[Finding]:
    """Whether the process runs that accepts connections at the public port; nothing where none is to, or none tells."""
    state = states.get("acceptor", "")
    if settings.tls_cert or not state:
        return []
    if state.startswith("RUNNING"):
        return [Finding(level="ok", subject="acceptor", message="runs.")]
    hint = "It is started again by itself; if it stays away, acceptor.log in the logs directory says why."
    message = f"It does not run, so that connections wait at the public port. supervisord says: {state}."
    return [Finding(level="error", subject="acceptor", message=message, hint=hint)]


def configuration(desired: Desired) -> list[Finding]:
    """What the adapter could not use of the files."""
    found = [
        Finding(
            level=issue.severity,
            subject=issue.file or issue.subject,
            message=issue.message,
            hint=issue.hint,
            code=issue.code,
        )
        for issue in desired.issues
    ]
    if error := desired.sidecar_error:
        found.append(
            Finding(level="error", subject="snapshot", message=error.message, hint=error.hint, code=error.code)
        )
    return found or [Finding(level="ok", subject="configuration", message="every entry can be used.")]


def programs(snapshot: MaskedSnapshot, path: str) -> list[Finding]:
    """The programs that servers are started with and that are not there, each with the servers that need it."""
    needed: dict[str, list[str]] = {}
    for server in snapshot.servers:
        if isinstance(server.launch, StdioLaunch) and "$" not in server.launch.command:
            needed.setdefault(server.launch.command, []).append(server.key)
    return [
        Finding(
            level="warning",
            subject=command,
            message=f"{_missing(command)}; needed by {', '.join(keys)}.",
            hint=f"Install {_FROM.get(command, 'it')}, or give its full path in `command`.",
        )
        for command, keys in sorted(needed.items())
        if shutil.which(command, path=path) is None
    ]


def _missing(command: str) -> str:
    return "is not there, or may not be executed" if "/" in command else "is not on this shell's PATH"


def servers(status: Status, now: float) -> list[Finding]:
    """The servers that do not serve, or not all that they should, with the reason and their last words."""
    found = [_server(server, now) for server in status.servers if down(server)]
    found += [_unsteady(server, now) for server in status.servers if unsteady(server, now)]
    starting = [server.key for server in status.servers if server.state == "starting" and not down(server)]
    if starting:
        found.append(Finding(level="warning", subject="servers", message=f"still starting: {', '.join(starting)}."))
    for server in status.servers:
        found += _troubles(server)
        found += [Finding(level="warning", subject=f"server {server.key}", message=hint) for hint in server.hints]
    return found or [Finding(level="ok", subject="servers", message="all that should run are ready.")]


def _server(server: ServerStatus, now: float) -> Finding:
    tries = f" after {count(server.attempts, 'start')} that failed" if server.attempts > 1 else ""
    message = f"{server.state} for {span(now - server.since)}{tries}"
    if server.reason:
        message += f": {server.reason.message}"
    if server.stderr_line:
        message += f" On stderr: {server.stderr_line}"
    hint, code = (server.reason.hint, server.reason.code) if server.reason else ("", "")
    return Finding(level="error", subject=f"server {server.key}", message=message, hint=hint, code=code)


def down(server: ServerStatus) -> bool:
    """Whether a server does not run: also while it is tried once more."""
    return server.state in ("failed", "backoff") or (server.state == "starting" and server.attempts > 0)


def unsteady(server: ServerStatus, now: float) -> bool:
    """Whether a server that serves now was connected anew again and again, the last time just now."""
    return server.state in ("ready", "degraded") and server.restarts >= MANY and now - server.since < LATELY


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
    """What is wrong with a server that serves."""
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


def workspaces(status: Status) -> list[Finding]:
    """The workspaces that offer nothing, or less than they should."""
    if not status.workspaces:
        hint = "Make one: `hubctl workspaces add NAME SERVER ...`, the console or YAMCP-UI."
        return [Finding(level="warning", subject="workspaces", message="there is none.", hint=hint)]
    found = [_workspace(workspace) for workspace in status.workspaces if workspace.state not in ("ready", "off")]
    return found or [Finding(level="ok", subject="workspaces", message="each that is on is ready.")]


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
