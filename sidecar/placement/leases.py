"""Leases: which replica runs a server whose `placement` is `one` (ADR 58).

A lease ends `TTL_SECONDS` after it was last renewed, by the database's clock, or, in Kubernetes, by that of whoever
wants it; nobody gets it before. Its holder counts the same time on its own clock, from before it asked for the renewal,
and begins to stop the server `STOP_SECONDS` before the end. So the server is gone before another replica may start it,
whatever the connection does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from bridge.deadlines import set_within
from sidecar.placement.errors import PlacedElsewhere, PlacementUnavailable

log = logging.getLogger(__name__)

TTL_SECONDS = 20.0
RENEW_SECONDS = 4.0
STOP_SECONDS = 10.0
"""Time for a server to end; a process that ignores SIGTERM takes 3 s."""
LOOK_SECONDS = 0.25
RELEASE_SECONDS = 5.0
"""Longest wait for servers to end before the sidecar ends, so that their leases can be given back."""
FOLLOW_SECONDS = RENEW_SECONDS + 1
"""How long a replica that is about to stop looks for the one that takes a server over."""


class StoreFailed(Exception):
    """The store of leases cannot be used; the text says why."""


class Answer(NamedTuple):
    """The answer to an attempt to get a lease."""

    epoch: int
    """Grows with each change of the holder; 0: somebody else has the lease."""
    replica: str
    """Who has it."""


class LeaseStore(Protocol):
    """Where leases are kept. Methods raise StoreFailed."""

    async def acquire(self, key: str, seconds: float) -> Answer:
        """Get a lease that nobody else has, until `seconds` from now."""

    async def renew(self, keys: Collection[str], seconds: float) -> Mapping[str, bool]:
        """Extend leases that this holder has; return whether it has each, without those that got no answer."""

    async def release(self, keys: Collection[str]) -> None:
        """Give leases back."""

    async def taker(self, key: str) -> str:
        """The other replica that has a lease; empty: none."""

    async def close(self) -> None:
        """End connections."""


class Placement(Protocol):
    """What decides whether a server runs here."""

    def running(self, key: str) -> AbstractAsyncContextManager[int]:
        """A block in which the server runs. Its value is the lease's epoch, 0 without leases.

        Raises:
            PlacedElsewhere, PlacementUnavailable: it may not run here now.
        """

    async def run(self) -> None:
        """Do what is to be done in the background, until cancelled."""


class EverywherePlacement:
    """Of a hub that has no replicas: every server runs here."""

    @contextlib.asynccontextmanager
    async def running(self, key: str) -> AsyncIterator[int]:
        """Nothing has to be asked."""
        yield 0

    async def run(self) -> None:
        """Nothing has to be done."""


class NoPlacement(EverywherePlacement):
    """Of a replica without a place for leases, where nobody can say who runs such a server."""

    @contextlib.asynccontextmanager
    async def running(self, key: str) -> AsyncIterator[int]:
        """Raise PlacementUnavailable."""
        raise PlacementUnavailable(
            f"The server {key!r} is to run in one replica, but neither HUB_CONFIG_DATABASE nor HUB_PLACEMENT is set."
        )
        yield 0


@dataclass
class _Held:
    epoch: int
    until: float
    """When it ends, by this hub's clock."""
    lost: bool = False
    """Whether the server is being stopped because of it."""
    given: asyncio.Event | None = None
    """Set when it has been given back; None: it is not given up."""


