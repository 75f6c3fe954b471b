"""`hubctl doctor`: check the hub and its surroundings, and say how to fix what is wrong."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Literal

from bridge.errors import HubError
from bridge.models import (
    Desired,
    MaskedSnapshot,
    ReadDesired,
    ReadRecordsStatus,
    ReadStatus,
    RecordsStatus,
    Status,
    StdioLaunch,
)
from bridge.settings import Settings, settings_file_names
from hubctl.commands.doctor.secret_findings import secrets
from hubctl.commands.doctor.server_findings import Finding, enforcement, hub_tools, servers, troubles, workspaces
from hubctl.commands.doctor.trust_findings import trust_files
from hubctl.commands.permissions import open_paths
from hubctl.context import Context
from hubctl.errors import HubNotRunning, HubStarting
from hubctl.render import Paint, clean, count
from hubctl.run import front, lock
from hubctl.run.access import check_certificate, check_token
from hubctl.run.in_force import settings_in_force
from hubctl.run.node import check_packages, find_node
from hubctl.run.ports import port_problems
from hubctl.run.run import check_yamcp_directory, check_yamcp_writable
from hubctl.run.supervisor import process_states
from hubctl.run.yamcp_ui import check_yamcp_ui

ANSWER_TIMEOUT = 3.0
"""Seconds that a process has to answer."""
STARTED_LATELY = re.compile(r"^STARTING|uptime 0:0[0-4]:")
"""What supervisord says of a process that was started less than five minutes ago."""
FRONT_TIMEOUT = 5.0
"""Seconds that the front has: it asks the others, and gives each of them 2 s."""
_COLORS = {"error": "31", "warning": "33", "info": "2", "ok": "32"}
_FROM = {"npx": "Node", "node": "Node", "uvx": "uv", "uv": "uv", "docker": "Docker"}


async def doctor(context: Context) -> int:
    """Run all checks and print their findings; return 1 if any is an error, else 0 (warnings are no errors)."""
    found = await findings(context)
    if context.json:
        context.emit(found)
    else:
        context.say(*(line for finding in found for line in finding_lines(finding, context.paint)))
        wrong = sum(finding.level == "error" for finding in found)
        context.say("", conclusion(wrong, sum(finding.level == "warning" for finding in found), context.paint))
    return int(any(finding.level == "error" for finding in found))


def conclusion(wrong: int, warnings: int, paint: Paint) -> str:
    """Return the last line: the number of errors and of warnings."""
    more = f"; {count(warnings, 'warning')}" if warnings else ""
    return f"{wrong} wrong{more}." if wrong else (paint.warn if warnings else paint.good)(f"Nothing is wrong{more}.")


def finding_lines(finding: Finding, paint: Paint) -> list[str]:
    """Format a finding on one line, and its hint on a second one."""
    level = paint(f"{finding.level:<8}", _COLORS[finding.level])
    lines = [f"{level} {clean(finding.subject)}: {clean(finding.message)}"]
    return [*lines, f"         {paint.dim('do:')} {clean(finding.hint)}"] if finding.hint else lines


async def findings(context: Context) -> list[Finding]:
    """Run all checks: environment, processes, directories, configuration, servers, workspaces."""
    found = [*unknown_variables([*os.environ, *settings_file_names()]), *open_permissions(context.settings)]
    if not running(context):
        return [*found, *not_running(context.settings), *directory(context.settings)]
    settings = settings_in_force(context.settings)
    status, desired, pages, ui, records = await asyncio.gather(
        _status(context), _desired(context), _front(settings), _yamcp_ui(settings), _records(context, settings)
    )
    states = await asyncio.to_thread(process_states, settings.runtime)
    found += [_process("sidecar", status, states), _process("adapter", desired, states)]
    found += acceptor(settings, states)
    found += [_process("front", pages, states)] + ([_process("yamcp-ui", ui, states)] if settings.yamcp_ui_dir else [])
    found += history(records, states)
    found += [*directory(settings), *trust_files(settings)]
    if isinstance(desired, Desired):
        found += [*configuration(desired), *programs(desired.snapshot, os.environ.get("PATH", os.defpath))]
        found += secrets(desired, settings)
    if isinstance(status, Status):
        found += [*unconfigured(status), *troubles(status)]
        found += [*servers(status, time.time()), *enforcement(status), *hub_tools(status), *workspaces(status)]
    return found


def running(context: Context) -> bool:
    """Return whether a hub answers here: supervisord holds the lock, or somebody else serves its sockets."""
    runtime = context.settings.runtime
    return lock.is_held(runtime) or any(map(lock.is_listening, (runtime / "actual.sock", runtime / "desired.sock")))


def unknown_variables(environment: Iterable[str]) -> list[Finding]:
    """Report variables, and lines of the settings file, that look like settings but are unknown."""
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


def open_permissions(settings: Settings) -> list[Finding]:
    """Report files and directories that other users may read or change, each with the command that fixes it."""
    return [_error(str(path), error).model_copy(update={"level": level}) for level, path, error in open_paths(settings)]


def not_running(settings: Settings) -> list[Finding]:
    """Report that no hub runs, and what would keep one from starting."""
    missing = HubNotRunning(f"No hub runs with {settings.runtime}.")
    return [_error("hub", missing), *(_error("start", error) for error in obstacles(settings))]


def obstacles(settings: Settings) -> Iterator[HubError]:
    """Return every error that would keep the hub from starting."""
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
    """Report it if YAMCP's files are not writable."""
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
            return await hub.request(ReadStatus(), timeout=ANSWER_TIMEOUT)
        except HubError as error:
            return error


