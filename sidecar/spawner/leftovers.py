"""Finds and kills processes left by an earlier spawner that was killed, by their marks and their ancestry."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress

from sidecar.spawner import proc
from sidecar.spawner.server import KILL_LIMIT


class Lock:
    """The lock file of a runtime directory, which one spawner at a time holds; it has the mark of all its servers."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def taken(self) -> bool:
        """Try to take the lock; returns whether we have it."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def mark(self) -> str:
        """The mark from the file, which is made by the first holder of the lock."""
        mark = os.read(self._file, 64).decode()
        if len(mark) != 32:
            mark = os.urandom(16).hex()
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, mark.encode(), 0)
        return mark


class Sidecar:
    """The sidecar that started this spawner. `since`: start of its first spawner in clock ticks; 0 if this is it."""

    __slots__ = ("pid", "since")

    def __init__(self, pid: int, since: int) -> None:
        self.pid = pid
        self.since = since

    def adopted(self, table: proc.Table) -> list[proc.Process]:
        """The orphans of a killed spawner that the sidecar adopted, dead ones included.

        They are its children in another session: the sidecar itself starts only spawners in other sessions.
        """
        me = table.by_pid.get(self.pid)
        if not self.since or self.pid == 1 or me is None:
            return []
        return [
            process
            for process in table.children(self.pid)
            if process.session != me.session and process.start >= self.since and process.pid != os.getpid()
        ]


def sweep(mark: str, sidecar: Sidecar) -> tuple[int, list[int]]:
    """Kill all leftovers; returns their number, and the pids of dead ones that the sidecar has to reap."""
    killed: set[tuple[int, int]] = set()
    clean, delay, deadline = 0, 0.001, time.monotonic() + KILL_LIMIT
    while time.monotonic() < deadline:
        table = proc.Table()
        targets = find(table, mark, sidecar)
        proc.kill(table, targets)
        killed.update((process.pid, process.start) for process in targets)
        clean = 0 if targets else clean + 1
        if clean > 1:
            break
        time.sleep(delay)
        delay = min(delay * 2, 0.1)
    orphans = [process.pid for process in sidecar.adopted(proc.Table()) if not process.alive]
    return len(killed), orphans


def find(table: proc.Table, mark: str, sidecar: Sidecar) -> list[proc.Process]:
    """The living leftovers: processes with our mark, processes that the sidecar adopted, and their descendants."""
    safe = table.ancestors(os.getpid()) | {sidecar.pid}
    ours = os.environ.get(proc.INSTANCE_MARK, "")
    found: dict[int, proc.Process] = {}
    for process in table.by_pid.values():
        if process.alive and process.pid not in safe:
            hub, instance = proc.marks(process)
            # If this hub was itself started by a server of a hub, its own processes carry that server's mark.
            if hub == mark and instance != ours:
                found[process.pid] = process
    found.update((process.pid, process) for process in sidecar.adopted(table))
    for pid in list(found):
        found.update((process.pid, process) for process in table.descendants(pid))
    return [process for process in found.values() if process.alive and process.pid not in safe]


def sweep_slot(lock: str, sidecar: Sidecar) -> int:
    """Kill what an earlier spawner of the other slot left, unless one runs there now; returns the number of processes.

    After a reload the hub's sidecar is that of the other slot; the next start of the hub uses this one.
    """
    with suppress(OSError):
        file = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            mark = os.read(file, 64).decode()
            return sweep(mark, sidecar)[0] if len(mark) == 32 else 0
        finally:
            os.close(file)
    return 0
