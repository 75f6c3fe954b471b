"""supervisord with additions: children end with it, SIGHUP ends it, it holds the hub's lock, and ends kept servers."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path

from supervisor.medusa.asyncore_25 import ExitNow
from supervisor.options import ServerOptions
from supervisor.supervisord import Supervisor

from hubctl.run.kept_servers import end_kept_servers

PR_SET_PDEATHSIG = 1  # linux/prctl.h
LOCK_FD_VARIABLE = "YAMCP_HUB_LOCK_FD"
TERMINAL_FD_VARIABLE = "YAMCP_HUB_TERMINAL_FD"
LISTENER_FD_VARIABLE = "YAMCP_HUB_LISTENER_FD"
ACCEPTOR = "acceptor"
"""The program that gets the public port's socket. supervisord keeps it open, so that a restart refuses nobody."""


class Options(ServerOptions):  # type: ignore[misc]  # supervisor ships no types
    """supervisord's options class, which is also where supervisord keeps its system calls."""

    def __init__(self) -> None:
        super().__init__()
        self._terminal = int(os.environ[TERMINAL_FD_VARIABLE])
        self._listener = int(os.environ.pop(LISTENER_FD_VARIABLE, "-1"))
        if self._listener >= 0:
            os.set_inheritable(self._listener, False)
        self._prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

    def setpgrp(self) -> None:
        """In a new child: create a process group, and request SIGTERM for when supervisord ends, even by SIGKILL."""
        super().setpgrp()
        if self._prctl:
            self._prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)

    def close_fd(self, fd: int) -> None:
        """In a new child: close the descriptor, unless it is the terminal, which the hub's own programs may have.

        The public port's descriptor is inherited only by the acceptor: for other programs exec closes it.
        """
        if fd not in (self._terminal, self._listener):
            super().close_fd(fd)

    def execve(self, filename: str, argv: list[str], env: dict[str, str]) -> None:
        """In a new child: execute its program."""
        if self._listener >= 0 and env.get("SUPERVISOR_PROCESS_NAME") == ACCEPTOR:
            os.set_inheritable(self._listener, True)
        super().execve(filename, argv, env)

    def setsignals(self) -> None:
        """Install supervisord's signal handlers, but let SIGHUP end the hub: supervisord would restart it in the
        background.
        """
        ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        super().setsignals()
        handler = signal.SIG_IGN if ignored else lambda *_: self.signal_receiver.receive(signal.SIGTERM, None)
        signal.signal(signal.SIGHUP, handler)


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
            Supervisor(options).main()
    finally:
        options.close_httpservers()
        options.close_logger()
        end_kept_servers(Path(os.environ["HUB_RUNTIME_DIR"]))
    with contextlib.suppress(OSError):  # nobody need be reading any more
        os.write(1, b"yamcp-hub has stopped.\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
