"""Lazy start and idle stop: a server that nobody uses is stopped, and the next request starts it (`sleeping`).

Its lists stay listed meanwhile. Those of a lazy server are kept over a restart of the sidecar (`known_lists`); if they
are not known, the server is started once to read them. A `per_client` server never sleeps: it starts and ends with its
session, whose state is in the process.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from bridge.models import ServerSettings, ServerSpec
from sidecar.protocol.catalog import Catalog
from sidecar.supervision.idle_timer import IdleTimer
from sidecar.supervision.known_lists import KnownLists
from sidecar.supervision.troubles import ServerTroubles

log = logging.getLogger(__name__)

LEARNED_SECONDS = 2.0
"""Seconds after which a lazy server is stopped again that was started to read its lists only."""


class UsedConnection(Protocol):
    """The connection of a server. `Connection` implements this."""

    @property
    def client_requests(self) -> int:
        """The number of requests of clients that were sent over it."""


class Subscriptions(Protocol):
    """The resource subscriptions of a server. `ServerSubscriptions` implements this."""

    @property
    def in_use(self) -> bool:
        """Whether any resource is subscribed to."""


class SleepingServer(Protocol):
    """The server that sleeps. `Upstream` implements this."""

    fingerprint: str
    spec: ServerSpec
    catalog: Catalog | None
    troubles: ServerTroubles
    in_flight: int

    @property
    def connection(self) -> UsedConnection | None:
        """The current connection while the server is ready, else None."""

    @property
    def subscriptions(self) -> Subscriptions:
        """The resource subscriptions of its clients."""

    def entered_sleep(self) -> None:
        """The server sleeps from now on."""

    def close_connection(self) -> None:
        """Close the connection; no request may be sent over it from now on."""


class Sleep:
    """The sleep of one server."""

    def __init__(self, server: SleepingServer) -> None:
        self.known_lists: KnownLists | None = None
        self.in_use: Callable[[], bool] = bool
        """Whether a client depends on the running process although no request is in progress."""
        self.falling = False
        """Whether the connection is being closed because the server shall sleep."""
        self.waking = False
        """Whether the server is started because it is needed, and has neither become ready nor failed since."""
        self._server = server
        self._needed = server.spec.settings.start == "eager"
        """Whether the server runs, or ran, for more than to read its lists."""
        self._woken = asyncio.Event()
        self._asleep = False
        self._idle = IdleTimer(self._usage, self._on_idle)
        self._requests_when_ready = 0
        """`client_requests` of the connection when the server became ready."""

    @property
    def wakes(self) -> bool:
        """Whether requests wait for the start of the server, which nobody needed before: it sleeps, is about to, or is
        being woken."""
        return self._asleep or self.falling or self.waking

    @property
    def _possible(self) -> bool:
        return self._server.spec.settings.session == "shared"

    def at_start(self) -> bool:
        """Whether the server sleeps at first, since its lists are known from an earlier process; sets its catalog."""
        if not self._possible or self._needed:
            return False
        self._server.catalog = self.remembered()
        return self._server.catalog is not None

    def remembered(self) -> Catalog | None:
        """The server's lists as an earlier process has read them; None if they are not known."""
        return self.known_lists.get(self._server.fingerprint) if self.known_lists is not None else None

    async def until_woken(self) -> None:
        """Sleep until `wake` is called; returns at once if it was called since the server began to fall asleep."""
        self.falling = False
        if not self._woken.is_set():
            self._asleep = True
            self._server.entered_sleep()
            await self._woken.wait()
            self._asleep = False
        self._woken.clear()
        self._needed = self.waking = True

    def wake(self) -> None:
        """Start the server, if it sleeps or is about to."""
        if self._asleep or self.falling:
            self._woken.set()

    def _on_idle(self) -> None:
        """The server has been unused for long enough, unless clients have used it since it was started to read its
        lists: then `idle_stop` applies, since its process may have state by now."""
        connection = self._server.connection
        if not self._needed and connection is not None and connection.client_requests > self._requests_when_ready:
            self._needed = True
            self._idle.start(self._idle_seconds())
        else:
            self._fall()

    def _fall(self) -> None:
        """Begin to sleep, in the same step of the event loop in which the server was found to be unused."""
        log.info("server stopped until it is needed", extra={"server": self._server.spec.key})
        self.falling = True
        self._server.close_connection()

    def ready(self) -> None:
        """The server has become ready."""
        self.waking = False
        connection = self._server.connection
        self._requests_when_ready = connection.client_requests if connection is not None else 0
        self._idle.start(self._idle_seconds())

    def disconnected(self) -> None:
        """The connection has ended."""
        self._idle.cancel()

    def failed(self) -> None:
        """A start has failed, or a connection has ended by itself."""
        self.waking = False

    def lists_read(self) -> None:
        """Keep the lists, which were read or have changed, of a server that may not run here when they are needed next:
        it is lazy, or another sidecar may have it (`keep`)."""
        server, settings = self._server, self._server.spec.settings
        wanted = settings.start == "lazy" or (settings.keep and self._possible)
        if self.known_lists is not None and server.catalog is not None and wanted:
            self.known_lists.put(server.fingerprint, server.catalog)

    def settings_changed(self, before: ServerSettings) -> None:
        """Apply changed settings. A server that need not sleep any more is started."""
        now = self._server.spec.settings
        if (before.start, before.idle_stop) == (now.start, now.idle_stop):
            return
        self._needed = self._needed or now.start == "eager"
        if now.start == "eager" and not now.idle_stop:
            self.wake()
        if self._server.connection is not None:
            self.lists_read()
            self._idle.start(self._idle_seconds())

    def _idle_seconds(self) -> float:
        """The time without requests after which the server is stopped; 0 for never."""
        if not self._possible:
            return 0.0
        return self._server.spec.settings.idle_stop if self._needed else LEARNED_SECONDS

    def _usage(self) -> int | None:
        """The number of requests so far; None if the server is in use, or is still reading its first lists."""
        server = self._server
        learning = not self._needed and bool(server.troubles.of_lists)
        if server.connection is None or server.in_flight or learning or server.subscriptions.in_use or self.in_use():
            return None
        return server.connection.client_requests
