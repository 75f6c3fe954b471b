"""Decides whether the spawner is hung: it is asked for an answer now and then ([ADR 36](docs/adr/0036-watchdog.md)).

As with the hub's other processes (`hubctl/run/watchdog.py`), time does not count in which the spawner only waits for a
processor, for a disk or for a debugger, nor time in which the sidecar itself did not run.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

DEFAULT_LIMIT = 8.0
"""Seconds of silence after which the spawner is hung; `hubctl run` hands over those of HUB_WATCHDOG."""
INTERVAL = 2.0
"""Seconds between two questions; fewer if the limit is shorter than four of them."""
NOT_HUNG_STATES = "DtZX"
"""States in /proc/PID/stat in which no process can answer: it waits for a disk, is traced, or has ended."""
STOPPED = "T"


class Look(NamedTuple):
    """What /proc says of a process: its state, and the seconds for which it has waited for a processor so far."""

    state: str
    waited: float


class Pulse:
    """The silence of a process, in seconds that count."""

    def __init__(self, limit: float, now: float) -> None:
        """`limit`: seconds of silence after which it is hung. `now`: monotonic time in seconds."""
        self.interval = min(INTERVAL, limit / 4)
        self._limit = limit
        self._silence = 0.0
        self._last = now
        self._waited: float | None = None

    def heard(self) -> None:
        """It has answered."""
        self._silence = 0.0

    def beat(self, now: float, look: Look | None) -> float | None:
        """Count the time since the last beat; returns the seconds of silence if the process is hung, else None.

        `look`: the process as it is now, None if that is unknown.
        """
        elapsed, self._last = now - self._last, now
        if elapsed > 2 * self.interval + 2:  # this process did not run
            self._silence = 0.0
        else:
            self._silence += max(0.0, elapsed - self._excused(elapsed, look))
        self._waited = look.waited if look else None
        return self._silence if self._silence >= self._limit else None

    def _excused(self, elapsed: float, look: Look | None) -> float:
        if look is None:
            return 0.0
        if look.state in NOT_HUNG_STATES:
            return elapsed
        return 0.0 if self._waited is None else look.waited - self._waited


async def hung(pulse: Pulse, pid: int, ask: Callable[[], bool]) -> float:
    """Ask a process for an answer again and again until it is hung; returns the seconds of its silence.

    `ask` returns whether the process can answer yet. While it cannot, time counts only if the process is stopped.
    """
    clock = asyncio.get_running_loop().time
    while True:
        able = ask()
        await asyncio.sleep(pulse.interval)
        look = look_at(pid)
        if not able and not (look and look.state == STOPPED):
            pulse.heard()
        if (seconds := pulse.beat(clock(), look)) is not None:
            return seconds


def look_at(pid: int, root: Path = Path("/proc")) -> Look | None:
    """Describe a process by proc_pid_stat(5) and schedstat; None if it is gone or there is no /proc."""
    try:
        state = (root / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()[0].decode()
    except (OSError, IndexError):
        return None
    waited = 0.0
    with contextlib.suppress(OSError, ValueError, IndexError):  # a kernel without schedstat
        waited = int((root / str(pid) / "schedstat").read_bytes().split()[1]) / 1e9
    return Look(state, waited)
