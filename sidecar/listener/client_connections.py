"""All connections of clients: how many there may be, how long one may keep the hub waiting, how much is kept for all.

Time is counted in calls of `tick`, one a second, rather than by the clock: a connection is judged by how often it was
found waiting, so that a hub that was itself held up blames nobody.
"""

from __future__ import annotations

import logging
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple, Protocol

from bridge.settings import Settings
from sidecar.errors import SidecarError
from sidecar.http_errors import BodiesLimit, ClientNotReading, ConnectionsLimit, RequestTimeout

log = logging.getLogger(__name__)

HEAD_TIME = 15
"""Seconds that a client has to send the whole head of a request, from the beginning of its connection too."""
BODY_TIME = 30
"""Seconds that it has for a body, and one more for each `BODY_RATE` bytes that came."""
BODY_RATE = 16 * 1024
READ_TIME = 30
"""Seconds in which it has to read anything of what waits for it."""
SOON = 2
"""Seconds after which one that keeps the hub waiting makes room for others, where there is too little."""
FEW_BYTES = 64 * 1024
"""A body of no more is never refused for want of memory."""
NEWS_PERIOD = 10.0
"""Seconds between two lines of the log about the same limit."""

Owed = Literal["head", "body"]
"""What a client has begun, or is to begin, to send."""


class Connection(Protocol):
    """One of them, as `HttpProtocol` is."""

    def owed(self) -> Owed | None:
        """What the hub waits for; None: for nothing, or for something else than the client."""

    def idle(self) -> bool:
        """Whether it is between two requests, with nothing under way."""

    def unread(self) -> tuple[int, int]:
        """Bytes that wait in its socket's buffer, and behind that."""

    def refuse(self, error: SidecarError) -> None:
        """Answer the request that is owed or under way with an error where that can be done, and end the connection."""


