"""One server as the spawner sees it: which processes are its own, and how it is brought to an end."""

from __future__ import annotations

import os

from sidecar.spawner import proc

RUNNING, CLOSING, ENDING, KILLING, GONE = "running", "closing", "ending", "killing", "gone"

KILL_LIMIT = 10.0
"""Seconds after which a process that survives SIGKILL (stuck in the kernel, or another user's) is given up."""


class Server:
    """A server that was started, until it was stopped and nothing of it is left. Times in seconds."""

    __slots__ = ("clean", "deadline", "grace", "id", "instance", "phase", "pid", "seen", "status")

    def __init__(self, ident: int, pid: int, instance: str) -> None:
        self.id = ident
        self.pid = pid
        self.instance = instance
        self.status: int | None = None
        self.phase = RUNNING
        self.grace = 0.0
        self.deadline = 0.0
        self.seen: set[tuple[int, int]] = set()
        self.clean = 0

    def family(self, table: proc.Table, roots: set[int]) -> list[proc.Process]:
        """Its living processes; `roots` are the pids of all servers that run, this one's included.

        Its own process and what descends from it; and of the adopted ones (their parents ended, so they are the
        spawner's children now) those of its session or group, those that carry its mark, and those seen in it before.
        """
        found = []
        if self.status is None and self.pid in table.by_pid:
            found = [table.by_pid[self.pid], *table.descendants(self.pid)]
        strays = [process for process in table.children(os.getpid()) if process.pid not in roots]
        while strays:
            process = strays.pop()
            if self.owns(process):
                found += [process, *table.descendants(process.pid)]
            else:
                strays += table.children(process.pid)
        family = [process for process in found if process.alive]
        self.seen.update((process.pid, process.start) for process in family)
        return family

    def owns(self, process: proc.Process) -> bool:
        """Whether an adopted process came from this server."""
        if (process.pid, process.start) in self.seen:
            return True
        _, instance = proc.marks(process) if process.alive else ("", "")
        return instance == self.instance if instance else self.pid in (process.session, process.group)

    def stop(self, now: float, grace: float) -> None:
        """Begin to end it, or hurry: its input was closed; it has `grace` to end by itself, and again when asked."""
        if self.phase == RUNNING:
            self.phase, self.grace, self.deadline = CLOSING, grace, now + grace
        elif self.phase in (CLOSING, ENDING):
            self.grace, self.deadline = min(grace, self.grace), min(now + grace, self.deadline)

    def step(self, now: float, family: list[proc.Process], table: proc.Table, sure: bool) -> None:
        """Go on with the end of it. `sure`: no child of the spawner can be a process of it that the table missed."""
        if self.phase == CLOSING and (self.status is not None or now >= self.deadline):
            proc.terminate(family)
            self.phase, self.deadline = ENDING, now + self.grace
        elif self.phase == ENDING and now >= self.deadline:
            self.phase, self.deadline = KILLING, now + KILL_LIMIT
        if self.phase == KILLING:
            proc.kill(table, family)
        # Twice, as one look at a table that changes meanwhile may miss a process.
        self.clean = 0 if family or not sure or self.status is None else self.clean + 1
        if self.clean > 1 or (self.phase == KILLING and now >= self.deadline):
            self.phase = GONE
