"""Limits for all connections of clients: their number, slow senders, and the memory for slow readers (ADR 25).

Time is counted in calls of `tick`, one per second, instead of by the clock. So a client is not blamed for a time in
which the hub itself was delayed.
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
"""Seconds that a client has to send a complete head, also after opening a connection."""
BODY_TIME = 30
"""Seconds that a client has to send a body, plus one for each `BODY_RATE` bytes received."""
BODY_RATE = 16 * 1024
READ_TIME = 30
"""Seconds within which a client must read something of what is buffered for it."""
SLOW_SECONDS = 2
"""Seconds after which a slow client's connection may be ended to make room for others, if a limit is reached."""
SMALL_BODY = 64 * 1024
"""A body of at most this many bytes is never refused because of the memory limit."""
LOG_INTERVAL = 10.0
"""Minimum number of seconds between two log lines about the same limit."""

Owed = Literal["head", "body"]
"""The part of a request that the hub waits for."""


class Connection(Protocol):
    """A connection of a client. `HttpProtocol` implements this."""

    def owed(self) -> Owed | None:
        """What the hub waits for the client to send; None if it does not wait for the client."""

    def idle(self) -> bool:
        """Whether the connection is between two requests."""

    def unread(self) -> tuple[int, int]:
        """The number of bytes in the socket's buffer, and of those queued in front of it."""

    def refuse(self, error: SidecarError) -> None:
        """Answer the current request with an error, if that is possible, and close the connection."""


