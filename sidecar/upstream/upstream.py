"""An upstream: one MCP server as the hub uses it, connected again whenever its connection ends."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import AsyncExitStack, suppress
from typing import Any

from bridge.errors import ErrorBody
from bridge.models import ServerSpec, UpstreamState
from sidecar.admission.admission import Admission
from sidecar.admission.context import CallContext, RequestContext, Visitor
from sidecar.concurrency.semaphore import Semaphore, semaphore_for
from sidecar.concurrency.shares import uncontested
from sidecar.errors import ConnectionLost, HandshakeFailed, SidecarError, StartTimeout
from sidecar.observe.metrics import Metrics
from sidecar.placement.errors import PlacedElsewhere
from sidecar.protocol import jsonrpc
from sidecar.protocol.catalog import Catalog
from sidecar.protocol.channel import Frame
from sidecar.sign_in_errors import SignInRequired
from sidecar.supervision import unavailable
from sidecar.supervision.expected_tools import ExpectedTools
from sidecar.supervision.opening import Connect, Opening
from sidecar.supervision.permanent_failures import permanent_after
from sidecar.supervision.server_state import ServerState, UpstreamListener
from sidecar.supervision.sleep import Sleep
from sidecar.trust.changes import Reviewed
from sidecar.upstream import request_retry
from sidecar.upstream.client_features import ClientFeatures
from sidecar.upstream.connection import Connection
from sidecar.upstream.list_reader import UndeclaredLists
from sidecar.upstream.mux import Progress
from sidecar.upstream.resource_subscriptions import ServerSubscriptions, Subscriber
from sidecar.upstream.server_account import ServerAccount
from sidecar.upstream.server_gate import ServerGate

log = logging.getLogger(__name__)

RECONNECT_WAIT = 5.0
"""Seconds that a call waits for a server that is being reconnected."""
WAKE_WAIT = 45.0
"""Longest time in seconds that a call waits for a server that it woke: SDKs cancel a request after 60 s."""


class Upstream(ServerState[Connection]):
    """One server, shared by all its clients or used by one client or key alone.

    States: starting, ready (handshake done and lists read), sleeping (stopped until the next request), backoff
    (connected again soon), failed (connected again after long delays), stopped.
    """

    def __init__(
        self,
        fingerprint: str,
        spec: ServerSpec,
        connect: Connect,
        listener: UpstreamListener[Upstream],
        metrics: Metrics,
        client: ClientFeatures | None = None,
        contested: Callable[[], bool] = uncontested,
        gates: Admission | None = None,
    ) -> None:
        super().__init__()
        self.fingerprint = fingerprint
        self.spec = spec
        self.account: ServerAccount | None = None  # with which it signs in, if it does
        self.for_key = False  # whether one access key uses it alone although the server's session is `shared`
        self.restarts = 0
        """How often it was connected again after having been ready, or on request."""
        self._was_ready = False
        self._failure: ErrorBody | None = None  # why the last attempt failed, until the server is ready again
        self.in_flight = 0
        self.refused: set[str] = set()  # client features that it asked for and a shared connection does not have
        self.undeclared = UndeclaredLists()
        self.expected = ExpectedTools()
        self.log_level: str | None = None  # the lowest that its clients asked for; None if none did
        self.rename: Callable[[str], str] = str  # see ConnectionOwner
        self.owned: Callable[[], Collection[str]] = tuple  # see ConnectionOwner
        self.subscriptions = ServerSubscriptions(lambda: self.ready(self._reconnect_wait()))
        self.catalog: Catalog | None = None
        """The lists as last read; kept while the server is reconnected, so that its tools stay listed."""
        self.reviewed: dict[str, Reviewed] = {}
        """The lists as compared with the pins, by server key (`trust.Changes`)."""
        self.opening = Opening(connect)
        self.redact: Callable[[str], str] = str  # masks secrets in `reason`
        self._listener = listener
        self._metrics = metrics
        self._client = client
        self._contested = contested
        self._gates = gates or Admission()
        self.sleep = Sleep(self)
        self.gate = self._make_gate()  # each request to the server passes it
        self._stopping = False
        self._close_requested = asyncio.Event()

    # --- lifecycle -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the server connected until `stop` is called; returns when the connection is closed."""
        try:
            if self.sleep.at_start():
                await self._sleep()
            while not self._stopping:
                self._enter("starting", self._failure)
                began = time.monotonic()
                reason = await self._connect_once()
                self.sleep.disconnected()
                if self.sleep.falling:
                    await self._sleep()
                elif not self._stopping:
                    await self._wait_to_retry(reason, time.monotonic() - began)
        finally:
            self._enter("stopped", None)

    async def _sleep(self) -> None:
        if not self._stopping:  # else `stop` has called `wake` already
            await self.sleep.until_woken()
        if not self._stopping:
            self._close_requested.clear()

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
        self.expected.accept_next()
        self.connection = None  # new requests wait for the next one
        self._request_close()

    def _request_close(self) -> None:
        self._close_requested.set()
        self.sleep.wake()
        self.opening.cancel()

    def _preparing(self, what: ErrorBody | None) -> None:
        """Show what the preparation waits for. None means that it is done, and the start timeout begins."""
        self.first_attempt_over, self.since = True, self.since if what else time.time()
        self._enter("starting", what or self._failure)

    def _queued(self, what: ErrorBody | None) -> None:
        """Show that the start waits, for its turn or for another sidecar. None means that it begins."""
        what = what or self._failure
        if self.opening.delayed:
            self.catalog = self.catalog or self.sleep.remembered()
            self.first_attempt_over = self.catalog is not None
        if self.reason is not what:  # calls reach a server that another sidecar has, once that gives it away
            self._enter("sleeping" if self.opening.delayed and self.catalog else "starting", what)

    def update_spec(self, spec: ServerSpec) -> None:
        """Take over a definition with the same fingerprint: a new key, limits and timeouts need no reconnection."""
        before, now, self.spec = self.spec.settings, spec.settings, spec
        if self.connection is not None:
            self.connection.settings = now
        self.sleep.settings_changed(before)
        if (before.max_inflight, before.share_between_keys) != (now.max_inflight, now.share_between_keys):
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
                self._channel = await self.opening.open(
                    stack, self.spec, connection.on_frame, self._preparing, self._queued
                )
                self.slowed.watch(self._channel)
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
            self.connection = None
            self.slowed.end()
            self.opening.started()
            if self._channel is not None:
                self._stderr, self._channel = self._channel.stderr(), None

    async def _wait_to_retry(self, reason: SidecarError | None, took: float) -> None:
        self.first_attempt_over = True
        self.sleep.failed()
        if self._close_requested.is_set():  # asked to restart
            self._close_requested.clear()
            self._count_restart()
            return
        reason = reason or ConnectionLost("The server ended the connection.")
        if isinstance(reason, SignInRequired | PlacedElsewhere):
            self._was_ready = False
            state: UpstreamState = "sign_in_required" if isinstance(reason, SignInRequired) else "elsewhere"
            await self._wait_in(state, reason.body(self.redact), self._close_requested)
            self._failure = None
            return
        delay, body = self.backoff.next_delay(took, permanent_after(reason)), reason.body(self.redact)
        level = logging.DEBUG if self._failure and self._failure.message == body.message else logging.WARNING
        self._failure = body
        if self._was_ready:
            self._count_restart()
        self.retry_at, self.retry_due = time.time() + delay, time.monotonic() + delay
        if self.backoff.failing_for_long:
            self.catalog = None
        self._enter("failed" if self.backoff.hopeless else "backoff", body)
        told = {"server": self.spec.key, "code": reason.code, "reason": body.message}
        log.log(level, "server not ready", extra={**told, "attempts": self.backoff.attempts})
        with suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await self._close_requested.wait()
        if not self._stopping:
            self._close_requested.clear()
        self.retry_at = self.retry_due = None

    def _count_restart(self) -> None:
        self._was_ready = False
        self.restarts += 1
        self._metrics.restarted(self.spec.key)

    def _state_changed(self) -> None:
        self._metrics.upstream_state(self.spec.key, self.shown_state, is_down=self.is_down)
        self._listener.upstream_changed(self)

    # --- SleepingServer ------------------------------------------------------------------------------------------

    def entered_sleep(self) -> None:
        """Show that the server sleeps; its lists stay listed."""
        self.first_attempt_over, self._was_ready = True, False
        self.backoff.reset()  # it did not fail: the request that wakes it waits for its start
        self._enter("sleeping", None)

    def close_connection(self) -> None:
        """Close the connection; requests wait for the next one from now on."""
        self.connection = None
        self._close_requested.set()

    # --- ConnectionOwner -----------------------------------------------------------------------------------------

    def catalog_read(self, connection: Connection) -> None:
        """Take over the lists and troubles; the first call on a connection makes the server ready."""
        self.connection, self.catalog, self.first_attempt_over = connection, connection.catalog, True
        self.troubles.set(self.spec.key, connection.troubles)
        self.sleep.lists_read()
        if self.state == "ready":
            self._state_changed()
            return
        self.backoff.ready()
        self.opening.started()
        self._was_ready, self._failure = True, None
        told = {"server": self.spec.key, "era": self.catalog.greeting.era, "tools": len(self.catalog.tools)}
        log.info("server ready", extra=told)
        self.sleep.ready()
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
        idle_timeout: float = 0,
    ) -> Frame:
        """Send a request for `call`, or for the hub itself if that is None. Returns the response frame.

        `timeout` is in seconds and includes the wait for a slot and for a reconnection; `idle_timeout` is the longest
        time without progress once the request is sent, 0 for no limit. `declared` are the extensions
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
                options = {"on_progress": on_progress, "declared": declared, "idle_timeout": idle_timeout}
                wait = self._reconnect_wait()
                frame = await request_retry.request_with_retry(
                    self, method, params, left, options, reconnect_timeout=wait, already_sent=already_sent
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

    async def ready(self, timeout: float) -> Connection:
        """The current connection, or the next one within `timeout` seconds. Raises ServerUnavailable."""
        return self.connection or await self.reconnected(timeout)

    def _reconnect_wait(self) -> float:
        """Seconds that a request waits for the server: longer if it has to be started because nobody used it."""
        if self.opening.delayed:  # calls in progress at the sidecar that has the server end first
            return self.spec.settings.call_timeout
        return min(self.spec.settings.start_timeout, WAKE_WAIT) if self.sleep.wakes else RECONNECT_WAIT

    async def reconnected(self, timeout: float, lost: Connection | None = None) -> Connection:
        """Wait at most `timeout` seconds for a ready connection other than `lost`; not at all if the server is down.

        Raises:
            ServerUnavailable: there is none.
        """
        self.sleep.wake()
        await self._wait_for_connection(timeout, lost)
        if self.connection is None or self.connection is lost:
            raise unavailable.error(self)
        return self.connection

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
