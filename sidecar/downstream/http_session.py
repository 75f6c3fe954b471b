"""A legacy session over Streamable HTTP (MCP 2025-11-25, Transports): POSTed requests, and one GET stream."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any

from starlette.types import Receive, Send

from sidecar.calls.endpoint import Endpoint
from sidecar.calls.error_response import ErrorResponse
from sidecar.concurrency.cancel_scope import CancelScope
from sidecar.downstream.batch import Batch
from sidecar.downstream.direct_reply import DirectReply
from sidecar.downstream.event_stream import EventStream, Header
from sidecar.downstream.reply import Reply
from sidecar.downstream.session_ids import Handshake
from sidecar.downstream.session_states import SessionState
from sidecar.downstream.stream_session import StreamSession
from sidecar.errors import INVALID_REQUEST, REQUEST_CANCELLED, SidecarError
from sidecar.listener import request_checks
from sidecar.listener.asgi import disconnected, respond
from sidecar.protocol import jsonrpc
from sidecar.protocol.catalog import LISTS_CHANGED_BY
from sidecar.protocol.channel import Frame, Notify, SendFrame
from sidecar.sessions.client_info import client_info

log = logging.getLogger(__name__)

STATE_METHODS = ("logging/setLevel", "resources/subscribe", "resources/unsubscribe")
"""The requests that change `HttpSession.state`."""
SESSION_ENDED = "The session has ended."


class HttpSession(StreamSession):
    """A legacy session. It ends by DELETE, after `idle` seconds without a request, or with its workspace."""

    transport = "http"

    def __init__(
        self, endpoint: Endpoint, idle: float, forget: Callable[[HttpSession], None], session_id: str | None = None
    ) -> None:
        super().__init__(endpoint, session_id)
        self._set_response_headers()
        self.stream: EventStream | None = None
        """The stream of the client's GET request, while there is one."""
        self._may_have_missed = False
        """Whether list changes may have been lost because the session was resumed, and the client was not told yet."""
        self._missed_updates: list[str] = []
        """Resources whose updates may have been lost for the same reason."""
        self.on_state: Callable[[HttpSession], None] = lambda _: None
        """Called when the log level or the subscriptions have changed."""
        self.replies: list[Reply | DirectReply] = []
        self.stream_scope = CancelScope()
        """Cancelled to end the GET stream."""
        self._idle = idle
        self._forget = forget
        self._requests = 0
        self._timer: asyncio.TimerHandle | None = None

    def _set_response_headers(self) -> None:
        """Make the headers of responses, which have the session's id."""
        self.headers: tuple[Header, ...] = ((b"mcp-session-id", self.id.encode()),)
        self.head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nmcp-session-id: %b\r\n" % self.id.encode()
        """The head of a response that is a single write."""

    # --- to the client -------------------------------------------------------------------------------------------

    def outgoing(self) -> SendFrame | None:
        """Send on the response to the newest request, else on the GET stream: the protocol does not tell which request
        of the client a server's request belongs to."""
        if self.replies:
            return self.replies[-1].put
        return self.stream.put if self.stream is not None else None

    def open_stream(self) -> EventStream | None:
        """The GET stream."""
        return self.stream

    def put_raw(self, data: bytes) -> None:
        """Write bytes to the GET stream, if it is open."""
        if self.stream is not None:
            self.stream.put_raw(data)

    def notify(self, method: str, params: dict[str, Any] | None = None) -> None:
        """Send a notification on the GET stream, if it is open."""
        if self.stream is not None:
            self.stream.put(jsonrpc.notification(method, params))

    def cancelled_response(self, request_id: int | str) -> Frame:
        """An error, since each POST gets a response."""
        if self.ended:
            return jsonrpc.error(request_id, {"code": INVALID_REQUEST, "message": SESSION_ENDED})
        return jsonrpc.error(request_id, {"code": REQUEST_CANCELLED, "message": "Request cancelled"})

    # --- from the client -----------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """The session is not idle while the context is open."""
        self._requests += 1
        try:
            yield
        finally:
            self._requests -= 1
            self.last_used = time.monotonic()

    async def serve_request(
        self, frame: Frame, receive: Receive, send: Send, ping_interval: float, prefers_stream: bool = False
    ) -> None:
        """Answer one request. Raises MessageInvalid if its id is in use."""
        with self.in_progress(frame) as cancel_scope:
            reply = Reply(
                receive,
                send,
                cancel_scope,
                ping_interval,
                cancel_when_disconnected=False,
                headers=self.headers,
                prefers_stream=prefers_stream,
            )
            try:
                self.replies.append(reply)
                try:
                    response = await self.answer(
                        frame, cancel_scope, reply.notify, relayed=self.relayed(frame["method"])
                    )
                finally:
                    self.replies.remove(reply)
                response = response or self.cancelled_response(frame["id"])
                await reply.finish(request_checks.limit_status(response), response)
            finally:
                reply.drop()

    async def serve_batch(self, batch: Batch, receive: Receive, send: Send, ping_interval: float) -> None:
        """Answer a batch: with the array of its responses, or with 202 if no message of it is a request."""
        reply = Reply(receive, send, batch, ping_interval, cancel_when_disconnected=False, headers=self.headers)
        try:
            self.replies.append(reply)
            try:
                responses = await batch.serve(reply.notify)
            finally:
                self.replies.remove(reply)
            if responses:
                await reply.finish(200, responses)
            else:
                await respond(send, 202, b"", b"application/json", self.headers)
        finally:
            reply.drop()

    def add_reply(self, reply: DirectReply) -> None:
        """A direct call has begun, which `reply` will answer."""
        self.replies.append(reply)
        self._requests += 1

    def status_of(self, frame: Frame) -> int:
        """200: in the legacy era, JSON-RPC errors have no HTTP status of their own."""
        return 200

    def remove_reply(self, reply: DirectReply) -> None:
        """The reply to a direct call is finished."""
        self.replies.remove(reply)
        self._requests -= 1
        self.last_used = time.monotonic()

    async def serve_stream(self, receive: Receive, send: Send) -> None:
        """Serve the GET stream until the client disconnects or opens another, or the session ends.

        Only the newest stream is used, since the client's end of an older one may be lost.
        """
        self.stream_scope.cancel()
        stream_scope = self.stream_scope = CancelScope()
        stream = self.stream = EventStream(send, stream_scope.cancel, self.headers)
        stream.meter = self.admission.meter_of(self.principal)
        stream.open()
        if self._may_have_missed:
            self._may_have_missed = False
            for method in LISTS_CHANGED_BY:
                self.notify(method)
            self._tell_missed_updates()
        try:
            with stream_scope:
                await disconnected(receive)
            self._detach(stream)
            await stream.close()
        finally:
            self._detach(stream)
            stream.abort()

    def end_stream(self) -> None:
        """End the GET stream, if there is one; the client may open another."""
        self.stream_scope.cancel()

    @property
    def idle_since(self) -> float | None:
        """Since when no request is under way, where it has no stream and no task of a server (Session)."""
        return None if self._requests or len(self.server_tasks) else self.last_used

    def _detach(self, stream: EventStream) -> None:
        if self.stream is stream:
            self.stream = None

    async def answer(self, frame: Frame, cancel_scope: CancelScope, notify: Notify, *, relayed: bool) -> Frame | None:
        """As `StreamSession.answer`; reports changes of what has to be restored if the session is resumed."""
        response = await super().answer(frame, cancel_scope, notify, relayed=relayed)
        if frame["method"] in STATE_METHODS and response is not None and "result" in response:
            self.on_state(self)
        return response

    @property
    def state(self) -> SessionState:
        """What is to be restored if the session is resumed."""
        return SessionState(self.log_level, tuple(self.resource_subscriptions))

    async def restore(self, state: SessionState) -> None:
        """Restore the log level and the subscriptions that the session had in an earlier process.

        The client is told that the resources may have changed, since nobody has watched them meanwhile.
        """
        if state.log_level is not None and self.log_level is None:  # the client may have set another one already
            self.log_level = state.log_level
            self.workspace.log_levels.follow(self)
        for uri in state.subscriptions:
            frame = jsonrpc.request(0, "resources/subscribe", {"uri": uri})
            try:
                await self.endpoint.serve(self, frame, lambda *_: None)
            except (ErrorResponse, SidecarError) as error:
                known = {"session": self.short_id, "workspace": self.workspace.name, "reason": type(error).__name__}
                log.warning("a subscription of a resumed session could not be restored", extra=known)
            else:
                self._missed_updates.append(uri)
        self._tell_missed_updates()

    def _tell_missed_updates(self) -> None:
        """Tell the client that resources may have changed, once it has a stream."""
        while self._missed_updates and self.stream is not None:
            self.notify("notifications/resources/updated", {"uri": self._missed_updates.pop()})

    # --- from handshake to end -----------------------------------------------------------------------------------

    def start(self, session_id: str) -> None:
        """Take the id made after the handshake, and start the idle timer."""
        self.id = session_id
        self.caller = self.caller._replace(client=session_id)
        self._set_response_headers()
        self._schedule_idle_check(self._idle)

    def resume(self, handshake: Handshake) -> None:
        """Take over the handshake of an earlier process, and start the idle timer.

        The correlation prefix is a new one: the client may still answer requests of the earlier process.
        """
        self.version, self.capabilities = handshake
        self.client_info = client_info(None, *handshake)
        self.initialized = self.resumed = self._may_have_missed = True
        self.correlation_prefix = secrets.token_hex(4)
        self._schedule_idle_check(self._idle)

    def _schedule_idle_check(self, delay: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(delay, self._check_idle)

    def _check_idle(self) -> None:
        """End the session if it has been idle for long enough, else set the timer for the rest of the time. Requests
        need not reset the timer."""
        idle = 0.0 if self._requests else time.monotonic() - self.last_used
        if idle >= self._idle:
            self.close()
        else:
            self._schedule_idle_check(self._idle - idle)

    def close(self) -> None:
        """End the session and its requests in progress."""
        if self.ended:
            return
        self.end()
        self.stream_scope.cancel()
        if self._timer is not None:
            self._timer.cancel()
        self._forget(self)
        self.workspace.leave(self)
