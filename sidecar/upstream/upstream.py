"""An upstream: one MCP server as the hub uses it, connected again whenever its connection ends."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from typing import Any, Protocol

from bridge.errors import ErrorBody
from bridge.models import ServerSpec, ServerState, UpstreamState
from sidecar.admission.admission import Admission
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
from sidecar.upstream import request_retry
from sidecar.upstream.backoff import Backoff
from sidecar.upstream.client_features import ClientFeatures
from sidecar.upstream.connection import Connection
from sidecar.upstream.list_reader import UndeclaredLists
from sidecar.upstream.mux import Progress
from sidecar.upstream.resource_subscriptions import ServerSubscriptions, Subscriber
from sidecar.upstream.server_gate import ServerGate
from sidecar.upstream.troubles import ServerTroubles

log = logging.getLogger(__name__)

RECONNECT_WAIT = 5.0
"""Seconds that a call waits for a server that is being reconnected."""

Connect = Callable[[OnFrame], AbstractAsyncContextManager[Channel]]
Prepare = Callable[[ServerSpec, Callable[[ErrorBody | None], None]], Awaitable[None]]
"""Waits until a server can be started. Reports what it waits for by its second argument; None: it has waited."""


class UpstreamListener(Protocol):
    """Receives the events of upstreams. Called on the event loop; must neither block nor raise."""

    def upstream_changed(self, upstream: Upstream) -> None:
        """The upstream's state, troubles, lists or refused features changed."""

    def upstream_notified(self, upstream: Upstream, method: str, params: dict[str, Any]) -> None:
        """The server sent a notification that is neither progress nor list_changed."""


