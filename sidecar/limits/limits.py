"""The limits of a stdio server: memory, processes, processor time and open files, for it and all its descendants.

Sidecar and spawner program both import this module; the spawner has to stay small, so it imports nothing large.
"""

from __future__ import annotations

MEMORY, PIDS = "memory", "pids"
"""The limits that end a server which exceeds them."""
SLOWED_PRIORITY = 10
"""The nice value (nice(2)) of servers with a limit of processor time where control groups cannot enforce it."""


class Limits:
    """Limits of one server; 0 means none.

    `memory` is in bytes, `pids` counts processes and threads, `cpus` is in processors; these are for the server with
    all its descendants. `open_files` is for each of its processes.
    """

    __slots__ = ("cpus", "memory", "open_files", "pids")

    def __init__(self, memory: int = 0, pids: int = 0, cpus: float = 0.0, open_files: int = 0) -> None:
        self.memory = memory
        self.pids = pids
        self.cpus = cpus
        self.open_files = open_files

    def packed(self) -> tuple[int, int, float, int]:
        """The values in the order of the constructor's parameters, for a message to the spawner."""
        return self.memory, self.pids, self.cpus, self.open_files

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Limits) and self.packed() == other.packed()

    __hash__ = None  # type: ignore[assignment]

    def value(self, kind: str) -> int:
        """The limit `MEMORY` or `PIDS`."""
        return self.memory if kind == MEMORY else self.pids
