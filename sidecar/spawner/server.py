"""A server in the spawner: determines which processes belong to it, and stops them."""

from __future__ import annotations

import os

from sidecar.limits.groups import Group
from sidecar.limits.limits import MEMORY, Limits
from sidecar.spawner import proc
from sidecar.spawner.keep.keeping import Kept
from sidecar.spawner.keep.sidecars import SidecarLink
from sidecar.spawner.wire import Message

RUNNING, CLOSING, ENDING, KILLING, GONE = "running", "closing", "ending", "killing", "gone"

KILL_LIMIT = 10.0
"""Seconds after which a process that survives SIGKILL (stuck in the kernel, or of another user) is given up."""


class Server:
    """A started server, until none of its processes is left. Times are in seconds.

    Phases: RUNNING; CLOSING (its stdin was closed); ENDING (after SIGTERM); KILLING (after SIGKILL); GONE.
    `status` is the wait status of its main process, once that has ended. `group` is its control group, if that enforces
    some of its `limits`; `members` are its processes when it was last looked at because of the other limits. `kept`: it
    may outlive the sidecar. `sidecar`: the one that uses it; None for a kept one that waits for the next.
    """

    __slots__ = (
        "clean",
        "deadline",
        "grace",
        "group",
        "id",
        "instance",
        "kept",
        "limits",
        "members",
        "phase",
        "pid",
        "seen",
        "sidecar",
        "status",
    )

    def __init__(
        self,
        ident: int,
        pid: int,
        instance: str,
        limits: Limits,
        group: Group | None = None,
        kept: Kept | None = None,
        sidecar: SidecarLink | None = None,
    ) -> None:
        self.id = ident
        self.pid = pid
        self.instance = instance
        self.status: int | None = None
        self.phase = RUNNING
        self.grace = 0.0
        self.deadline = 0.0
        self.seen: set[tuple[int, int]] = set()
        self.clean = 0
        self.limits = limits
        self.group = group
        self.kept = kept
        self.sidecar = sidecar
        self.members: list[proc.Process] = []

    @property
    def can_be_kept(self) -> bool:
        """Whether another sidecar can take it over."""
        return self.phase == RUNNING and self.status is None and self.kept is not None and bool(self.kept.agreed)

    def name(self, kind: str) -> Message:
        """A message about a kept server that says only which one it is."""
        return (kind, self.kept.key, self.kept.identity) if self.kept else (kind, "", "")

    def offer(self) -> tuple[Message, list[int]]:
        """The message by which a sidecar gets a kept server, and its descriptors."""
        _, key, identity = self.name("")
        agreed, fds = (self.kept.agreed, self.kept.fds) if self.kept else (b"", [])
        return ("kept", self.id, self.pid, self.instance, key, identity, agreed), fds

    def tell(self, message: Message) -> None:
        """Send a message to the sidecar that uses it."""
        if self.sidecar:
            self.sidecar.send(message)

    def watches(self, kind: str) -> bool:
        """Whether the spawner itself has to see to the limit `MEMORY` or `PIDS`, as no control group does."""
        return self.limits.value(kind) > 0 and not (self.group and self.group.enforces(kind))

    def out_of_memory(self) -> bool:
        """Whether the system killed processes of it because of its memory limit."""
        return bool(self.group and self.limits.memory and self.group.exceeded(MEMORY))

    def family(self, table: proc.Table, roots: set[int]) -> list[proc.Process]:
        """Its living processes. `roots`: the pids of all running servers, this one included.

        These are its main process and its descendants; and of the orphans, which the spawner has adopted, those in its
        session or process group, those with its mark, and those that belonged to it before; with their descendants.
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
        """Whether an adopted process belongs to this server."""
        if (process.pid, process.start) in self.seen:
            return True
        _, instance = proc.marks(process) if process.alive else ("", "")
        return instance == self.instance if instance else self.pid in (process.session, process.group)

    def stop(self, now: float, grace: float) -> None:
        """Begin to stop it after its stdin was closed; if that has begun, shorten the grace periods to `grace`."""
        if self.kept:
            self.kept.close()
        if self.phase == RUNNING:
            self.phase, self.grace, self.deadline = CLOSING, grace, now + grace
        elif self.phase in (CLOSING, ENDING):
            self.grace, self.deadline = min(grace, self.grace), min(now + grace, self.deadline)

    def kill(self, now: float) -> None:
        """Begin to stop it without grace."""
        if self.phase != KILLING:
            self.phase, self.deadline = KILLING, now + KILL_LIMIT

    def step(self, now: float, family: list[proc.Process], table: proc.Table, sure: bool) -> None:
        """Continue to stop it. `sure`: no child of the spawner can be a process of it that is missing in the table."""
        if self.phase == CLOSING and (self.status is not None or now >= self.deadline):
            proc.terminate(family)
            self.phase, self.deadline = ENDING, now + self.grace
        elif self.phase == ENDING and now >= self.deadline:
            self.phase, self.deadline = KILLING, now + KILL_LIMIT
        if self.phase == KILLING:
            if self.group:
                self.group.kill()
            proc.kill(table, family)
        # Twice in a row, as a single snapshot, which is not atomic, may miss a process.
        self.clean = 0 if family or not sure or self.status is None else self.clean + 1
        if self.clean > 1 or (self.phase == KILLING and now >= self.deadline):
            self.phase = GONE