async def _desired(context: Context) -> Desired | HubError:
    async with context.desired() as adapter:
        try:
            return await adapter.request(ReadDesired(), timeout=ANSWER_TIMEOUT)
        except HubError as error:
            return error


async def _records(context: Context, settings: Settings) -> RecordsStatus | HubError | None:
    if not settings.history:
        return None
    async with context.records() as recorder:
        try:
            return await recorder.request(ReadRecordsStatus(), timeout=ANSWER_TIMEOUT)
        except HubError as error:
            return error


async def _front(settings: Settings) -> HubError | None:
    """Ask the front for its health. Other checks report in more detail what the front finds to be wrong."""
    try:
        await front.health(settings, FRONT_TIMEOUT)
    except HubError as error:
        return error
    return None


async def _yamcp_ui(settings: Settings) -> HubError | None:
    try:
        if settings.yamcp_ui_dir:
            await front.check_yamcp_ui_answers(settings, ANSWER_TIMEOUT)
    except HubError as error:
        return error
    return None


def _process(name: str, answer: object, states: dict[str, str]) -> Finding:
    if not isinstance(answer, HubError):
        return Finding(level="ok", subject=name, message="answers.")
    state = f" supervisord says: {states[name]}." if name in states else ""
    hint = (
        f"One that ended is started again by itself, and one that hangs after HUB_WATCHDOG seconds; if it stays away, "
        f"{name}.log in the logs directory says why."
    )
    return Finding(level="error", subject=name, message=f"{answer.message}{state}", hint=hint, code=answer.body().code)


def acceptor(settings: Settings, states: dict[str, str]) -> list[Finding]:
    """Report whether the acceptor runs; nothing where the hub needs none, or where its state is unknown."""
    state = states.get("acceptor", "")
    if settings.tls_cert or not state:
        return []
    if state.startswith("RUNNING"):
        return [Finding(level="ok", subject="acceptor", message="runs.")]
    hint = "It is started again by itself; if it stays away, acceptor.log in the logs directory says why."
    message = f"It does not run, so that connections wait at the public port. supervisord says: {state}."
    return [Finding(level="error", subject="acceptor", message=message, hint=hint)]


def history(answer: RecordsStatus | HubError | None, states: dict[str, str]) -> list[Finding]:
    """Report whether the history is kept; `answer` is the recorder's, None where HUB_HISTORY is off."""
    if answer is None:
        return [Finding(level="info", subject="history", message="is switched off (HUB_HISTORY).")]
    if isinstance(answer, HubError) and STARTED_LATELY.search(states.get("recorder", "")):
        message = "is starting, at low priority; records wait on disk meanwhile."
        return [Finding(level="info", subject="recorder", message=message)]
    found = [_process("recorder", answer, states)]
    if not isinstance(answer, RecordsStatus):
        return found
    if answer.state != "ok" or answer.reason:
        level: Literal["warning", "error"] = "error" if answer.state in ("unavailable", "full") else "warning"
        hint = "Calls are not concerned; their records wait on disk. `hubctl history` shows more."
        found.append(Finding(level=level, subject="history", message=answer.reason, hint=hint, code=answer.code))
    if answer.lost:
        message = f"{count(answer.lost, 'record')} could not be kept since the database was made."
        found.append(Finding(level="info", subject="history", message=message))
    return found


def unconfigured(status: Status) -> list[Finding]:
    """Report that the sidecar has no configuration, neither from the adapter nor its own copy."""
    if status.applied is not None:
        return []
    return [_error("sidecar", HubStarting("It has no configuration yet, so that every endpoint answers 503."))]


def configuration(desired: Desired) -> list[Finding]:
    """Report the issues that the adapter found in the configuration files."""
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
    """Report programs of servers that are not on PATH, each with the servers that need it."""
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
