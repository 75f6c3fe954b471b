"""The supervisor's side of heartbeats: one pipe for each process, made before the process is (bridge/heartbeat.py)."""

from __future__ import annotations

import contextlib
import os

VARIABLE = "YAMCP_HUB_HEARTBEAT_FD"
"""`bridge.heartbeat.VARIABLE`; supervisord imports none of the hub's packages, to stay small."""
MAX_BYTES = 65536
"""Bytes that are read of a pipe at once, which is all that fits into one."""


class Heartbeats:
    """The reading ends of the pipes, by process id; in a new child, the writing end of its own."""

    def __init__(self) -> None:
        self._readers: dict[int, int] = {}
        self.own: int | None = None
        """In a new child: the descriptor that it writes to."""

    def fork(self) -> int:
        """Fork; the child gets the writing end of a pipe, closed by exec unless `pass_on` is called.

        Raises:
            OSError: the system refuses another process or pipe.
        """
        reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            pid = os.fork()
        except OSError:
            os.close(reader)
            os.close(writer)
            raise
        if pid:
            os.close(writer)
            self._readers[pid] = reader
        else:
            self.own = writer
        return pid

    def pass_on(self, argv: list[str], env: dict[str, str]) -> tuple[list[str], dict[str, str]]:
        """In a new child: let the program inherit the pipe; return its arguments and environment with the descriptor.

        A program that is started by `env -i` has the variable, without a value, among its arguments.
        """
        if self.own is None:
            return argv, env
        os.set_inheritable(self.own, True)
        assignment = f"{VARIABLE}={self.own}"
        return [assignment if word == f"{VARIABLE}=" else word for word in argv], {**env, VARIABLE: str(self.own)}

    def heard(self, pid: int) -> bool:
        """Return whether the process has written since the last time."""
        reader = self._readers.get(pid)
        with contextlib.suppress(OSError):  # BlockingIOError: nothing
            return reader is not None and bool(os.read(reader, MAX_BYTES))
        return False

    def forget(self, pid: int) -> None:
        """Close the pipe of a process that has ended."""
        if (reader := self._readers.pop(pid, None)) is not None:
            os.close(reader)
