"""One server as the hub keeps it: connected again whenever the connection ends, by the one task that owns it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from typing import Any, Protocol

from bridge.errors import ErrorBody
from bridge.models import ServerSpec, ServerState, UpstreamState
from sidecar.admission.context import CallContext, RequestContext, Visitor
from sidecar.concurrency.semaphore import Semaphore, semaphore_for
from sidecar.concurrency.shares import uncontested
from sidecar.errors import (
    ConnectionLost,
    HandshakeFailed,
    ServerUnavailable,
    SidecarError,
    StartTimeout,
    VariableMissing,
)
from sidecar.observe.metrics import Metrics
from sidecar.protocol import jsonrpc
from sidecar.protocol.catalog import Catalog
from sidecar.protocol.channel import Channel, Frame, OnFrame
from sidecar.upstream import asking
from sidecar.upstream.backoff import Backoff
from sidecar.upstream.client_features import ClientPort
from sidecar.upstream.connection import Connection
from sidecar.upstream.list_reader import Undeclared
from sidecar.upstream.mux import Progress
from sidecar.upstream.resource_subscriptions import Subscriber, Subscriptions
from sidecar.upstream.server_gate import ServerGate
from sidecar.upstream.troubles import Troubles

log = logging.getLogger(__name__)

RECONNECT_WAIT = 5.0
"""How long a call waits for a server that is being reconnected, in seconds."""

Connect = Callable[[OnFrame], AbstractAsyncContextManager[Channel]]
Prepare = Callable[[ServerSpec, Callable[[ErrorBody | None], None]], Awaitable[None]]
"""What has to be there before a server can be started; tells what it waits for, which is not limited in time."""


class Listener(Protocol):
    """Who is told of what an upstream does. Called on the event loop; must neither block nor raise."""

    def upstream_changed(self, upstream: Upstream) -> None:
        """Its state, its troubles or its lists changed."""

    def upstream_notified(self, upstream: Upstream, method: str, params: dict[str, Any]) -> None:
        """The server sent a notification that is neither progress nor list_changed."""


class Upstream:
    """States: starting, ready (handshake and lists answered), backoff (tried again soon), failed (tried again rarely,
    or never where trying cannot help), stopped."""

    def __init__(
        self,
        fingerprint: str,
        spec: ServerSpec,
        connect: Connect,
        listener: Listener,
        metrics: Metrics,
        port: ClientPort | None = None,
        contested: Callable[[], bool] = uncontested,
    ) -> None:
        self.fingerprint = fingerprint
        self.spec = spec
        self.for_key = False  # whether it is one key's own, beside the one that the hub's own clients use
        self.state: UpstreamState = "starting"
        self.reason: ErrorBody | None = None
        self.since = time.time()
        self.retry_at: float | None = None
        self.restarts = 0
        """How often it had to be connected again after it had been ready, or was asked to restart."""
        self._was_ready = False
        self.in_flight = 0
        self.refused: set[str] = set()
        """Client features that the server asked for in vain."""
        self.tried = False
        """Whether the first attempt to start is over, well or badly."""
        self.troubles = Troubles()
        self.undeclared = Undeclared()
        self.backoff = Backoff()
        self.log_level: str | None = None
        """What its clients want it to log, where one said so."""
        self.rename: Callable[[str], str] = str
        """A URI of its own as its client, if it has one alone, is to see it."""
        self.owned: Callable[[], Collection[str]] = tuple  # as connection.Owner has it
        self.subscriptions = Subscriptions(lambda: self.ready(RECONNECT_WAIT))
        self.catalog: Catalog | None = None
        """The lists as last read; kept while it is being reconnected, so that a crash makes no tool vanish."""
        self.prepare: Prepare | None = None
        self.redact: Callable[[str], str] = str  # masks secrets in the reason why it is not ready
        self._connect = connect
        self._listener = listener
        self._metrics = metrics
        self._port = port
        self.connection: Connection | None = None
        """The one there is, while it is ready."""
        self._channel: Channel | None = None
        self._stderr: tuple[str, ...] = ()
        self._contested = contested
        self.gate = self._gate()
        """What each request to it passes."""
        self._stopping = False
        self._end = asyncio.Event()
        self._opening: asyncio.Timeout | None = None
        self._news = asyncio.Event()

    # --- lifecycle -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the server connected until `stop`; returns when everything of it is closed."""
        try:
            while not self._stopping:
                self._enter("starting", self.reason)
                began = time.monotonic()
                reason = await self._connect_once()
                if not self._stopping:
                    await self._wait_to_retry(reason, time.monotonic() - began)
        finally:
            self._enter("stopped", None)

    def stop(self, drain_timeout: float = 0.0) -> None:
        """Close it once the calls in flight have ended, but after `drain_timeout` seconds in any case."""
        self._stopping = True
        if not self.in_flight or not drain_timeout:
            self._end_now()
        else:
            asyncio.get_running_loop().call_later(drain_timeout, self._end_now)

    def restart(self) -> None:
        """Close the connection, if there is one, and open it anew without waiting."""
        self.backoff.reset()
        self._end_now()

    def _end_now(self) -> None:
        self._end.set()
        if self._opening is not None and not self._opening.expired():
            self._opening.reschedule(0)

    def _preparing(self, what: ErrorBody | None) -> None:
        """Tell what is waited for; with None, that the wait is over, from which on its start is timed."""
        self.tried, self.since = True, self.since if what else time.time()
        self._enter("starting", what)

    def respec(self, spec: ServerSpec) -> None:
        """Take over settings that need no new connection: name, limits, timeouts."""
        before, self.spec = self.spec.settings, spec
        if any(
            getattr(before, name) != getattr(spec.settings, name) for name in ("max_inflight", "share_between_keys")
        ):
            self.gate = self._gate()

    def _gate(self) -> ServerGate:
        return ServerGate(semaphore_for(self.spec.settings, self._contested), self.spec.key)

    @property
    def semaphore(self) -> Semaphore:
        """How many requests may be under way at it."""
        return self.gate.semaphore

    async def _connect_once(self) -> SidecarError | None:
        """One connection from open to close; returns why it ended, or None if it was asked to."""
        connection = Connection(self.spec.settings, self, self._port)
        try:
            async with AsyncExitStack() as stack:
                if self.prepare:
                    async with asyncio.timeout(None) as self._opening:
                        await self.prepare(self.spec, self._preparing)
                async with asyncio.timeout(self.spec.settings.start_timeout) as self._opening:
                    self._channel = await stack.enter_async_context(self._connect(connection.on_frame))
                self._opening = None
                reason = await connection.run(self._channel, self._end)
                self.connection = None  # closing takes its time, and who asks meanwhile waits for the next
                return reason
        except TimeoutError:
            late = StartTimeout(f"No connection within {self.spec.settings.start_timeout:g} s.")
            return None if self._end.is_set() else late
        except SidecarError as error:
            return error
        except Exception:
            log.exception("connecting failed", extra={"server": self.spec.key})
            return HandshakeFailed(
                "The connection failed in a way that the hub does not know; its log has the details."
            )
        finally:
            self._opening = self.connection = None
            if self._channel is not None:
                self._stderr, self._channel = self._channel.stderr(), None

    async def _wait_to_retry(self, reason: SidecarError | None, took: float) -> None:
        self.tried = True
        if self._end.is_set():  # asked to restart
            self._end.clear()
            self._count_restart()
            return
        reason, delay = reason or ConnectionLost("The server ended the connection."), self.backoff.next_delay(took)
        body = reason.body(self.redact)
        if self._was_ready:
            self._count_restart()
        hopeless = isinstance(reason, VariableMissing)
        self.retry_at = None if hopeless else time.time() + delay
        if hopeless or self.backoff.hopeless:
            self.catalog = None
        news = self.reason is None or self.reason.message != body.message
        self._enter("failed" if hopeless or self.backoff.hopeless else "backoff", body)
        told = {"server": self.spec.key, "code": reason.code, "reason": body.message}
        level = logging.WARNING if news else logging.DEBUG
        log.log(level, "server not ready", extra={**told, "attempts": self.backoff.attempts})
        with suppress(TimeoutError):
            async with asyncio.timeout(None if hopeless else delay):
                await self._end.wait()
        if not self._stopping:
            self._end.clear()
        self.retry_at = None

    def _count_restart(self) -> None:
        self._was_ready = False
        self.restarts += 1
        self._metrics.restarted(self.spec.key)

    def _enter(self, state: UpstreamState, reason: ErrorBody | None) -> None:
        if state != self.state:
            self.since = time.time()
        self.state, self.reason = state, reason
        self._news.set()
        self._news = asyncio.Event()
        self._tell()

    def _tell(self) -> None:
        self._metrics.upstream_state(self.spec.key, self.shown_state)
        self._listener.upstream_changed(self)

    @property
    def shown_state(self) -> ServerState:
        """Its state for people: `degraded` where it is ready and something is wrong with it."""
        return "degraded" if self.state == "ready" and self.troubles.all else self.state

    # --- what the connection tells (connection.Owner) --------------------------------------------------------------

    def catalog_read(self, connection: Connection) -> None:
        """The server is ready, or its lists or their troubles changed."""
        self.connection, self.catalog, self.tried = connection, connection.catalog, True
        self.troubles.set(self.spec.key, connection.troubles)
        if self.state == "ready":
            self._tell()
            return
        self.backoff.ready()
        self._was_ready = True
        told = {"server": self.spec.key, "era": self.catalog.greeting.era, "tools": len(self.catalog.tools)}
        log.info("server ready", extra=told)
        self._enter("ready", None)

    def subscribed(self) -> Iterable[str]:
        """URIs that somebody subscribed to."""
        return self.subscriptions

    async def set_log_level(self, level: str | None) -> None:
        """Have the server log at this level, now and after each reconnection; it need not comply."""
        changed, self.log_level = level != self.log_level, level
        if changed and self.connection is not None:
            await self.connection.set_log_level()

    def notified(self, method: str, params: dict[str, Any]) -> None:
        """Pass a notification on."""
        self._listener.upstream_notified(self, method, params)

    def feature_refused(self, method: str) -> None:
        """Remember that the server asked for a client feature, for the hint in its status."""
        if method not in self.refused:
            self.refused.add(method)
            self._listener.upstream_changed(self)

    # --- requests ------------------------------------------------------------------------------------------------

    async def request(
        self,
        method: str,
        params: dict[str, Any],
        *,
        timeout: float,
        call: CallContext | None = None,
        on_progress: Progress | None = None,
        declared: dict[str, Any] | None = None,
        repeated: bool = False,
    ) -> Frame:
        """Ask the server for something, on behalf of `call`; without one for the hub itself.

        `timeout` in seconds covers the wait for a free place and for a reconnection too; `declared` are the client's
        extensions. `repeated`: it was asked before, and may have been carried out. Returns the response frame.

        Raises:
            CallTimeout: no answer in time.
            ServerBusy: too many requests of the caller wait for a place.
            ConnectionLost: the server left before the answer.
            ServerUnavailable: it is not ready, and will not be shortly.
        """
        began, gate = time.perf_counter(), self.gate
        call = call or RequestContext(Visitor(), method, params, "", 0, began)
        call.asks(self.spec.key, began + timeout)
        left = timeout
        outcome = "error"
        self.in_flight += 1
        try:
            if not gate.try_enter(call):
                await gate.enter(call)
                left = max(began + timeout - time.perf_counter(), 0.0)
            try:
                how = {"on_progress": on_progress, "declared": declared}
                frame = await asking.ask(self, method, params, left, how, patience=RECONNECT_WAIT, repeated=repeated)
                outcome = jsonrpc.outcome(frame)
            except SidecarError as error:
                outcome = error.code
                raise
            finally:
                gate.leave(call, outcome)
        finally:
            self.call_ended(outcome)
        return frame

    def call_ended(self, outcome: str) -> None:
        """A request that counted as `in_flight` has ended."""
        self.in_flight -= 1
        self.backoff.useful |= outcome == "ok"
        if self._stopping and not self.in_flight:
            self._end_now()

    async def first_try(self) -> None:
        """Wait until the first attempt to start is over, well or badly, or told what it waits for."""
        while not self.tried and self.state != "stopped":
            await self._news.wait()

    async def ready(self, timeout: float) -> Connection:
        """The connection there is, or the next one; `timeout` in seconds. Raises ServerUnavailable."""
        return self.connection or await self.reconnected(timeout)

    async def reconnected(self, timeout: float, lost: Connection | None = None) -> Connection:
        """The connection after `lost`, once it is ready; `timeout` in seconds. Raises ServerUnavailable."""
        try:
            async with asyncio.timeout(timeout):
                while self.connection in (None, lost) and self.state not in ("failed", "stopped"):
                    await self._news.wait()
        except TimeoutError:
            pass
        if self.connection is None or self.connection is lost:
            raise ServerUnavailable(f"The server {self.spec.key!r} is not ready{self._why()}.")
        return self.connection

    def _why(self) -> str:
        return f" ({self.reason.message.rstrip('.')})" if self.reason else ""

    async def subscribe(self, uri: str, subscriber: Subscriber) -> Frame:
        """Have `subscriber` told of changes of a resource; the server's response frame. Raises SidecarError."""
        return await self.subscriptions.add(uri, subscriber)

    async def unsubscribe(self, uri: str, subscriber: Subscriber) -> Frame:
        """The reverse of `subscribe`; the server is only told when nobody is left."""
        return await self.subscriptions.remove(uri, subscriber, self.connection)

    async def notify(self, method: str, params: dict[str, Any] | None = None) -> None:
        """Send a notification, if it is connected."""
        if self.connection is not None:
            with suppress(SidecarError):
                await self.connection.notify(method, params)

    async def client_reported(self, params: dict[str, Any]) -> None:
        """Its client reports progress, perhaps of what this server asked it for."""
        if self.connection is not None:
            with suppress(SidecarError):
                await self.connection.client_reported(params)

    # --- for the status ------------------------------------------------------------------------------------------

    @property
    def pids(self) -> tuple[int, ...]:
        """The process that it runs in now."""
        return self._channel.pids if self._channel else ()

    @property
    def transport(self) -> str:
        """`stdio`, `sse`, `http` or `websocket`; empty while not connected."""
        return self._channel.transport if self._channel else ""

    def stderr(self) -> tuple[str, ...]:
        """The server's last lines on stderr, of this connection or else of the one before."""
        return (self._channel.stderr() if self._channel else ()) or self._stderr
