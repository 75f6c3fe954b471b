"""`hubctl watch`: print the state of the hub, then one line for each change that matters to a user."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

from bridge.client import BridgeClient
from bridge.errors import HubError
from bridge.models import Desired, Issue, ReadDesired, ReadStatus, Status
from hubctl.commands.changes import changes, first_lines, issue_line, remembered
from hubctl.context import Context
from hubctl.errors import FrontAway
from hubctl.render import error_line
from hubctl.run import front
from hubctl.run.container import below_the_address, port_is_the_containers
from hubctl.run.problem_logs import follow
from hubctl.run.supervisor import seconds_since_start

SETTLE_SECONDS = 10
"""Seconds that the first lines, and those after a restart of the sidecar, wait for servers that are starting."""
SLOW_START_SECONDS = 60
"""Seconds that a running sidecar may need until it answers; usually about one."""
ANSWER_TIMEOUT = 2.0
"""Seconds that a process has to answer."""
FRONT_POLL_SECONDS = 0.1
"""Seconds between two checks whether the front is up."""
QUIET_SECONDS = 30
"""Seconds without an event after which the status is requested anyway; less until the first lines are printed."""


async def watch(context: Context, settle: float = SETTLE_SECONDS) -> int:
    """Watch the hub until cancelled, across restarts of the sidecar."""
    watcher = Watcher(context, settle)
    async with (
        _troubles(context),
        context.actual() as hub,
        aclosing(_statuses(context, hub, watcher.pause)) as statuses,
    ):
        async for status in statuses:
            if status is None:
                await watcher.on_no_answer()
            else:
                await watcher.on_status(status)
    return 0


@asynccontextmanager
async def _troubles(context: Context) -> AsyncGenerator[None]:
    """Print warnings and errors from the processes' logs at the same time, if that was asked for."""
    if not context.settings.log_stdout or context.json:
        yield
        return
    task = asyncio.create_task(follow(context.settings.data_dir / "logs", context.say))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _statuses(context: Context, hub: BridgeClient, pause: Callable[[], float]) -> AsyncGenerator[Status | None]:
    """Yield the status now, after each event, and after a while without one; None if there is no answer."""
    async with context.events("applied", "server", "workspace") as events:
        stream = aiter(events)
        waiting = asyncio.ensure_future(anext(stream))
        try:
            while True:
                yield await _status(hub)
                if (await asyncio.wait([waiting], timeout=pause()))[0]:
                    waiting = asyncio.ensure_future(anext(stream))
        finally:
            waiting.cancel()


async def _status(hub: BridgeClient) -> Status | None:
    try:
        return await hub.request(ReadStatus(), timeout=ANSWER_TIMEOUT)
    except HubError:
        return None


def program_name() -> str:
    """Return how this user calls hubctl: by name if it is on PATH, else by the path in this environment."""
    if shutil.which("hubctl"):
        return "hubctl"
    program = Path(sys.executable).with_name("hubctl")
    with contextlib.suppress(ValueError):
        return str(program.relative_to(Path.cwd()))
    return str(program)


class Watcher:
    """Remembers what was printed, and prints what is new."""

    def __init__(self, context: Context, settle: float) -> None:
        self._context = context
        self._settle = settle
        self._since = time.monotonic()
        self._session = ""
        self._told: Status | None = None
        self._issues: frozenset[Issue] = frozenset()
        self._silent = False
        self._slow = False

    def pause(self) -> float:
        """How long to wait for an event, in seconds."""
        return QUIET_SECONDS if self._told and self._told.session == self._session and not self._silent else 1

    async def on_no_answer(self) -> None:
        """Handle a sidecar that does not answer: report it once, after the time that its start may take.

        A process that runs for less than `SLOW_START_SECONDS` is still starting; a busy machine needs that long.
        """
        if time.monotonic() - self._since < self._settle or self._silent:
            return
        up = await asyncio.to_thread(seconds_since_start, self._context.settings.runtime, "sidecar")
        if up is not None and up < SLOW_START_SECONDS:
            if not self._slow:
                self._slow = True
                self._say(self._context.paint.dim("the sidecar is still starting; this machine takes its time"))
            return
        self._silent = True
        log = self._context.settings.data_dir / "logs" / "sidecar.log"
        self._say(self._context.paint.bad(f"the sidecar does not answer; see {log}, and: hubctl doctor"))

    async def on_status(self, status: Status) -> None:
        """Handle an answer of the sidecar: print what is new; after a start, once its servers have settled."""
        self._silent = self._slow = False
        if status.session != self._session:
            self._session, self._since = status.session, time.monotonic()
        if self._told is None or self._told.session != status.session:
            patience = time.monotonic() - self._since < self._settle
            if patience and not (status.settled and status.accepted):
                return
        await self._tell(status)

    async def _tell(self, status: Status) -> None:
        if self._context.json:
            self._context.emit(status)
        before = self._told
        self._told = remembered(before, status) if before else status
        if before is None:
            desired = await self._desired()
            self._issues = frozenset(desired.issues) if desired else frozenset()
            if not self._context.json:
                pages = await self._pages()
                shown = below_the_address(self._context.settings, status)
                self._context.say(*first_lines(shown, desired, pages, self._context.paint, program_name()))
            return
        self._say(*changes(before, below_the_address(self._context.settings, status), self._context.paint))
        if status.accepted != before.accepted and (desired := await self._desired()):
            known, self._issues = self._issues, frozenset(desired.issues)
            self._say(*(issue_line(issue, self._context.paint) for issue in desired.issues if issue not in known))

    async def _pages(self) -> str:
        """Return the address of the pages; or, once a start has had its time, the error that the front is away."""
        settings, paint = self._context.settings, self._context.paint
        deadline = self._since + self._settle
        while True:
            try:
                await front.health(settings, ANSWER_TIMEOUT)
            except FrontAway as error:
                if time.monotonic() < deadline:
                    await asyncio.sleep(FRONT_POLL_SECONDS)
                    continue
                return paint.bad(error_line(error.body()))
            if port_is_the_containers(settings):
                return (
                    f"Open the address at which port {settings.port} of the container is published; paths are below it."
                )
            return f"Open {paint.bold(f'{settings.base_url}/')}"

    async def _desired(self) -> Desired | None:
        """Return the adapter's configuration and issues; None if the adapter does not answer."""
        async with self._context.desired() as adapter:
            try:
                return await adapter.request(ReadDesired(), timeout=ANSWER_TIMEOUT)
            except HubError:
                return None

    def _say(self, *lines: str) -> None:
        if self._context.json:  # the status says it all
            return
        moment = self._context.paint.dim(time.strftime("%H:%M:%S"))
        self._context.say(*(f"{moment} {line}" for line in lines))
