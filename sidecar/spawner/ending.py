"""How the spawner reaps its children, and kills all of its descendants when it ends."""

from __future__ import annotations

import os
import select
import signal
import time
from contextlib import suppress

from sidecar.spawner import proc, server

END_GRACE = 1.0
"""Seconds between SIGTERM and SIGKILL when the spawner ends."""
CHASE_ROUNDS = 100
"""How often adopted processes are killed in a row (`chase`)."""


def wait_any() -> tuple[int, int] | None:
    """Reap a dead child: its pid and status; (0, 0) if none is dead, None if there are no children."""
    try:
        return os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None


def drain(fd: int) -> None:
    """Read a non-blocking pipe until it is empty."""
    with suppress(BlockingIOError):
        while os.read(fd, 4096):
            pass


def childless() -> bool:
    """Reap dead children; returns whether none is left, which for a subreaper means no descendant either."""
    while dead := wait_any():
        if not dead[0]:
            return False
    return True


def end_all(wakeup: int) -> None:
    """End all descendants: SIGTERM, then after END_GRACE SIGKILL until none is left."""
    proc.terminate(proc.Table().descendants(os.getpid()))
    deadline = time.monotonic() + END_GRACE
    while not childless() and (left := deadline - time.monotonic()) > 0:
        select.select([wakeup], [], [], left)
        drain(wakeup)
    delay, deadline = 0.001, time.monotonic() + server.KILL_LIMIT
    while not childless() and time.monotonic() < deadline:
        table = proc.Table()
        proc.kill(table, table.descendants(os.getpid()))
        chase()
        time.sleep(delay)
        delay = min(delay * 2, 0.1)


def chase() -> None:
    """Kill our children many times in a row: a process may fork and end faster than /proc can be read."""
    for _ in range(CHASE_ROUNDS):
        if childless():
            return
        kill_children(proc.own_children() or [])


def kill_children(pids: list[int]) -> None:
    """Kill children that are not reaped yet, so that their pids cannot have been reused."""
    for pid in pids:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
