"""`hubctl watch`: what there is, then one line for each change that a person wants to know of."""

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
from hubctl.run.supervisor import seconds_since_start
from hubctl.run.troubles import follow

SETTLE = 10
"""Seconds that the first lines, and those after a restart of the sidecar, wait for servers that still start."""
SLOW_START = 60
"""Seconds that a sidecar that runs may take until it answers; it takes about one."""
ANSWER = 2.0
"""Seconds that a process is given to answer."""
FRONT_POLL = 0.1
"""Seconds between two looks at whether the front is up."""
QUIET = 30
"""Seconds after which status is asked for even if no event came; sooner until the first lines are told."""


async def watch(context: Context, settle: float = SETTLE) -> int:
    """Tell of the hub until cancelled; a sidecar that restarts is met again."""
    watcher = Watcher(context, settle)
    async with (
        _troubles(context),
        context.actual() as hub,
        aclosing(_statuses(context, hub, watcher.pause)) as statuses,
    ):
        async for status in statuses:
            if status is None:
                await watcher.silence()
            else:
                await watcher.see(status)
    return 0


@asynccontextmanager
async def _troubles(context: Context) -> AsyncGenerator[None]:
    """Meanwhile, tell what the processes log from warnings up, where that is wanted."""
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
    """The status now, and again after each event or a while without one; none where there is no answer."""
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
        return await hub.request(ReadStatus(), timeout=ANSWER)
    except HubError:
        return None


def called() -> str:
    """How a person at this terminal calls hubctl: by name where PATH has it, else by the path to this environment's."""
    if shutil.which("hubctl"):
        return "hubctl"
    program = Path(sys.executable).with_name("hubctl")
    with contextlib.suppress(ValueError):
        return str(program.relative_to(Path.cwd()))
    return str(program)


class Watcher:
    """What was told already, and so what is new."""

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
        return QUIET if self._told and self._told.session == self._session and not self._silent else 1

    async def silence(self) -> None:
        """The sidecar does not answer: told once, when it has had its time to start.

        A process that has been running for less than `SLOW_START` is starting, as slowly as the machine has it.
        """
        if time.monotonic() - self._since < self._settle or self._silent:
            return
        up = await asyncio.to_thread(seconds_since_start, self._context.settings.runtime, "sidecar")
        if up is not None and up < SLOW_START:
            if not self._slow:
                self._slow = True
                self._say(self._context.paint.dim("the sidecar is still starting; this machine takes its time"))
            return
        self._silent = True
        log = self._context.settings.data_dir / "logs" / "sidecar.log"
        self._say(self._context.paint.bad(f"the sidecar does not answer; see {log}, and: hubctl doctor"))

    async def see(self, status: Status) -> None:
        """The sidecar answered: tell what is new, once a run of it that is new has settled."""
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
                self._context.say(*first_lines(shown, desired, pages, self._context.paint, called()))
            return
        self._say(*changes(before, below_the_address(self._context.settings, status), self._context.paint))
        if status.accepted != before.accepted and (desired := await self._desired()):
            known, self._issues = self._issues, frozenset(desired.issues)
            self._say(*(issue_line(issue, self._context.paint) for issue in desired.issues if issue not in known))

    async def _pages(self) -> str:
        """Where to look at the hub; or that its front is not there, which a start takes some tenths of a second for."""
        settings, paint = self._context.settings, self._context.paint
        deadline = self._since + self._settle
        while True:
            try:
                await front.health(settings, ANSWER)
            except FrontAway as error:
                if time.monotonic() < deadline:
                    await asyncio.sleep(FRONT_POLL)
                    continue
                return paint.bad(error_line(error.body()))
            if port_is_the_containers(settings):
                return (
                    f"Open the address at which port {settings.port} of the container is published; paths are below it."
                )
            return f"Open {paint.bold(f'{settings.base_url}/')}"

    async def _desired(self) -> Desired | None:
        """What the adapter wants and could not use; none when it does not answer."""
        async with self._context.desired() as adapter:
            try:
                return await adapter.request(ReadDesired(), timeout=ANSWER)
            except HubError:
                return None

    def _say(self, *lines: str) -> None:
        if self._context.json:  # the status says it all
            return
        moment = self._context.paint.dim(time.strftime("%H:%M:%S"))
        self._context.say(*(f"{moment} {line}" for line in lines))
