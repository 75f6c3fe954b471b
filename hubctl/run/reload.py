"""`hubctl reload`: a new sidecar takes over from the one that serves, without a failed call (ADR 35)."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from xmlrpc.client import Error

from pydantic import ValidationError

from bridge.errors import ErrorBody
from bridge.models import Model, Ping
from hubctl.context import Context
from hubctl.errors import HubNotRunning, ReloadFailed, ReloadUnderWay
from hubctl.run.in_force import settings_in_force
from hubctl.run.supervisor import ALIVE, SIDECARS, Program, programs, start, stop

LOCK_FILE = "reload.lock"
REPORT = "reload.json"
"""In the runtime directory; the new sidecar writes it (sidecar/succession/successor.py)."""
SUCCESSION_SOCKET = "succession.sock"
"""In the runtime directory, as long as a sidecar serves that another one can replace (sidecar/succession/wire.py)."""
POLL_SECONDS = 0.05
ANSWER_TIMEOUT = 5.0
"""Seconds within which the sidecar must say which process it is."""
TAKE_OVER_TIMEOUT = 120.0
"""Seconds for the new sidecar to take over; it gives up by itself before that."""
TAKE_BACK_POLLS = 20
"""How often it is looked whether the old sidecar has been replaced after all, when the new one has been stopped."""
END_SECONDS = 20.0
"""Seconds that the old sidecar has to end, beside HUB_DRAIN_TIMEOUT for its calls."""


class Report(Model):
    """What a sidecar that takes over writes into the runtime directory."""

    pid: int
    outcome: Literal["serving", "failed"]
    error: ErrorBody | None = None


class Reloaded(Model):
    """The outcome, for scripts. `seconds`: until the new one served, and until the old one had ended."""

    before: int
    """The process id of the old sidecar."""
    pid: int
    serving_seconds: float
    ended_seconds: float | None
    """None: it still finishes calls."""


async def reload(context: Context) -> int:
    """Run `hubctl reload`.

    Raises:
        HubNotRunning: supervisord does not answer, or does not run this sidecar.
        PeerUnavailable: the sidecar does not answer, so that nobody could take over from it.
        ReloadUnderWay: another reload is in progress.
        ReloadFailed: the new sidecar did not take over.
    """
    settings = settings_in_force(context.settings)
    with exclusive(settings.runtime):
        async with context.actual() as hub:
            before = (await hub.request(Ping(), timeout=ANSWER_TIMEOUT)).pid
        change = Change(settings.runtime, before)
        began = time.monotonic()
        pid = await change.make()
        serving = time.monotonic() - began
        if not context.json:
            context.say(f"The new sidecar (pid {pid}) serves in place of the old one (pid {before}): {serving:.1f} s.")
        ended = await change.old_has_ended(settings.drain_timeout + END_SECONDS)
        seconds = time.monotonic() - began if ended else None
        if context.json:
            context.emit(Reloaded(before=before, pid=pid, serving_seconds=serving, ended_seconds=seconds))
        elif ended:
            context.say(f"The old one has ended after {seconds:.1f} s. No call was interrupted by this.")
        else:
            context.say("The old one has not ended yet: calls are still in progress there.")
    return 0


@contextlib.contextmanager
def exclusive(runtime: Path) -> Iterator[None]:
    """Hold the lock of reloads. Raises ReloadUnderWay."""
    descriptor = os.open(runtime / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise ReloadUnderWay("Another `hubctl reload` is at work.") from None
    try:
        yield
    finally:
        os.close(descriptor)


class Change:
    """One change from a sidecar to the next."""

    def __init__(self, runtime: Path, before: int) -> None:
        self._runtime = runtime
        self._before = before
        self._old = self._new = ""
        self._serves = False
        self._report = runtime / REPORT

    async def make(self) -> int:
        """Have the other program take over; returns its process id.

        Raises:
            HubNotRunning: supervisord does not run the old sidecar.
            ReloadUnderWay: the other program runs.
            ReloadFailed: it did not take over, and is stopped.
        """
        found = await asyncio.to_thread(programs, self._runtime)
        running = [name for name in SIDECARS if name in found and found[name].pid == self._before]
        if not running:
            raise HubNotRunning(f"The sidecar (pid {self._before}) is not one that `hubctl run` has started.")
        self._old = running[0]
        self._new = next(name for name in SIDECARS if name != self._old)
        if (state := found[self._new].state) in ALIVE:
            raise ReloadUnderWay(f"The other sidecar ({self._new}) is still there: {state}.")
        self._report.unlink(missing_ok=True)
        try:
            await asyncio.to_thread(start, self._runtime, self._new)
            return await self._taken_over()
        except (Error, OSError) as error:
            raise ReloadFailed(f"The supervisor could not start the new sidecar: {error}.") from None
        except BaseException:
            if not self._serves:  # else it is the hub's only sidecar
                await asyncio.shield(self._take_back())
            raise

    async def _take_back(self) -> None:
        """Stop the new sidecar, so that it is not tried for ever. It may have taken over meanwhile, by its report or as
        the old one waits for no successor any more; then the hub has no other one, and it is started again.
        """
        await asyncio.to_thread(stop, self._runtime, self._new)
        for _ in range(TAKE_BACK_POLLS):
            report = self._reported()
            if (report and not report.error) or not (self._runtime / SUCCESSION_SOCKET).exists():
                with contextlib.suppress(Error, OSError):
                    await asyncio.to_thread(start, self._runtime, self._new)
                return
            await asyncio.sleep(POLL_SECONDS)

    async def _taken_over(self) -> int:
        """Wait until the new sidecar serves, and supervisord takes its start for a success; returns its process id."""
        deadline = time.monotonic() + TAKE_OVER_TIMEOUT
        while time.monotonic() < deadline:
            await asyncio.sleep(POLL_SECONDS)
            report, found = self._reported(), await asyncio.to_thread(programs, self._runtime)
            now = found.get(self._new)
            if report and report.error:
                raise ReloadFailed(report.error.message, data={"cause": report.error.code})
            self._serves = report is not None or self._old_has_left(found)
            if now is None or (now.state not in ("STARTING", "RUNNING") and not self._serves):
                raise ReloadFailed(_ended(now))
            if self._serves and now.state == "RUNNING":
                return now.pid
            if now.state == "EXITED":
                raise ReloadFailed(f"The old sidecar ended too early, and serves again ({found[self._old].state}).")
        raise ReloadFailed(f"The new sidecar has not taken over within {TAKE_OVER_TIMEOUT:g} s.")

    def _old_has_left(self, found: dict[str, Program]) -> bool:
        """Whether the old sidecar has ended because it was replaced, whatever the report says: the disk may be full."""
        return self._old in found and found[self._old].state not in ALIVE

    def _reported(self) -> Report | None:
        try:
            return Report.model_validate_json(self._report.read_bytes())
        except (OSError, ValidationError):
            return None

    async def old_has_ended(self, seconds: float) -> bool:
        """Wait until the old sidecar has ended, at most `seconds`; returns whether it has."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = (await asyncio.to_thread(programs, self._runtime)).get(self._old)
            if found is None or found.pid != self._before:
                return True
            await asyncio.sleep(POLL_SECONDS)
        return False


def _ended(program: Program | None) -> str:
    if program is None:
        return "The supervisor does not answer."
    return f"The new sidecar ended before it served ({program.state}: {program.description or 'no description'})."
