"""Gives the servers that are kept to the successor, each as soon as its calls here have ended (ADR 34, ADR 35).

The successor waits for them, and so do the calls that have reached it meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

from sidecar.listener.client_connections import Connection
from sidecar.upstream.upstream import Upstream

POLL_SECONDS = 0.02
SETTLE_SECONDS = 0.1
"""Seconds without a call after which a server is given away: a request that has just been received may be on its way
to the server."""
RECEIVE_SECONDS = 5.0
"""Seconds for which requests that are still being received are waited for: a slow client must not delay the others."""


class KeptServers:
    """Stops the upstreams of kept servers, whose processes then stay with the spawner.

    `upstreams` are those of the hub; `connections` are the connections of clients that have not moved yet.
    """

    def __init__(
        self, upstreams: Callable[[], Iterable[Upstream]], connections: Callable[[], Iterable[Connection]]
    ) -> None:
        self._upstreams = upstreams
        self._connections = connections
        self._began = time.monotonic()
        self._used: dict[Upstream, float] = {}
        """When each was seen with a call in progress (`time.monotonic`)."""

    async def run(self) -> None:
        """Give them away until cancelled. When the process ends, the rest follows, with its calls cancelled."""
        while True:
            self._look(time.monotonic())
            await asyncio.sleep(POLL_SECONDS)

    def _look(self, now: float) -> None:
        receiving = now - self._began < RECEIVE_SECONDS and any(each.owed() for each in self._connections())
        for upstream in [each for each in self._upstreams() if is_kept(each)]:
            if receiving or upstream.in_flight:
                self._used[upstream] = now
            elif now - self._used.get(upstream, self._began) >= SETTLE_SECONDS:
                upstream.stop()


def is_kept(upstream: Upstream) -> bool:
    """Whether the upstream has a process that another sidecar can take over."""
    settings = upstream.spec.settings
    shared = settings.session == "shared" and not upstream.for_key
    return settings.keep and shared and settings.container is None and upstream.transport == "stdio"
