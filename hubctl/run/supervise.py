"""supervisord, and what it lacks: children that end with it, SIGHUP as an end, one hub a directory."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys

from supervisor.medusa.asyncore_25 import ExitNow
from supervisor.options import ServerOptions
from supervisor.supervisord import Supervisor

PR_SET_PDEATHSIG = 1  # linux/prctl.h
LOCK_FD_VARIABLE = "YAMCP_HUB_LOCK_FD"
TERMINAL_FD_VARIABLE = "YAMCP_HUB_TERMINAL_FD"
LISTENER_FD_VARIABLE = "YAMCP_HUB_LISTENER_FD"
ACCEPTOR = "acceptor"
"""The program that gets the socket of the public port. It stays open here: nobody is refused while that restarts."""


class Options(ServerOptions):  # type: ignore[misc]  # supervisor ships no types
    """supervisord's options, which is also where it keeps its system calls."""

    def __init__(self) -> None:
        super().__init__()
        self._terminal = int(os.environ[TERMINAL_FD_VARIABLE])
        self._listener = int(os.environ.pop(LISTENER_FD_VARIABLE, "-1"))
        if self._listener >= 0:
            os.set_inheritable(self._listener, False)
        self._prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

    def setpgrp(self) -> None:
        """In a new child: a group of its own, and SIGTERM when supervisord is gone, were it by SIGKILL."""
        super().setpgrp()
        if self._prctl:
            self._prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)

    def close_fd(self, fd: int) -> None:
        """In a new child, for each descriptor: close it, unless it is the terminal's (the hub's own may have that).

        That of the public port is closed as another program is begun, but for the acceptor.
        """
        if fd not in (self._terminal, self._listener):
            super().close_fd(fd)

    def execve(self, filename: str, argv: list[str], env: dict[str, str]) -> None:
        """In a new child: become its program."""
        if self._listener >= 0 and env.get("SUPERVISOR_PROCESS_NAME") == ACCEPTOR:
            os.set_inheritable(self._listener, True)
        super().execve(filename, argv, env)

    def setsignals(self) -> None:
        """As supervisord's, but a terminal that closes ends the hub (supervisord would restart it, unseen)."""
        ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        super().setsignals()
        handler = signal.SIG_IGN if ignored else lambda *_: self.signal_receiver.receive(signal.SIGTERM, None)
        signal.signal(signal.SIGHUP, handler)


def _start_at_once(options: Options) -> None:
    """Have its first look at events not wait for any: it starts the processes after that, a second later otherwise."""
    poll = options.poller.poll

    def first(_: float) -> object:
        options.poller.poll = poll
        return poll(0)

    options.poller.poll = first


def main(arguments: list[str] | None = None) -> int:
    """Supervise until told to end; the lock that `hubctl run` took is held meanwhile, by this process alone."""
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
    with contextlib.suppress(OSError):  # nobody need be reading any more
        os.write(1, b"yamcp-hub has stopped.\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
