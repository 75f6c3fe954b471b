"""Decides which of the hub's processes are hung, by their heartbeats ([ADR 36](docs/adr/0036-watchdog.md)).

A process is not hung while it only waits for a processor, for a disk or for a debugger. Time is monotonic, and time in
which the supervisor itself did not run counts for nobody: a frozen container or a suspended machine ends nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

CODE = "PROCESS_HUNG"
DEFAULT_SECONDS = 8.0
START_SECONDS = 60.0
"""Seconds that a process has until its first heartbeat, of the time that counts."""
CHECK_SECONDS = 0.9
"""Minimum number of seconds between two checks; supervisord's loop runs at least once a second."""
HELD_UP_SECONDS = 4.0
"""A longer pause between two checks means that this process did not run: everybody's silence begins anew."""
NOT_HUNG_STATES = "DtZX"
"""States in /proc/PID/stat in which no process can write: it waits for a disk, is traced, or has ended."""


class Process(NamedTuple):
    """What /proc says of a process: its state, and for each of its threads the seconds it waited for a processor."""

    state: str
    waited: dict[str, float]


class Silence:
    """How long a process has been silent, in seconds that count. Pure."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.started = False
        """It has written at least once."""
        self._before: Process | None = None

    def heard(self) -> None:
        """It has written."""
        self.seconds, self.started, self._before = 0.0, True, None

    def begin_anew(self) -> None:
        """Forget what was counted."""
        self.seconds, self._before = 0.0, None

    def passed(self, elapsed: float, process: Process | None) -> None:
        """`elapsed` seconds passed without a heartbeat; `process` as it is now, None if that is unknown."""
        self.seconds += max(0.0, elapsed - self._excused(elapsed, process))
        self._before = process

    def _excused(self, elapsed: float, process: Process | None) -> float:
        """Return how many of these seconds the process could not run for reasons that are not its own."""
        if process is None:
            return 0.0
        if process.state in NOT_HUNG_STATES:
            return elapsed
        before = self._before.waited if self._before else process.waited
        return max((waited - before.get(thread, waited) for thread, waited in process.waited.items()), default=0.0)


class Watchdog:
    """Checks the heartbeats of processes, at most once every `CHECK_SECONDS`."""

    def __init__(
        self,
        limit: float,
        heard: Callable[[int], bool],
        look: Callable[[int], Process | None],
        clock: Callable[[], float],
    ) -> None:
        """Make a watchdog. `limit` is in seconds.

        `heard` tells whether a process has written since it was last asked; `look` describes a process.
        """
        self._limit, self._heard, self._look, self._clock = limit, heard, look, clock
        self._checked = clock()
        self._silences: dict[int, Silence] = {}

    def check(self, running: Callable[[], Iterable[int]]) -> Iterator[tuple[int, float]]:
        """Return the processes among those `running` that are hung, each with the seconds of its silence."""
        elapsed = self._clock() - self._checked
        if elapsed < CHECK_SECONDS:
            return
        self._checked += elapsed
        pids = list(running())
        self._silences = {pid: self._silences.get(pid) or Silence() for pid in pids}
        for pid, silence in self._silences.items():
            if self._heard(pid):
                silence.heard()
            elif elapsed > HELD_UP_SECONDS:
                silence.begin_anew()
            else:
                silence.passed(elapsed, self._look(pid))
            if silence.seconds >= (self._limit if silence.started else max(START_SECONDS, self._limit)):
                yield pid, silence.seconds


def look(pid: int, root: Path = Path("/proc")) -> Process | None:
    """Describe a process by proc_pid_stat(5) and schedstat; None if it is gone or there is no /proc."""
    directory = root / str(pid)
    try:
        state = (directory / "stat").read_text("ascii", "replace").rpartition(")")[2].split()[0]
        threads = [path.name for path in (directory / "task").iterdir()]
    except (OSError, IndexError):
        return None
    waited = {}
    for thread in threads:
        with contextlib.suppress(OSError, ValueError, IndexError):  # a thread that ended, a kernel without schedstat
            text = (directory / "task" / thread / "schedstat").read_text("ascii")
            waited[thread] = int(text.split()[1]) / 1e9
    return Process(state, waited)


def limit_of(value: str) -> float | None:
    """Return the seconds of HUB_WATCHDOG, which `hubctl run` has checked; None if it is off."""
    return None if value == "off" else float(value or DEFAULT_SECONDS)
