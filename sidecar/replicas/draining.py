"""How a replica leaves: it is not ready any more, hands its sessions to the others, and finishes calls (ADR 55).

It goes on listening meanwhile, as load balancers take some seconds to notice, and serves what no other replica takes.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

from bridge.models import DrainState, Event
from sidecar.replicas.errors import HubDraining

if TYPE_CHECKING:
    from bridge.errors import ErrorBody
    from sidecar.hub.hub import Hub
    from sidecar.listener.server import HttpServer

log = logging.getLogger(__name__)

POLL_SECONDS = 0.05
LAST_SECONDS = 2.0
"""For which a replica still serves that has drained, while each connection ends with its next response: longer than
load balancers keep one that is not used (1 s in examples/proxy)."""


class Streams(Protocol):
    """What has streams to clients (as in succession/drain.py)."""

    def end_idle_streams(self) -> None:
        """End each stream that no request in progress needs."""


class Placed(Protocol):
    """The servers that only one replica runs (placed.py)."""

    def give_up(self) -> None:
        """Give up those that this one runs, whatever is in progress."""


class Draining:
    """Whether this replica is leaving, and how far it is. `notice` is HUB_DRAIN_SECONDS, `limit` HUB_DRAIN_TIMEOUT."""

    def __init__(self, hub: Hub, notice: float, limit: float, publish: Callable[[Event], None]) -> None:
        self.active = False
        self.noticed = False
        """Whether `notice` is over: load balancers send no more requests, and streams end."""
        self.late = 0
        """Requests that came after that."""
        self._hub, self._publish = hub, publish
        self._notice, self._limit = notice, limit
        self._began = 0.0
        self._streams: tuple[Streams, ...] = ()
        self._server: HttpServer | None = None
        self._task: asyncio.Task[bool] | None = None
        self._placed: Placed | None = None

    def of(self, server: HttpServer, streams: Iterable[Streams], placed: Placed | None = None) -> None:
        """Set what is drained: called once, when it is made."""
        self._server, self._streams, self._placed = server, tuple(streams), placed

    def refusal(self) -> HubDraining | None:
        """The error for who opens a session; None if this replica is not leaving."""
        return HubDraining("This replica of the hub is about to stop.") if self.active else None

    def trouble(self) -> ErrorBody | None:
        """The same, for the status."""
        refusal = self.refusal()
        return refusal.body() if refusal else None

    def begin(self) -> DrainState:
        """Begin to leave, if this has not begun yet; returns how far it is."""
        if not self.active:
            self.active = True
            self._began = time.monotonic()
            self._hub.config_version += 1  # no request takes the direct way any more, which knows nothing of this
            self._task = asyncio.ensure_future(self._drain())
            self._publish(Event(topic="workspace"))
            log.info("this replica is draining", extra={"seconds": self._limit})
        done = self._task is not None and self._task.done()
        # that it was idle once counts: modern clients may go on calling until it is stopped, and are served
        idle = self._task is not None and done and not self._task.cancelled() and self._task.result()
        busy = 0 if idle else self._busy()
        seconds = round(time.monotonic() - self._began, 3)
        return DrainState(seconds=seconds, busy=busy, late=self.late, done=done)

    async def finish(self, limit: float, at_once: Callable[[], bool]) -> None:
        """Begin to leave, and wait until that is done, at most `limit` seconds in all, or until `at_once` is true."""
        self.begin()
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await self._run(limit, at_once)
        # each response ends its connection now; one that is closed while it is idle may lose a request on its way
        until = time.monotonic() + LAST_SECONDS
        while time.monotonic() < until and not at_once():  # noqa: ASYNC110 (a second signal sets it)
            await asyncio.sleep(POLL_SECONDS)

    async def _drain(self) -> bool:
        """Wait until no request is in progress; returns whether that was in time. If not, other replicas nevertheless
        get the servers that only one may run."""
        idle = await self._run(self._limit, lambda: False)
        if not idle and self._placed:
            self._placed.give_up()
        return idle

    async def _run(self, limit: float, at_once: Callable[[], bool]) -> bool:
        """Wait `notice` and until no request is in progress, at most `limit`; returns whether none is."""
        while True:
            passed = time.monotonic() - self._began
            if passed >= min(self._notice, limit):
                self.noticed = True
                for each in self._streams:
                    each.end_idle_streams()
                if not self._busy():
                    return True
            if passed >= limit or at_once():
                log.warning("requests are still in progress", extra={"connections": self._busy()})
                return False
            await asyncio.sleep(POLL_SECONDS)

    def _busy(self) -> int:
        """The number of connections with a request in progress."""
        connections = self._server.connections if self._server else ()
        return sum(each.cycle is not None and not each.idle() for each in connections)