def boot_time() -> float:
    """Seconds of a clock that no setting moves, and that goes on while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class LeaseKeeper:
    """The leases of this sidecar. `wanted` returns the servers that it is to run if it can; `changed` is called with a
    server whose lease was got or lost, and closes its connections.
    """

    def __init__(
        self,
        store: LeaseStore,
        wanted: Callable[[], Collection[str]],
        changed: Callable[[str], None],
        clock: Callable[[], float] = boot_time,
    ) -> None:
        self._store = store
        self._wanted = wanted
        self._changed = changed
        self._clock = clock
        self._held: dict[str, _Held] = {}
        self._running: Counter[str] = Counter()
        self._ended = asyncio.Event()
        """Set when a server has ended."""
        self._due = asyncio.Event()
        """Set when a lease can be given back."""
        self._leaving = False
        self._found: dict[str, str] = {}
        """Where each server was found to run when it was last opened here; empty: unknown."""
        self.watchers: list[Callable[[str], None]] = []
        """Called as `changed`, and before it. With any, `changed` is also called when another replica gets the lease
        of a server that was used at a third one, or could not be opened here."""

    @contextlib.asynccontextmanager
    async def running(self, key: str) -> AsyncIterator[int]:
        """A block in which the server runs; see `Placement`."""
        held = self._valid(key) or await self._acquire_or_note(key)
        self._running[key] += 1
        try:
            yield held.epoch
        finally:
            self._running[key] -= 1
            self._ended.set()
            if self._leaving:
                self._due.set()

    def holds(self, key: str) -> bool:
        """Whether the server may run here now."""
        return self._valid(key) is not None

    def give_up(self, is_busy: Callable[[str], bool]) -> None:
        """Get no lease any more, as this replica is about to stop; end each server that is not busy, and then give its
        lease back, so that another replica runs it."""
        self._leaving = True
        for key, held in list(self._held.items()):
            if not held.lost and not is_busy(key):
                held.lost, held.given = True, asyncio.Event()
                log.info("this replica gives a server up", extra={"server": key})
                self._tell(key)
                self._due.set()

    async def given_up(self, key: str) -> bool:
        """Whether this replica gives the server up; waits until another one can get its lease."""
        held = self._held.get(key)
        if held is None or held.given is None:
            return False
        await held.given.wait()
        return True

    async def _acquire_or_note(self, key: str) -> _Held:
        now = asyncio.get_running_loop().time
        until = now() + FOLLOW_SECONDS
        while True:
            try:
                return await self._acquire(key)
            except PlacedElsewhere as elsewhere:
                replica = str(elsewhere.data.get("replica", ""))
                if replica or not self._leaving or now() >= until:
                    self._found[key] = replica
                    raise
            await asyncio.sleep(LOOK_SECONDS)

    def _valid(self, key: str) -> _Held | None:
        held = self._held.get(key)
        return held if held and not held.lost and self._clock() < held.until - STOP_SECONDS else None

    async def _acquire(self, key: str) -> _Held:
        if self._running[key]:
            raise PlacementUnavailable(f"The server {key!r} still ends here, because its lease was lost.")
        began = self._clock()
        try:
            answer = (
                Answer(0, await self._store.taker(key))
                if self._leaving
                else await self._store.acquire(key, TTL_SECONDS)
            )
        except StoreFailed as failed:
            raise PlacementUnavailable(f"It is unknown which replica runs the server {key!r}: {failed}") from None
        if self._leaving and not answer.replica:
            raise PlacementUnavailable(
                f"This replica is about to stop, and no other one runs the server {key!r} yet.",
                hint="Another replica takes it over within some seconds, if one is there.",
            )
        if not answer.epoch:
            message = f"The replica {answer.replica or 'without a name'!r} runs the server {key!r}."
            raise PlacedElsewhere(message, data={"server": key, "replica": answer.replica})
        held = self._held[key] = _Held(answer.epoch, began + TTL_SECONDS)
        log.info("this replica runs the server", extra={"server": key, "lease_epoch": answer.epoch})
        return held

    async def run(self) -> None:
        """Renew leases, take free ones, and stop servers whose leases end; until cancelled. Then give them back."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow())
                tasks.create_task(self._watch())
        finally:
            await self._end()

    async def _follow(self) -> None:
        while True:
            self._due.clear()
            with contextlib.suppress(StoreFailed):
                await self.renew()
            await set_within(self._due, RENEW_SECONDS)

    async def renew(self) -> None:
        """One round: give back what is not needed, renew the rest, take what is free. Raises StoreFailed."""
        wanted = set(self._wanted())
        await self._give_back()
        if unneeded := [key for key in self._held if key not in wanted and not self._running[key]]:
            for key in unneeded:
                del self._held[key]
            await self._store.release(unneeded)
        if keys := [key for key, held in self._held.items() if not held.lost]:
            began = self._clock()
            renewed = await self._store.renew(keys, TTL_SECONDS)
            for key, is_ours in renewed.items():
                if not is_ours:
                    self._lose(key)
                elif (held := self._held.get(key)) and not held.lost:
                    held.until = began + TTL_SECONDS
        for key in wanted - self._held.keys():
            try:
                await self._acquire(key)
            except PlacedElsewhere as elsewhere:
                replica = elsewhere.data.get("replica")
                if self.watchers and replica and self._found.get(key, replica) != replica:  # it is to be used there
                    self._found[key] = replica
                    self._tell(key)
            else:
                self._found.pop(key, None)
                self._tell(key)

    async def _give_back(self) -> None:
        """Give back what is given up, once the servers have ended; without the store, these leases end in time."""
        given = {key: held.given for key, held in self._held.items() if held.given and not self._running[key]}
        if given:
            with contextlib.suppress(StoreFailed):
                await self._store.release(tuple(given))
        for key, event in given.items():
            del self._held[key]
            event.set()

    async def _watch(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(LOOK_SECONDS)

    def look(self) -> None:
        """Stop servers whose leases end soon, and forget lost leases of servers that have ended. Needs no database."""
        now = self._clock()
        for key, held in list(self._held.items()):
            if not held.lost and now >= held.until - STOP_SECONDS:
                self._lose(key)
            if held.lost and not held.given and not self._running[key]:
                del self._held[key]
            elif held.lost and now >= held.until:
                log.error("a server still runs here after its lease has ended", extra={"server": key})

    def _lose(self, key: str) -> None:
        self._held[key].lost = True
        log.warning("the lease of a server is lost; it is stopped here", extra={"server": key})
        self._tell(key)

    def _tell(self, key: str) -> None:
        for watcher in self.watchers:
            watcher(key)
        self._changed(key)

    async def _end(self) -> None:
        """Give the leases back once their servers have ended."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RELEASE_SECONDS):
                while any(self._running[key] for key in self._held):
                    self._ended.clear()
                    await self._ended.wait()
        with contextlib.suppress(StoreFailed):
            await self._store.release([key for key in self._held if not self._running[key]])
        await self._store.close()
