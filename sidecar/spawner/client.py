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
from sidecar.errors import CommandMissing, DirectoryMissing, ProcessRefused, SidecarError, SpawnerLost
from sidecar.spawner import proc
from sidecar.spawner.errors import exceeded
from sidecar.spawner.in_force import Enforcement, enforcement_text
from sidecar.spawner.limits import Limits
from sidecar.spawner.link import Link, close_all
from sidecar.spawner.wire import Message

log = logging.getLogger(__name__)

PROGRAM = Path(__file__).with_name("process.py")
COMMAND = (sys.executable, "-I", "-S", "-u")
LOCK_FILE = "spawner.lock"
MAX_STARTING = 32
"""Concurrent starts. Each has descriptors in flight over the socket, whose number Linux limits."""
END_TIMEOUT = 15.0
"""Seconds after which a spawner that should end is killed."""
FIRST_DELAY, MAX_DELAY, STEADY_AFTER = 0.05, 5.0, 10.0
"""Seconds before a restart of the spawner, doubled up to MAX_DELAY, and reset once it has run for STEADY_AFTER."""
PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER = 36, 37


NO_LIMITS = Limits()


class Child:
    """A started process. `stdin`, `stdout` and `stderr` are our ends of its pipes; the caller has to close them."""

    def __init__(self, ident: int, instance: str, fds: Sequence[int]) -> None:
        self.pid = 0
        self.instance = instance
        self.stdin, self.stdout, self.stderr = fds
        self._id = ident
        self._link: Link | None = None
        self._exceeded: SidecarError | None = None
        loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[int | SidecarError] = loop.create_future()
        self._stopped: asyncio.Future[None] = loop.create_future()

    async def wait(self) -> int:
        """Wait until the process ends; returns its exit code, or the negated number of the signal that killed it.

        Raises:
            SpawnerLost: the spawner died, and this process was killed with it.
            MemoryExceeded, ProcessesExceeded: it exceeded a limit, and was ended.
        """
        end = await asyncio.shield(self._ended)
        if isinstance(end, SidecarError):
            raise end
        return end

    def on_end(self, callback: Callable[[int | SidecarError], None]) -> None:
        """Call `callback` when the process has ended, with what `wait` returns or raises."""
        self._ended.add_done_callback(lambda ended: callback(ended.result()))

    async def stop(self, grace: float = 2.0) -> None:
        """Stop the process and all its descendants, and wait until none is left.

        The caller closes its stdin first. The process has `grace` seconds to end by itself and another `grace` seconds
        after SIGTERM; then SIGKILL follows. Returns at once if it was stopped before. If this call is cancelled, the
        process is stopped nevertheless.
        """
        if self._link and not self._stopped.done():
            self._link.send(("stop", self._id, grace))
        await asyncio.shield(self._stopped)

    def started(self, link: Link, pid: int) -> None:
        """Called when the spawner has started the process."""
        self._link, self.pid = link, pid

    def ended(self, end: int | SidecarError) -> None:
        """Called when the process itself has ended."""
        if not self._ended.done():
            self._ended.set_result(self._exceeded or end)

    def exceeded(self, error: SidecarError) -> None:
        """Called when the process is about to be ended because it exceeded a limit."""
        self._exceeded = error

    def stopped(self, end: int | SidecarError = -signal.SIGKILL) -> None:
        """Called when none of its processes is left."""
        self.ended(end)
        self._link = None
        if not self._stopped.done():
            self._stopped.set_result(None)

    def abandon(self) -> None:
        """Close the pipes and have the spawner stop the process, without waiting."""
        close_all([self.stdin, self.stdout, self.stderr])
        if self._link:
            self._link.send(("stop", self._id, 0.0))


