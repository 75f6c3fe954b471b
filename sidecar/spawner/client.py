"""Starts and stops stdio servers through the spawner process."""

from __future__ import annotations

import asyncio
import ctypes
import itertools
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bridge.private import make_directory
from sidecar.errors import SidecarError, SpawnerLost
from sidecar.limits.errors import exceeded
from sidecar.limits.in_force import Enforcement, enforcement_text
from sidecar.limits.limits import Limits
from sidecar.spawner import proc
from sidecar.spawner.child import Child
from sidecar.spawner.keep import journal
from sidecar.spawner.keep.kept import Inherited, Keep, Unclaimed, door_of, gone, knock
from sidecar.spawner.link import Link
from sidecar.spawner.pulse import DEFAULT_LIMIT, Pulse, hung
from sidecar.spawner.start_requests import encoded, open_pipes, start_error
from sidecar.spawner.wire import Message

log = logging.getLogger(__name__)

PROGRAM = Path(__file__).with_name("process.py")
COMMAND = (sys.executable, "-I", "-S", "-u")
LOCK_FILES = ("spawner.lock", "spawner-b.lock")
"""The lock file of each slot: two sidecars run while one takes over from the other (ADR 35)."""
MAX_STARTING = 32
"""Concurrent starts. Each has descriptors in flight over the socket, whose number Linux limits."""
END_TIMEOUT = 15.0
"""Seconds after which a spawner that should end is killed."""
FIRST_DELAY, MAX_DELAY, STEADY_AFTER = 0.05, 5.0, 10.0
"""Seconds before a restart of the spawner, doubled up to MAX_DELAY, and reset once it has run for STEADY_AFTER."""
PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER = 36, 37


NO_LIMITS = Limits()