class Limits(NamedTuple):
    """The limits for all connections together."""

    connections: int
    unread_bytes: int
    body_bytes: int

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """The limits from the settings. A quarter of the process's file descriptors is reserved for servers, files and
        the hub's own sockets."""
        descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if descriptors == resource.RLIM_INFINITY:
            descriptors = 1 << 20
        most = max(16, descriptors - max(64, descriptors // 4))
        return cls(most, settings.max_unread_bytes, 16 * settings.max_body_bytes)


class ConnectionState:
    """The state of one connection."""

    __slots__ = ("buffered", "owed", "received", "stuck", "waited")

    def __init__(self) -> None:
        self.owed: Owed | None = None
        self.waited = 0
        """The number of consecutive ticks at which the same part was owed."""
        self.received = 0
        """The number of bytes received of an incomplete body."""
        self.buffered = 0
        self.stuck = 0
        """The number of consecutive ticks at which nothing of the socket's buffer had been read."""


class ClientConnections:
    """Enforces the limits. Connections report their events; `tick` must be called once per second.

    `on_end` gets the error code of each connection that is ended.
    """

    def __init__(self, limits: Limits, on_end: Callable[[str], None] = lambda _: None) -> None:
        self.limits = limits
        self._on_end = on_end
        self._all: dict[Connection, ConnectionState] = {}
        self._without_head: dict[Connection, ConnectionState] = {}
        """The connections that have not sent a complete head yet, oldest first."""
        self._bodies: dict[Connection, ConnectionState] = {}
        self._body_bytes = 0
        self._paused: dict[Connection, ConnectionState] = {}
        """The connections whose socket buffer is full."""
        self._lingering: dict[Connection, ConnectionState] = {}
        """The connections that are to end, whose request was answered before its body was complete; oldest first."""
        self._none_idle = False
        self._ended: Counter[str] = Counter()
        self._logged_at: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._all)

    # --- events of connections -------------------------------------------------------------------------------------

    def opened(self, connection: Connection) -> None:
        """A client has connected. It is refused if the limit is reached and no other connection can be ended."""
        if len(self._all) < self.limits.connections or self._make_room():
            self._all[connection] = self._without_head[connection] = ConnectionState()
        else:
            self._end(connection, ConnectionsLimit(f"{len(self._all)} connections are open."))

    def closed(self, connection: Connection) -> None:
        """The connection has been closed."""
        self.body_ended(connection)
        for kept in (self._all, self._without_head, self._paused, self._lingering):
            kept.pop(connection, None)

    def lingers(self, connection: Connection) -> None:
        """The connection is to end, but its client still sends; it makes room for others first."""
        self.closed(connection)
        self._all[connection] = self._lingering[connection] = ConnectionState()

    def head_received(self, connection: Connection) -> None:
        """A complete head was received."""
        self._without_head.pop(connection, None)

    def body_received(self, connection: Connection, size: int) -> None:
        """A piece of a body was received. If incomplete bodies take too much memory, one of them is refused."""
        state = self._all.get(connection)
        if state is None:
            return
        self._bodies[connection] = state
        state.received += size
        self._body_bytes += size
        if self._body_bytes > self.limits.body_bytes:
            slowest = max(self._bodies, key=lambda each: self._bodies[each].waited)
            if self._bodies[slowest].waited < SLOW_SECONDS:
                slowest = connection
            if self._bodies[slowest].received > SMALL_BODY:
                self._end(slowest, BodiesLimit(f"Bodies of {self._body_bytes} bytes are kept that are not complete."))

    def body_ended(self, connection: Connection) -> None:
        """The body is complete, or was aborted."""
        if state := self._bodies.pop(connection, None):
            self._body_bytes -= state.received
            state.received = 0

    def paused(self, connection: Connection) -> None:
        """The socket's buffer is full: the client reads slowly, or not at all."""
        if state := self._all.get(connection):
            state.buffered, state.stuck = connection.unread()[0], 0
            self._paused[connection] = state
            self._end_unread()

    def resumed(self, connection: Connection) -> None:
        """The socket's buffer has room again."""
        self._paused.pop(connection, None)

    # --- once a second ---------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """End the connections that keep the hub waiting for too long. Called once per second."""
        self._none_idle = False
        for connection, state in tuple(self._all.items()):
            owed = connection.owed()
            state.waited = state.waited + 1 if owed and owed == state.owed else 0
            state.owed = owed
            if state.waited >= (HEAD_TIME if owed == "head" else BODY_TIME + state.received // BODY_RATE):
                self._end(connection, RequestTimeout(f"The {owed} of the request did not come whole in time."))
        for connection, state in tuple(self._paused.items()):
            buffered, waiting = connection.unread()
            state.stuck = state.stuck + 1 if buffered >= state.buffered else 0
            state.buffered = buffered
            if state.stuck >= READ_TIME:
                self._end(connection, ClientNotReading(f"Nothing was read of {buffered + waiting} bytes."))
        self._end_unread()
        for code in tuple(self._ended):
            self._log_ended(code)

    def _end_unread(self) -> None:
        """If too much is buffered in all, end connections that have not read for a while, slowest first. At twice the
        limit, also end those that read, largest buffer first."""
        waiting = {connection: sum(connection.unread()) for connection in self._paused}
        total, most = sum(waiting.values()), self.limits.unread_bytes
        if total <= most:
            return
        for connection in sorted(waiting, key=lambda each: (-self._paused[each].stuck, -waiting[each])):
            if total > most and (self._paused[connection].stuck >= SLOW_SECONDS or total > 2 * most):
                total -= waiting[connection]
                self._end(connection, ClientNotReading(f"{waiting[connection]} bytes wait for the client."))

    def _make_room(self) -> bool:
        """End one connection that is in no use. Returns False if there is none."""
        if (unneeded := self._unneeded()) is None:
            return False
        self._end(unneeded, ConnectionsLimit(f"{len(self._all)} connections are open."))
        return True

    def _unneeded(self) -> Connection | None:
        """A connection that is to end anyway, else one without a head for some time, else an idle one, else the oldest
        without a head."""
        if self._lingering:
            return next(iter(self._lingering))
        fresh, state = next(iter(self._without_head.items()), (None, None))
        return fresh if state is not None and state.waited >= SLOW_SECONDS else next(self._idle(), fresh)

    def _idle(self) -> Iterator[Connection]:
        if not self._none_idle:
            for connection in self._all:
                if connection.idle():
                    yield connection
                    return
            self._none_idle = True  # until the next tick: searching all connections takes time

    def _end(self, connection: Connection, error: SidecarError) -> None:
        self.closed(connection)
        connection.refuse(error)
        self._on_end(error.code)
        self._ended[error.code] += 1
        self._log_ended(error.code)

    def _log_ended(self, code: str) -> None:
        now = time.monotonic()
        if now - self._logged_at.get(code, float("-inf")) >= LOG_INTERVAL:
            self._logged_at[code] = now
            extra = {"code": code, "ended": self._ended.pop(code), "open": len(self._all)}
            log.warning("connections of clients were ended", extra=extra)