class Limits(NamedTuple):
    """What all connections together may have."""

    connections: int
    unread_bytes: int
    body_bytes: int

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """A quarter of the process's descriptors is kept for servers, files and the hub's own sockets."""
        descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if descriptors == resource.RLIM_INFINITY:
            descriptors = 1 << 20
        most = max(16, descriptors - max(64, descriptors // 4))
        return cls(most, settings.max_unread_bytes, 16 * settings.max_body_bytes)


class ResourceSubscriptions:
    """What is known of one connection."""

    __slots__ = ("buffered", "owed", "received", "stuck", "waited")

    def __init__(self) -> None:
        self.owed: Owed | None = None
        self.waited = 0
        """How often in a row the same was owed."""
        self.received = 0
        """Bytes of a body that is not complete."""
        self.buffered = 0
        self.stuck = 0
        """How often in a row nothing of its socket's buffer was read."""


class ClientConnections:
    """Each connection tells what becomes of it, and `tick` is called once a second. `on_end` gets the codes of ends."""

    def __init__(self, limits: Limits, on_end: Callable[[str], None] = lambda _: None) -> None:
        self.limits = limits
        self._on_end = on_end
        self._all: dict[Connection, ResourceSubscriptions] = {}
        self._fresh: dict[Connection, ResourceSubscriptions] = {}
        """Those that have never sent a whole head, oldest first."""
        self._bodies: dict[Connection, ResourceSubscriptions] = {}
        self._body_bytes = 0
        self._paused: dict[Connection, ResourceSubscriptions] = {}
        """Those whose socket takes no more."""
        self._none_idle = False
        self._ended: Counter[str] = Counter()
        self._told_at: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._all)

    # --- what connections tell -------------------------------------------------------------------------------------

    def opened(self, connection: Connection) -> None:
        """A client has connected: it is refused where there is no room and none can be made."""
        if len(self._all) < self.limits.connections or self._make_room():
            self._all[connection] = self._fresh[connection] = ResourceSubscriptions()
        else:
            self._end(connection, ConnectionsLimit(f"{len(self._all)} connections are open."))

    def closed(self, connection: Connection) -> None:
        """It is over."""
        self.body_ended(connection)
        for kept in (self._all, self._fresh, self._paused):
            kept.pop(connection, None)

    def greeted(self, connection: Connection) -> None:
        """A whole head has come."""
        self._fresh.pop(connection, None)

    def body_came(self, connection: Connection, size: int) -> None:
        """A piece of a body has come: if too much is kept of bodies that are not complete, one of them is refused."""
        watched = self._all.get(connection)
        if watched is None:
            return
        self._bodies[connection] = watched
        watched.received += size
        self._body_bytes += size
        if self._body_bytes > self.limits.body_bytes:
            slowest = max(self._bodies, key=lambda each: self._bodies[each].waited)
            if self._bodies[slowest].waited < SOON:
                slowest = connection
            if self._bodies[slowest].received > FEW_BYTES:
                self._end(slowest, BodiesLimit(f"Bodies of {self._body_bytes} bytes are kept that are not complete."))

    def body_ended(self, connection: Connection) -> None:
        """The body is complete, or will never be."""
        if watched := self._bodies.pop(connection, None):
            self._body_bytes -= watched.received
            watched.received = 0

    def paused(self, connection: Connection) -> None:
        """The socket takes no more for now: the client reads slowly, or not at all."""
        if watched := self._all.get(connection):
            watched.buffered, watched.stuck = connection.unread()[0], 0
            self._paused[connection] = watched
            self._relieve()

    def resumed(self, connection: Connection) -> None:
        """It takes more."""
        self._paused.pop(connection, None)

    # --- once a second ---------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """End what keeps the hub waiting too long."""
        self._none_idle = False
        for connection, watched in tuple(self._all.items()):
            owed = connection.owed()
            watched.waited = watched.waited + 1 if owed and owed == watched.owed else 0
            watched.owed = owed
            if watched.waited >= (HEAD_TIME if owed == "head" else BODY_TIME + watched.received // BODY_RATE):
                self._end(connection, RequestTimeout(f"The {owed} of the request did not come whole in time."))
        for connection, watched in tuple(self._paused.items()):
            buffered, waiting = connection.unread()
            watched.stuck = watched.stuck + 1 if buffered >= watched.buffered else 0
            watched.buffered = buffered
            if watched.stuck >= READ_TIME:
                self._end(connection, ClientNotReading(f"Nothing was read of {buffered + waiting} bytes."))
        self._relieve()
        for code in tuple(self._ended):
            self._tell(code)

    def _relieve(self) -> None:
        """Where too much waits for all, end who has not read for a while; at twice as much, who has most."""
        waiting = {connection: sum(connection.unread()) for connection in self._paused}
        total, most = sum(waiting.values()), self.limits.unread_bytes
        if total <= most:
            return
        for connection in sorted(waiting, key=lambda each: (-self._paused[each].stuck, -waiting[each])):
            if total > most and (self._paused[connection].stuck >= SOON or total > 2 * most):
                total -= waiting[connection]
                self._end(connection, ClientNotReading(f"{waiting[connection]} bytes wait for the client."))

    def _make_room(self) -> bool:
        """End one connection that nobody misses: that never began, that is between requests, or that only just came."""
        oldest = next(iter(self._fresh.items()), None)
        if oldest is None or oldest[1].waited < SOON:
            idle = next(self._idle(), None)
            oldest = (idle, self._all[idle]) if idle is not None else oldest
        if oldest is not None:
            self._end(oldest[0], ConnectionsLimit(f"{len(self._all)} connections are open."))
        return oldest is not None

    def _idle(self) -> Iterator[Connection]:
        if not self._none_idle:
            for connection in self._all:
                if connection.idle():
                    yield connection
                    return
            self._none_idle = True  # until the next second: looking at all of them takes its time

    def _end(self, connection: Connection, error: SidecarError) -> None:
        self.closed(connection)
        connection.refuse(error)
        self._on_end(error.code)
        self._ended[error.code] += 1
        self._tell(error.code)

    def _tell(self, code: str) -> None:
        now = time.monotonic()
        if now - self._told_at.get(code, float("-inf")) >= NEWS_PERIOD:
            self._told_at[code] = now
            extra = {"code": code, "ended": self._ended.pop(code), "open": len(self._all)}
            log.warning("connections of clients were ended", extra=extra)