class Upstream:
    """One server, shared by all its clients or used by one client or key alone.

    States: starting, ready (handshake done and lists read), backoff (connected again soon), failed (connected again
    after long delays, or not at all if that cannot help), stopped.
    """

    def __init__(
        self,
        fingerprint: str,
        spec: ServerSpec,
        connect: Connect,
        listener: UpstreamListener,
        metrics: Metrics,
        client: ClientFeatures | None = None,
        contested: Callable[[], bool] = uncontested,
        gates: Admission | None = None,
    ) -> None:
        self.fingerprint = fingerprint
        self.spec = spec
        self.for_key = False  # whether one access key uses it alone although the server's session is `shared`
        self.state: UpstreamState = "starting"
        self.reason: ErrorBody | None = None
        self.since = time.time()
        self.retry_at: float | None = None
        self.restarts = 0
        """How often it was connected again after having been ready, or on request."""
        self._was_ready = False
        self.in_flight = 0
        self.refused: set[str] = set()
        """Client features that the server asked for and a shared connection does not have."""
        self.first_attempt_over = False
        """Whether the first attempt to start has succeeded or failed, or waits for its preparation."""
        self.troubles = ServerTroubles()
        self.undeclared = UndeclaredLists()
        self.backoff = Backoff()
        self.log_level: str | None = None
        """The lowest log level that its clients asked for; None if none did."""
        self.rename: Callable[[str], str] = str  # see ConnectionOwner
        self.owned: Callable[[], Collection[str]] = tuple  # see ConnectionOwner
        self.subscriptions = ServerSubscriptions(lambda: self.ready(RECONNECT_WAIT))
        self.catalog: Catalog | None = None
        """The lists as last read; kept while the server is reconnected, so that its tools stay listed."""
        self.prepare: Prepare | None = None
        self.redact: Callable[[str], str] = str  # masks secrets in `reason`
        self._connect = connect
        self._listener = listener
        self._metrics = metrics
        self._client = client
        self.connection: Connection | None = None
        """The current connection while the server is ready, else None."""
        self._channel: Channel | None = None
        self._stderr: tuple[str, ...] = ()
        self._contested = contested
        self._gates = gates or Admission()
        self.gate = self._make_gate()  # each request to the server passes it
        self._stopping = False
        self._close_requested = asyncio.Event()
        self._opening: asyncio.Timeout | None = None
        self._state_entered = asyncio.Event()

    # --- lifecycle -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the server connected until `stop` is called; returns when the connection is closed."""
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
        """Close the server when its requests in progress have ended, at the latest after `drain_timeout` seconds."""
        self._stopping = True
        if not self.in_flight or not drain_timeout:
            self._request_close()
        else:
            asyncio.get_running_loop().call_later(drain_timeout, self._request_close)

    def restart(self) -> None:
        """Close the connection, if there is one, and connect again without delay."""
        self.backoff.reset()
        self._request_close()

    def _request_close(self) -> None:
        self._close_requested.set()
        if self._opening is not None and not self._opening.expired():
            self._opening.reschedule(0)

    def _preparing(self, what: ErrorBody | None) -> None:
        """Show what the preparation waits for. None means that it is done, and the start timeout begins."""
        self.first_attempt_over, self.since = True, self.since if what else time.time()
        self._enter("starting", what)

    def update_spec(self, spec: ServerSpec) -> None:
        """Take over a definition with the same fingerprint: a new key, limits and timeouts need no reconnection."""
        before, self.spec = self.spec.settings, spec
        if any(
            getattr(before, name) != getattr(spec.settings, name) for name in ("max_inflight", "share_between_keys")
        ):
            self.gate = self._make_gate()

    def _make_gate(self) -> ServerGate:
        return ServerGate(semaphore_for(self.spec.settings, self._contested), self.spec.key, self._gates)

    @property
    def semaphore(self) -> Semaphore:
        """The semaphore that limits the requests in progress."""
        return self.gate.semaphore

    async def _connect_once(self) -> SidecarError | None:
        """One connection from open to close; returns why it ended, or None if it was asked to."""
        connection = Connection(self.spec.settings, self, self._client)
        try:
            async with AsyncExitStack() as stack:
                if self.prepare:
                    async with asyncio.timeout(None) as self._opening:
                        await self.prepare(self.spec, self._preparing)
                async with asyncio.timeout(self.spec.settings.start_timeout) as self._opening:
                    self._channel = await stack.enter_async_context(self._connect(connection.on_frame))
                self._opening = None
                reason = await connection.run(self._channel, self._close_requested)
                self.connection = None  # closing takes time; requests meanwhile wait for the next connection
                return reason
        except TimeoutError:
            late = StartTimeout(f"No connection within {self.spec.settings.start_timeout:g} s.")
            return None if self._close_requested.is_set() else late
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
        self.first_attempt_over = True
        if self._close_requested.is_set():  # asked to restart
            self._close_requested.clear()
            self._count_restart()
            return
        reason, delay = reason or ConnectionLost("The server ended the connection."), self.backoff.next_delay(took)
        body = reason.body(self.redact)
        if self._was_ready:
            self._count_restart()
        permanent = isinstance(reason, VariableMissing)
        self.retry_at = None if permanent else time.time() + delay
        if permanent or self.backoff.failing_for_long:
            self.catalog = None
        is_new = self.reason is None or self.reason.message != body.message
        self._enter("failed" if permanent or self.backoff.failing_for_long else "backoff", body)
        told = {"server": self.spec.key, "code": reason.code, "reason": body.message}
        level = logging.WARNING if is_new else logging.DEBUG
        log.log(level, "server not ready", extra={**told, "attempts": self.backoff.attempts})
        with suppress(TimeoutError):
            async with asyncio.timeout(None if permanent else delay):
                await self._close_requested.wait()
        if not self._stopping:
            self._close_requested.clear()
        self.retry_at = None

    def _count_restart(self) -> None:
        self._was_ready = False
        self.restarts += 1
        self._metrics.restarted(self.spec.key)

    def _enter(self, state: UpstreamState, reason: ErrorBody | None) -> None:
        if state != self.state:
            self.since = time.time()
        self.state, self.reason = state, reason
        self._state_entered.set()
        self._state_entered = asyncio.Event()
        self._notify_listener()

    def _notify_listener(self) -> None:
        self._metrics.upstream_state(self.spec.key, self.shown_state)
        self._listener.upstream_changed(self)

    @property
    def shown_state(self) -> ServerState:
        """The state that people see: `degraded` if the server is ready and has troubles, else `state`."""
        return "degraded" if self.state == "ready" and self.troubles.all else self.state

    # --- ConnectionOwner -----------------------------------------------------------------------------------------

    def catalog_read(self, connection: Connection) -> None:
        """Take over the lists and troubles; the first call on a connection makes the server ready."""
        self.connection, self.catalog, self.first_attempt_over = connection, connection.catalog, True
        self.troubles.set(self.spec.key, connection.troubles)
        if self.state == "ready":
            self._notify_listener()
            return
        self.backoff.ready()
        self._was_ready = True
        told = {"server": self.spec.key, "era": self.catalog.greeting.era, "tools": len(self.catalog.tools)}
        log.info("server ready", extra=told)
        self._enter("ready", None)

    def subscribed(self) -> Iterable[str]:
        """URIs of the resources that clients have subscribed to."""
        return self.subscriptions

    async def set_log_level(self, level: str | None) -> None:
        """Send the server this log level, now and after each reconnection; the server may ignore it."""
        changed, self.log_level = level != self.log_level, level
        if changed and self.connection is not None:
            await self.connection.set_log_level()

    def notified(self, method: str, params: dict[str, Any]) -> None:
        """Pass a notification of the server to the listener."""
        self._listener.upstream_notified(self, method, params)

    def feature_refused(self, method: str) -> None:
        """Remember that the server asked for a client feature that it cannot have, for the hint in its status."""
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
        already_sent: bool = False,
    ) -> Frame:
        """Send a request for `call`, or for the hub itself if that is None. Returns the response frame.

        `timeout` is in seconds and includes the wait for a slot and for a reconnection. `declared` are the extensions
        of the client. `already_sent`: the request was sent before, and may have been carried out.

        Raises:
            CallTimeout: no response in time.
            ServerBusy: too many requests of the caller wait for a slot.
            ConnectionLost: the connection ended before the response.
            ServerUnavailable: the server is not ready, and was not within `RECONNECT_WAIT` seconds.
        """
        began, gate = time.perf_counter(), self.gate
        call = call or RequestContext(Visitor(), method, params, "", 0, began)
        call.asks(self.spec.key, began + timeout)
        left, outcome = timeout, "error"
        self.in_flight += 1
        try:
            if not gate.try_enter(call):
                await gate.enter(call)
                call.has_waited(time.perf_counter() - began)
                left = max(began + timeout - time.perf_counter(), 0.0)
            try:
                options = {"on_progress": on_progress, "declared": declared}
                frame = await request_retry.request_with_retry(
                    self, method, params, left, options, reconnect_timeout=RECONNECT_WAIT, already_sent=already_sent
                )
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
        """Note that a request counted in `in_flight` has ended with `outcome` (`ok`, `error` or an error code)."""
        self.in_flight -= 1
        self.backoff.has_answered |= outcome == "ok"
        if self._stopping and not self.in_flight:
            self._request_close()

    async def wait_first_attempt(self) -> None:
        """Wait until `first_attempt_over` is true, or the upstream is stopped."""
        while not self.first_attempt_over and self.state != "stopped":
            await self._state_entered.wait()

    async def ready(self, timeout: float) -> Connection:
        """The current connection, or the next one within `timeout` seconds. Raises ServerUnavailable."""
        return self.connection or await self.reconnected(timeout)

    async def reconnected(self, timeout: float, lost: Connection | None = None) -> Connection:
        """Wait at most `timeout` seconds for a ready connection other than `lost`. Raises ServerUnavailable."""
        try:
            async with asyncio.timeout(timeout):
                while self.connection in (None, lost) and self.state not in ("failed", "stopped"):
                    await self._state_entered.wait()
        except TimeoutError:
            pass
        if self.connection is None or self.connection is lost:
            raise ServerUnavailable(f"The server {self.spec.key!r} is not ready{self._reason_suffix()}.")
        return self.connection

    def _reason_suffix(self) -> str:
        return f" ({self.reason.message.rstrip('.')})" if self.reason else ""

    async def subscribe(self, uri: str, subscriber: Subscriber) -> Frame:
        """Subscribe to changes of a resource. Returns the server's response frame. Raises SidecarError."""
        return await self.subscriptions.add(uri, subscriber)

    async def unsubscribe(self, uri: str, subscriber: Subscriber) -> Frame:
        """Cancel a subscription; the server is told after the last subscriber has gone. Raises SidecarError."""
        return await self.subscriptions.remove(uri, subscriber, self.connection)

    async def notify(self, method: str, params: dict[str, Any] | None = None) -> None:
        """Send a notification to the server, if it is connected."""
        if self.connection is not None:
            with suppress(SidecarError):
                await self.connection.notify(method, params)

    async def client_reported(self, params: dict[str, Any]) -> None:
        """Pass on a progress notification of the client, which may be about a request of this server."""
        if self.connection is not None:
            with suppress(SidecarError):
                await self.connection.client_reported(params)

    # --- for the status ------------------------------------------------------------------------------------------

    @property
    def pids(self) -> tuple[int, ...]:
        """Ids of the processes that the server runs in now."""
        return self._channel.pids if self._channel else ()

    @property
    def transport(self) -> str:
        """`stdio`, `sse`, `http` or `websocket`; empty while not connected."""
        return self._channel.transport if self._channel else ""

    def stderr(self) -> tuple[str, ...]:
        """The last lines that the server wrote to stderr, on this connection or else on the one before."""
        return (self._channel.stderr() if self._channel else ()) or self._stderr
