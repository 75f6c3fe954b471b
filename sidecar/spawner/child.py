"""A process that the spawner started for the sidecar."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence

from sidecar.errors import SidecarError
from sidecar.spawner.link import Link, close_all


class Child:
    """A started process. `stdin`, `stdout` and `stderr` are our ends of its pipes; the caller has to close them."""

    def __init__(self, ident: int, instance: str, fds: Sequence[int]) -> None:
        self.pid = 0
        self.instance = instance
        self.stdin, self.stdout, self.stderr = fds
        self._id = ident
        self._link: Link | None = None
        self._exceeded: SidecarError | None = None
        self.journal = -1
        """The journal of a server that may be kept (journal.py), which the caller has to close, too; else -1."""
        self.agreed = b""
        """What `deposit` was given, by this sidecar or the one before."""
        loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[int | SidecarError] = loop.create_future()
        self._stopped: asyncio.Future[None] = loop.create_future()

    async def wait(self) -> int:
        """Wait until the process ends; returns its exit code, or the negated number of the signal that killed it.

        Raises:
            SpawnerLost: the spawner died, and this process was killed with it.
            MemoryExceeded, ProcessesExceeded: it exceeded a limit, and was ended.
        """
        end = await asyncio.shield(self._ended)
        if isinstance(end, SidecarError):
            raise end
        return end

    def on_end(self, callback: Callable[[int | SidecarError], None]) -> None:
        """Call `callback` when the process has ended, with what `wait` returns or raises."""
        self._ended.add_done_callback(lambda ended: callback(ended.result()))

    async def stop(self, grace: float = 2.0) -> None:
        """Stop the process and all its descendants, and wait until none is left.

        The caller closes its stdin first. The process has `grace` seconds to end by itself and another `grace` seconds
        after SIGTERM; then SIGKILL follows. Returns at once if it was stopped before. If this call is cancelled, the
        process is stopped nevertheless.
        """
        if self._link and not self._stopped.done():
            self._link.send(("stop", self._id, grace))
        await asyncio.shield(self._stopped)

    def started(self, link: Link, pid: int) -> None:
        """Called when the spawner has started the process."""
        self._link, self.pid = link, pid

    def ended(self, end: int | SidecarError) -> None:
        """Called when the process itself has ended."""
        if not self._ended.done():
            self._ended.set_result(self._exceeded or end)

    def exceeded(self, error: SidecarError) -> None:
        """Called when the process is about to be ended because it exceeded a limit."""
        self._exceeded = error

    def stopped(self, end: int | SidecarError = -signal.SIGKILL) -> None:
        """Called when none of its processes is left."""
        self.ended(end)
        self._link = None
        if not self._stopped.done():
            self._stopped.set_result(None)

    def deposit(self, agreed: bytes) -> None:
        """Have the spawner keep the process over the end of the sidecar, with what the next one has to know."""
        self.agreed = agreed
        if self._link:
            self._link.send(("deposit", self._id, agreed))

    def detach(self) -> None:
        """The process is to stay with the spawner: `stop` has no effect any more. Close the pipes, then call `give`."""
        if not self._stopped.done():
            self._stopped.set_result(None)

    def give(self) -> None:
        """Leave the process to the next sidecar. Nobody in this one reads from its pipes or writes to them any more."""
        if self._link:
            self._link.send(("give", self._id))
        self._link = None

    def close_pipes(self) -> None:
        """Close our ends of the pipes."""
        close_all([fd for fd in (self.stdin, self.stdout, self.stderr, self.journal) if fd >= 0])

    def abandon(self) -> None:
        """Close the pipes and have the spawner stop the process, without waiting."""
        self.close_pipes()
        if self._link:
            self._link.send(("stop", self._id, 0.0))
