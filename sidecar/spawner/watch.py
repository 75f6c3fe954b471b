"""Watches servers whose limits of memory or processes no control group enforces. It costs nothing without such servers.

The spawner program imports this module and has to stay small.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sidecar.limits.limits import MEMORY, PIDS
from sidecar.spawner import proc
from sidecar.spawner.server import RUNNING, Server

MEMORY_INTERVAL = 0.1
"""Seconds between looks at servers with a memory limit."""
PIDS_INTERVAL = 0.5
"""Seconds between looks, if servers have a limit of processes only."""
TABLE_INTERVAL = 0.5
"""Least seconds between two snapshots of the process table that only look for new processes with memory."""


class Watch:
    """Finds servers that exceed a limit.

    Reading the whole process table takes milliseconds, so it is read only when that can show something new: the
    number of forks on the machine (`last_pid`) bounds by how many processes a server can have grown since. A server's
    memory is read each time, for the processes that are known.
    """

    def __init__(self, last_pid: Callable[[], int] = proc.last_pid) -> None:
        self._last_pid = last_pid
        self._seen_pid = -1
        """`last_pid` before the last snapshot of the process table."""
        self._table_at = 0.0
        self._next = 0.0

    def timeout(self, servers: Iterable[Server], now: float) -> float | None:
        """Seconds until the next look; None if there is nothing to watch."""
        watched = _watched(servers)
        return max(0.0, min(self._next, now + _interval(watched)) - now) if watched else None

    def look(self, servers: Iterable[Server], roots: set[int], now: float) -> list[tuple[Server, str]]:
        """The servers that exceed a limit, each with `MEMORY` or `PIDS`, if it is time to look.

        `roots`: the pids of all running servers. `now`: monotonic time in seconds.
        """
        watched = _watched(servers)
        if not watched or now < self._next:
            return []
        self._next = now + _interval(watched)
        last = self._last_pid()
        if self._needs_table(watched, last, now):
            self._seen_pid, self._table_at = last, now
            table = proc.Table()
            for one in watched:
                one.members = one.family(table, roots)
                one.seen = {(process.pid, process.start) for process in one.members}
        return [(one, kind) for one in watched if (kind := _exceeded(one))]

    def _needs_table(self, watched: list[Server], last: int, now: float) -> bool:
        forks = last - self._seen_pid
        if forks < 0 or self._seen_pid < 0:  # pids began anew
            return True
        if forks and any(one.watches(MEMORY) for one in watched) and now - self._table_at >= TABLE_INTERVAL:
            return True
        return any(one.watches(PIDS) and _threads(one) + forks > one.limits.pids for one in watched)


def _watched(servers: Iterable[Server]) -> list[Server]:
    return [one for one in servers if one.phase == RUNNING and (one.watches(MEMORY) or one.watches(PIDS))]


def _interval(watched: list[Server]) -> float:
    return MEMORY_INTERVAL if any(one.watches(MEMORY) for one in watched) else PIDS_INTERVAL


def _threads(one: Server) -> int:
    return sum(process.threads for process in one.members)


def _exceeded(one: Server) -> str:
    if one.watches(PIDS) and _threads(one) > one.limits.pids:
        return PIDS
    limit = one.limits.memory
    if not one.watches(MEMORY) or sum(proc.memory(process) for process in one.members) <= limit:
        return ""
    # The sum counts pages once for each process that shares them after a fork; this one, which is slower, does not.
    return MEMORY if sum(proc.shared_memory(process) for process in one.members) > limit else ""