class Spawner:
    """A context manager that keeps a spawner process running. A lock file allows one per runtime directory.

    Meanwhile the sidecar is a child subreaper (prctl(2)), so it adopts the children of a spawner that is killed; the
    next spawner kills these before it starts any process. Nothing else in the sidecar may start a process in a session
    of its own, since the spawner would take it for such a child.

    `control_groups`: `auto` or `off` (HUB_CGROUPS).
    """

    def __init__(self, runtime_dir: Path, control_groups: str = "auto") -> None:
        self._control_groups = control_groups
        self.enforcement: Enforcement = None
        """The controllers of cgroup v2 that enforce limits, and the control group, or why there are none; None until
        a server with limits was started."""
        self._lock = runtime_dir / LOCK_FILE
        self._ids = itertools.count(1)
        self._starting: dict[int, tuple[Child, asyncio.Future[Child]]] = {}
        self._children: dict[int, Child] = {}
        self._slots = asyncio.Semaphore(MAX_STARTING)
        self._ready = asyncio.Event()
        self._link: Link | None = None
        self._process: subprocess.Popen[bytes] | None = None
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
        """Stop the spawner, which kills all its remaining children."""
        self._closing.set()
        self._ready.set()
        if self._link:
            self._link.close()
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
    ) -> Child:
        """Start a process in a session of its own, without a shell.

        Its environment is `env` plus the two marks (proc.py). A command without a slash is looked up on the PATH of
        `env`. `instance` must be unique to this process.

        Raises:
            CommandMissing: there is no such program, or it cannot be executed.
            DirectoryMissing: `cwd` is not a directory, or may not be entered.
            ProcessRefused: the system refused to start it for another reason.
            SpawnerLost: the spawner died meanwhile, or the hub is stopping.
        """
        request = _encoded(argv, env, cwd or _cwd())
        async with self._slots:
            await self._ready.wait()
            if self._closing.is_set() or self._link is None:
                raise SpawnerLost("The hub is stopping.")
            ours, theirs = _pipes()
            ident = next(self._ids)
            child = Child(ident, instance, ours)
            answer: asyncio.Future[Child] = asyncio.get_running_loop().create_future()
            self._starting[ident] = (child, answer)
            self._link.send(("spawn", ident, *request, instance, limits.packed()), theirs)
            try:
                return await answer
            except asyncio.CancelledError:
                if not answer.cancelled():  # it was started just before
                    child.abandon()
                raise

    # --- messages from the spawner (wire.py) ---------------------------------------------------------------------

    def _on_message(self, message: Message) -> None:
        kind, *rest = message
        getattr(self, f"_on_{kind}")(*rest)

    def _on_ready(self, mark: str) -> None:
        self._ready.set()

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
        close_all([child.stdin, child.stdout, child.stderr])
        if not answer.cancelled():
            answer.set_exception(error)

    def _on_exceeded(self, ident: int, kind: str, limit: int) -> None:
        self._children[ident].exceeded(exceeded(kind, limit))

    def _on_enforcement(self, controllers: list[str], where: str) -> None:
        self.enforcement = frozenset(controllers), where
        log.info("limits of stdio servers are enforced by %s", enforcement_text(self.enforcement))

    def _on_exited(self, ident: int, status: int) -> None:
        self._children[ident].ended(os.waitstatus_to_exitcode(status))

    def _on_stopped(self, ident: int) -> None:
        self._children.pop(ident).stopped()

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
        ours, theirs = socket.socketpair()
        with theirs:
            number = theirs.fileno()
            arguments = [str(number), str(self._lock.resolve()), str(os.getpid()), str(self._since)]
            arguments.append(self._control_groups)
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
        await self._link.lost
        if not self._closing.is_set():
            self._ready.clear()
        await _gone(self._process)
        status, self._process, self._link = self._process.returncode, None, None
        error = SpawnerLost(
            "The hub is stopping." if self._closing.is_set() else f"The spawner died (status {status})."
        )
        if not self._closing.is_set():
            log.error(
                "the spawner died and is started again", extra={"status": status, "children": len(self._children)}
            )
        self._fail_all(error)

    def _fail_all(self, error: SpawnerLost) -> None:
        for ident in list(self._starting):
            self._refuse(ident, error)
        children, self._children = self._children, {}
        for child in children.values():
            orphan = proc.read(child.pid)
            if orphan and orphan.ppid == os.getpid():  # adopted and not reaped yet, so its group id is still its own
                with suppress(OSError):
                    os.killpg(child.pid, signal.SIGKILL)
            child.stopped(error)


def start_error(step: str, number: int, detail: str) -> SidecarError:
    """The error for a start that failed in `step` (`cwd`, `search` or `exec`) with the errno `number` (0: none)."""
    reason = os.strerror(number) if number else "it holds a character that no program can be given"
    if step == "cwd" and number:
        return DirectoryMissing(f"The working directory {detail!r} cannot be entered: {reason}.")
    if step == "search":
        found = number == 13
        return CommandMissing(f"{detail!r} may not be executed." if found else f"{detail!r} is not on the hub's PATH.")
    if number in {1, 2, 8, 13, 20, 21, 40}:  # EPERM ENOENT ENOEXEC EACCES ENOTDIR EISDIR ELOOP
        if number == 2 and Path(detail).exists():
            reason = "the interpreter that its first line names is missing"
        return CommandMissing(f"{detail!r} cannot be executed: {reason}.")
    return ProcessRefused(f"The system does not start {detail!r}: {reason}.")


def set_subreaper(wanted: bool) -> bool:
    """Make this process a child subreaper, or not (prctl(2)); returns the previous state. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    before = ctypes.c_int(0)
    libc.prctl(PR_GET_CHILD_SUBREAPER, ctypes.byref(before), 0, 0, 0)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, int(wanted), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")
    return bool(before.value)


async def _gone(process: subprocess.Popen[bytes]) -> None:
    """Wait until a process has ended; kill it after END_TIMEOUT."""
    deadline = time.monotonic() + END_TIMEOUT
    while process.poll() is None:
        if time.monotonic() > deadline:
            process.kill()
        await asyncio.sleep(0.005)


def _pipes() -> tuple[list[int], list[int]]:
    """Open pipes for stdin, stdout and stderr; returns our ends and the server's. Raises ProcessRefused."""
    fds: list[int] = []
    try:
        for _ in range(3):
            fds += os.pipe()
    except OSError as error:
        close_all(fds)
        raise ProcessRefused(f"The hub cannot open pipes for it: {error.strerror}.") from None
    return [fds[1], fds[2], fds[4]], [fds[0], fds[3], fds[5]]


def _encoded(argv: Sequence[str], env: Mapping[str, str], cwd: str) -> tuple[Any, ...]:
    try:
        return (
            [os.fsencode(argument) for argument in argv],
            {os.fsencode(name): os.fsencode(value) for name, value in env.items()},
            os.fsencode(cwd),
        )
    except UnicodeEncodeError:
        raise start_error("exec", 0, argv[0]) from None


def _cwd() -> str:
    try:
        return str(Path.cwd())
    except FileNotFoundError:
        return "/"
