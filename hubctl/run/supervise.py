"""supervisord with additions: children end with it, SIGHUP ends it, it holds the hub's lock, ends kept servers and
processes that hang (`watchdog.py`), and starts again at once what has ended.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from supervisor.medusa.asyncore_25 import ExitNow
from supervisor.options import ServerOptions
from supervisor.states import ProcessStates
from supervisor.supervisord import Supervisor

from hubctl.run import watchdog
from hubctl.run.heartbeats import Heartbeats
from hubctl.run.kept_servers import end_kept_servers

PR_SET_PDEATHSIG = 1  # linux/prctl.h
LOCK_FD_VARIABLE = "YAMCP_HUB_LOCK_FD"
TERMINAL_FD_VARIABLE = "YAMCP_HUB_TERMINAL_FD"
LISTENER_FD_VARIABLE = "YAMCP_HUB_LISTENER_FD"
ACCEPTOR = "acceptor"
"""The program that gets the public port's socket. supervisord keeps it open, so that a restart refuses nobody."""
UNWATCHED = "watch"
"""The program that writes no heartbeats: it may wait for the terminal."""


class Options(ServerOptions):  # type: ignore[misc]  # supervisor ships no types
    """supervisord's options class, which is also where supervisord keeps its system calls."""

    def __init__(self) -> None:
        super().__init__()
        self._terminal = int(os.environ[TERMINAL_FD_VARIABLE])
        self._listener = int(os.environ.pop(LISTENER_FD_VARIABLE, "-1"))
        if self._listener >= 0:
            os.set_inheritable(self._listener, False)
        self.heartbeats = Heartbeats()
        self.hang_limit = watchdog.limit_of(os.environ.get("HUB_WATCHDOG", ""))
        """Seconds of silence after which a process is hung; None: the watchdog is off."""
        self._prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

    def fork(self) -> int:
        """Fork, with a pipe for the heartbeats of the child, unless the watchdog is off. Raises OSError."""
        return os.fork() if self.hang_limit is None else self.heartbeats.fork()

    def waitpid(self) -> tuple[int | None, int | None]:
        """Reap a child that has ended; end what is left of its process group, if the group is stopped as one."""
        pid, status = super().waitpid()
        if pid:
            self.heartbeats.forget(pid)
            process = self.pidhistory.get(pid)
            if process is not None and process.config.killasgroup:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, signal.SIGKILL)
        return pid, status

    def setpgrp(self) -> None:
        """In a new child: create a process group, and request SIGTERM for when supervisord ends, even by SIGKILL."""
        super().setpgrp()
        if self._prctl:
            self._prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)

    def close_fd(self, fd: int) -> None:
        """In a new child: close the descriptor, unless it is the terminal, which the hub's own programs may have.

        The public port's descriptor is inherited only by the acceptor: for other programs exec closes it.
        """
        if fd not in (self._terminal, self._listener, self.heartbeats.own):
            super().close_fd(fd)

    def execve(self, filename: str, argv: list[str], env: dict[str, str]) -> None:
        """In a new child: execute its program."""
        name = env.get("SUPERVISOR_PROCESS_NAME")
        if self._listener >= 0 and name == ACCEPTOR:
            os.set_inheritable(self._listener, True)
        if name != UNWATCHED:
            argv, env = self.heartbeats.pass_on(argv, env)
        super().execve(filename, argv, env)

    def setsignals(self) -> None:
        """Install supervisord's signal handlers, but let SIGHUP end the hub: supervisord would restart it in the
        background.
        """
        ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        super().setsignals()
        handler = signal.SIG_IGN if ignored else lambda *_: self.signal_receiver.receive(signal.SIGTERM, None)
        signal.signal(signal.SIGHUP, handler)
        Waker(self.get_socket_map())