class Spawner:
    """A context manager that keeps a spawner process running. A lock file allows one per runtime directory and slot.

    Meanwhile the sidecar is a child subreaper (prctl(2)), so it adopts the children of a spawner that is killed; the
    next spawner kills these before it starts any process. Nothing else in the sidecar may start a process in a session
    of its own, since the spawner would take it for such a child.

    `control_groups`: `auto` or `off` (HUB_CGROUPS). `leaving`: whether the sidecar is about to end, so that servers
    that may be kept stay with the spawner process. `hang_limit`: seconds without an answer after which a spawner is
    killed and another one started; None: never (HUB_WATCHDOG).
    """

    def __init__(
        self,
        runtime_dir: Path,
        slot: int = 0,
        control_groups: str = "auto",
        leaving: Callable[[], bool] = lambda: False,
        hang_limit: float | None = DEFAULT_LIMIT,
    ) -> None:
        self._lock, self._other_lock = (runtime_dir / LOCK_FILES[number] for number in (slot, 1 - slot))
        self.leaving = leaving
        self._unclaimed = Unclaimed()
        self._stays = False
        self.shared = False
        """Whether another sidecar uses the spawner, too."""
        self.joined = False
        """Whether another sidecar has begun to use it while this one did: that one gets the servers that are kept."""
        self._control_groups = control_groups
        self._hang_limit = hang_limit
        self._pulse: Pulse | None = None
        self._silence: float | None = None
        """The seconds for which the spawner was silent when it was killed for that."""
        self.enforcement: Enforcement = None
        """The controllers of cgroup v2 that enforce limits, and the control group, or why there are none; None until
        a server with limits was started."""
        self._ids = itertools.count(1)
        self._starting: dict[int, tuple[Child, asyncio.Future[Child]]] = {}
        self._children: dict[int, Child] = {}
        self._slots = asyncio.Semaphore(MAX_STARTING)
        self._ready = asyncio.Event()
        self._link: Link | None = None
        self._process: subprocess.Popen[bytes] | Inherited | None = None
        self._since = 0
        self._closing = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._was_subreaper = False

    async def __aenter__(self) -> Self:
        make_directory(self._lock.parent)
        self._was_subreaper = set_subreaper(True)
        self._keeper = asyncio.create_task(self._keep(), name="spawner")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the spawner, which kills all its remaining children; unless it has to stay because of kept ones, or for
        another sidecar."""
        self._stays = self.leaving() and any(child.agreed for child in self._children.values())
        self._unclaimed.leave(self._stays)
        self._closing.set()
        if self._link:
            if self._ready.is_set():
                self._link.finish()
            else:
                self._link.close()
            asyncio.get_running_loop().call_later(END_TIMEOUT, self._link.close)
        self._ready.set()
        try:
            if self._keeper:
                await self._keeper
        finally:
            set_subreaper(self._was_subreaper)

    @property
    def pid(self) -> int | None:
        """The process id of the spawner; None while it is not running."""
        return self._process.pid if self._process else None

    async def spawn(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        cwd: str | None,
        instance: str,
        limits: Limits = NO_LIMITS,
        keep: Keep | None = None,
    ) -> Child:
        """Start a process in a session of its own, without a shell.

        Its environment is `env` plus the two marks (proc.py). A command without a slash is looked up on the PATH of
        `env`. `instance` must be unique to this process. With `keep`, the process may outlive the sidecar once
        something is deposited for it.

        Raises:
            CommandMissing: there is no such program, or it cannot be executed.
            DirectoryMissing: `cwd` is not a directory, or may not be entered.
            ProcessRefused: the system refused to start it for another reason.
            SpawnerLost: the spawner died meanwhile, or the hub is stopping.
        """
        request = encoded(argv, env, cwd)
        async with self._slots:
            await self._ready.wait()
            if self._closing.is_set() or self._link is None:
                raise SpawnerLost("The hub is stopping.")
            ours, theirs = open_pipes()
            ident = next(self._ids)
            child = Child(ident, instance, ours)
            answer: asyncio.Future[Child] = asyncio.get_running_loop().create_future()
            self._starting[ident] = (child, answer)
            if keep:
                child.journal = journal.create()
                theirs += map(os.dup, (*ours, child.journal))
            self._link.send(("spawn", ident, *request, instance, limits.packed(), keep and tuple(keep)), theirs)
            try:
                return await answer
            except asyncio.CancelledError:
                if not answer.cancelled():  # it was started just before
                    child.abandon()
                raise

    async def claim(self, keep: Keep) -> Child | None:
        """The running process that an earlier sidecar has kept so, if there is one.

        One with the same key and another identity is ended first.

        Raises:
            OpenLater: another sidecar has it.
        """
        await self._ready.wait()
        return await self._unclaimed.claim(keep)

    # --- messages from the spawner (wire.py) ---------------------------------------------------------------------

    def _on_message(self, message: Message) -> None:
        kind, *rest = message
        if self._pulse:
            self._pulse.heard()
        getattr(self, f"_on_{kind}")(*rest)

    def _on_ready(self, mark: str, first_id: int) -> None:
        if first_id > 1:
            self._ids = itertools.count(first_id)
        self._ready.set()

    def _on_pong(self) -> None:
        """It is alive: see `_on_message`."""

    def _on_note(self, text: str) -> None:
        log.warning("spawner: %s", text)

    def _on_orphans(self, pids: list[int]) -> None:
        for pid in pids:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)

    def _on_spawned(self, ident: int, pid: int) -> None:
        child, answer = self._starting.pop(ident)
        assert self._link is not None  # noqa: S101 - the message came over it
        child.started(self._link, pid)
        self._children[ident] = child
        if answer.cancelled():
            child.abandon()
        else:
            answer.set_result(child)

    def _on_failed(self, ident: int, step: str, number: int, detail: str) -> None:
        self._refuse(ident, start_error(step, number, detail))

    def _refuse(self, ident: int, error: SidecarError) -> None:
        child, answer = self._starting.pop(ident)
        child.close_pipes()
        if not answer.cancelled():
            answer.set_exception(error)

    def _on_kept(self, ident: int, pid: int, instance: str, key: str, identity: str, agreed: bytes) -> None:
        assert self._link is not None  # noqa: S101 - the message came over it
        *fds, notes = self._link.take_fds(4)
        self._children[ident] = child = Child(ident, instance, fds)
        child.journal, child.agreed = notes, agreed
        child.started(self._link, pid)
        self._unclaimed.add(Keep(key, identity), child)

    def _on_held(self, key: str, identity: str) -> None:
        self._unclaimed.hold(Keep(key, identity))

    def _on_unheld(self, key: str, identity: str) -> None:
        self._unclaimed.free(Keep(key, identity))

    def _on_sidecars(self, number: int) -> None:
        self.shared = number > 1
        self.joined |= self.shared

    def _on_exceeded(self, ident: int, kind: str, limit: int) -> None:
        if child := self._children.get(ident):
            child.exceeded(exceeded(kind, limit))

    def _on_enforcement(self, controllers: list[str], where: str) -> None:
        self.enforcement = frozenset(controllers), where
        log.info("limits of stdio servers are enforced by %s", enforcement_text(self.enforcement))

    def _on_exited(self, ident: int, status: int) -> None:
        if child := self._children.get(ident):  # not one that the sidecar before had
            child.ended(os.waitstatus_to_exitcode(status))

    def _on_stopped(self, ident: int) -> None:
        if child := self._children.pop(ident, None):
            child.stopped()

    # --- supervision ---------------------------------------------------------------------------------------------

    async def _keep(self) -> None:
        """Run the spawner, and restart it whenever it dies, until closing."""
        delay = 0.0
        try:
            while not self._closing.is_set():
                begun = time.monotonic()
                try:
                    self._start()
                except OSError as error:
                    log.error("the spawner cannot be started: %s", error)  # noqa: TRY400 - no traceback is needed
                else:
                    await self._watch()
                delay = 0.0 if time.monotonic() - begun > STEADY_AFTER else min(delay * 2 + FIRST_DELAY, MAX_DELAY)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), delay)
        finally:  # nobody may wait for a spawner that will not come
            self._closing.set()
            self._ready.set()

    def _start(self) -> None:
        """Use the spawner that keeps servers of an earlier sidecar, in either slot, or start one. Raises OSError."""
        if keeping := knock(door_of(self._lock)) or knock(door_of(self._other_lock)):
            ours, self._process = keeping
            self._link = Link(ours, self._on_message)
            return
        ours, theirs = socket.socketpair()
        with theirs:
            number = theirs.fileno()
            locks = str(self._lock.resolve()), str(self._other_lock.resolve())
            arguments = [str(number), locks[0], str(os.getpid()), str(self._since)]
            arguments += [self._control_groups, str(door_of(self._lock.resolve())), locks[1]]
            try:
                self._process = subprocess.Popen(  # noqa: S603 - our own program
                    [*COMMAND, str(PROGRAM), *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[number],
                    start_new_session=True,
                )
            except OSError:
                ours.close()
                raise
        started = proc.read(self._process.pid)
        self._since = self._since or (started.start if started else 0)
        self._link = Link(ours, self._on_message)

    async def _watch(self) -> None:
        """Wait for the spawner's end, then fail its children and all starts in progress."""
        assert self._link is not None and self._process is not None  # noqa: S101 - _start made both
        await self._lost(self._link, self._process)
        if self._closing.is_set() and (self._stays or self.shared):
            self._process.returncode = -1  # nobody waits for it here; init does
            self._process = self._link = None
            self._fail_all(self._loss(None))
            return
        if not self._closing.is_set():
            self._ready.clear()
            self._unclaimed.lost()
        self.shared = self.joined = False
        await gone(self._process, END_TIMEOUT)
        status, self._process, self._link = self._process.returncode, None, None
        self._fail_all(self._loss(status))

    async def _lost(self, link: Link, process: subprocess.Popen[bytes] | Inherited) -> None:
        """Wait until the connection is closed. A spawner that hangs meanwhile is killed, which closes it."""
        self._silence = None
        if self._hang_limit is None:
            await link.lost
            return
        self._pulse = Pulse(self._hang_limit, asyncio.get_running_loop().time())
        watch = asyncio.create_task(hung(self._pulse, process.pid, lambda: self._ask(link, process)))
        try:
            either: list[asyncio.Future[Any]] = [watch, link.lost]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if watch.done() and not link.lost.done():
                self._silence = watch.result()
                process.kill()
                await link.lost
        finally:
            self._pulse = None
            watch.cancel()
            await asyncio.wait([watch])

    def _ask(self, link: Link, process: subprocess.Popen[bytes] | Inherited) -> bool:
        """Ask the spawner for an answer; whether it can give one: not before it is ready, which may take any time.

        One that was taken over is ready when it has said what it keeps, which is at once.
        """
        if self._ready.is_set() and not link.lost.done():
            link.send(("ping", 0))
        return self._ready.is_set() or isinstance(process, Inherited)

    def _loss(self, status: int | None) -> SpawnerLost:
        """What is said to those that had a process of the spawner, which has ended. Logs it, too."""
        if self._closing.is_set():
            return SpawnerLost("The hub is stopping.")
        told = {"status": status, "children": len(self._children)}
        if self._silence is None:
            log.error("the spawner died and is started again", extra=told)
            return SpawnerLost(f"The spawner died (status {status}).")
        why = f"The spawner did nothing for {self._silence:.0f} s, and was ended."
        log.error("the spawner hung, was killed, and is started again: %s", why, extra=told | {"code": "PROCESS_HUNG"})
        return SpawnerLost(why)

    def _fail_all(self, error: SpawnerLost) -> None:
        for ident in list(self._starting):
            self._refuse(ident, error)
        children, self._children = self._children, {}
        for child in children.values():
            orphan = proc.read(child.pid)
            if orphan and orphan.ppid == os.getpid():  # adopted and not reaped yet, so its group id is still its own
                with suppress(OSError):
                    os.killpg(child.pid, signal.SIGKILL)
                with suppress(ChildProcessError):
                    os.waitpid(child.pid, os.WNOHANG)
            child.stopped(error)


def set_subreaper(wanted: bool) -> bool:
    """Make this process a child subreaper, or not (prctl(2)); returns the previous state. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    before = ctypes.c_int(0)
    libc.prctl(PR_GET_CHILD_SUBREAPER, ctypes.byref(before), 0, 0, 0)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, int(wanted), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")
    return bool(before.value)