class Waker:
    """Ends supervisord's poll when a signal arrives: Python would go on with the poll for up to 1 s (PEP 475).

    A dispatcher of asyncore, as supervisord's loop wants it.
    """

    def __init__(self, dispatchers: dict[int, Any]) -> None:
        self._woken, self._wake = socket.socketpair()
        for each in (self._woken, self._wake):
            each.setblocking(False)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        dispatchers[self._woken.fileno()] = self

    def readable(self) -> bool:
        """Return True: it waits for bytes."""
        return True

    def writable(self) -> bool:
        """Return False: it does not write."""
        return False

    def handle_read_event(self) -> None:
        """Read the bytes, whose only effect is that the poll has ended."""
        with contextlib.suppress(BlockingIOError):
            self._woken.recv(4096)

    def handle_error(self) -> None:
        """Do nothing: the next signal, or the end of the poll after 1 s, is soon enough."""


class HubSupervisor(Supervisor):  # type: ignore[misc]  # supervisor ships no types
    """supervisord, with a watchdog, and without a pause before the first restart of a process."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._watchdog = options.hang_limit and watchdog.Watchdog(
            options.hang_limit, options.heartbeats.heard, watchdog.look, time.monotonic
        )

    def tick(self, now: float | None = None) -> None:
        """Called once per round of supervisord's loop, after ended processes were reaped."""
        super().tick(now)
        self._start_ended()
        if self._watchdog:
            for pid, seconds in self._watchdog.check(lambda: (process.pid for process in self._watched())):
                self._end_hung(self.options.pidhistory[pid], seconds)

    def _start_ended(self) -> None:
        """Start again at once what has ended, instead of in the next round, or 1 s later if it ended soon after its
        start. If it ends again within `startsecs`, supervisord's growing pauses apply.
        """
        for group in self.process_groups.values():
            for process in group.processes.values():
                if process.state == ProcessStates.BACKOFF and process.backoff == 1:
                    process.delay = 0
                    process.transition()
                elif process.state == ProcessStates.EXITED:
                    process.transition()

    def _watched(self) -> Iterator[Any]:
        for group in self.process_groups.values():
            for process in group.processes.values():
                up = process.state in (ProcessStates.STARTING, ProcessStates.RUNNING)
                if up and process.pid and process.config.name != UNWATCHED:
                    yield process

    def _end_hung(self, process: Any, seconds: float) -> None:
        """End a process that is hung, with a line in its log; it is started again as after a crash."""
        name = process.config.name
        message = f"{name} did nothing for {seconds:.0f} s and was ended (SIGKILL); it is started again."
        self.options.logger.critical(message)
        line = log_line(name, message, pid=process.pid, code=watchdog.CODE)
        for dispatcher in process.dispatchers.values():
            if log := getattr(dispatcher, "normallog", None):
                log.info(line)
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if process.config.killasgroup else os.kill)(process.pid, signal.SIGKILL)


def log_line(process: str, message: str, **fields: object) -> str:
    """Format a line of a process's log, as `bridge/logs.py` does."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    record = {
        "time": now,
        "level": "error",
        "process": process,
        "logger": "hubctl.run.supervise",
        "message": message,
        **fields,
    }
    return json.dumps(record) + "\n"


def _start_at_once(options: Options) -> None:
    """Make supervisord's first poll return at once, since it starts the processes after it; otherwise they start 1 s
    later.
    """
    poll = options.poller.poll

    def first(_: float) -> object:
        options.poller.poll = poll
        return poll(0)

    options.poller.poll = first


def main(arguments: list[str] | None = None) -> int:
    """Supervise until told to end; this process alone holds the lock that `hubctl run` acquired."""
    if lock := os.environ.pop(LOCK_FD_VARIABLE, None):
        os.set_inheritable(int(lock), False)
    options = Options()
    root = ["--user", "0"] if os.getuid() == 0 else []  # it asks root to be sure; a container's user may have no name
    options.realize([*(arguments or ()), *root], doc=__doc__)
    _start_at_once(options)
    options.first, options.test = True, False
    try:
        with contextlib.suppress(ExitNow):
            HubSupervisor(options).main()
    finally:
        options.close_httpservers()
        options.close_logger()
        end_kept_servers(Path(os.environ["HUB_RUNTIME_DIR"]))
    with contextlib.suppress(OSError):  # nobody need be reading any more
        os.write(1, b"yamcp-hub has stopped.\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
