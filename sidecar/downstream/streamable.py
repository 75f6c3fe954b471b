"""The Streamable HTTP transport (MCP 2025-11-25, Transports): sessions of POSTs, each with one GET stream, the newest.

Our own, as the SSE transport is: what the relay takes never enters FastMCP. An idle session has no task. Requests of
the modern era, which has no sessions, are `Stateless`'s.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.types import Receive, Scope, Send

from sidecar.admission.admission import Admission
from sidecar.calls import direct_call
from sidecar.calls.endpoint import Endpoint
from sidecar.concurrency.cancel_scope import CancelScope
from sidecar.downstream import direct_reply
from sidecar.downstream.batch import Batch
from sidecar.downstream.direct_reply import DirectReply, Pings, TryDirect
from sidecar.downstream.event_stream import Header, Outbox
from sidecar.downstream.reply import Reply
from sidecar.downstream.session_ids import Handshake, SessionIds, binding
from sidecar.downstream.stateless import NOT_ACCEPTABLE, Stateless
from sidecar.downstream.stream_session import StreamSession, StreamSessions
from sidecar.errors import INVALID_REQUEST, REQUEST_CANCELLED, HubStopping, MessageInvalid, SidecarError
from sidecar.listener import request_checks
from sidecar.listener.asgi import disconnected, header, not_allowed, parse, read_body, respond, respond_error
from sidecar.listener.auth import principal_of
from sidecar.listener.http_protocol import HttpProtocol
from sidecar.protocol import codec, jsonrpc
from sidecar.protocol.catalog import LISTS_CHANGED_BY
from sidecar.protocol.channel import Frame, SendFrame
from sidecar.sessions.client_info import client_info

if TYPE_CHECKING:
    from bridge.settings import Settings

log = logging.getLogger(__name__)

METHODS = "GET, POST, DELETE"
ENDED = "The session has ended."


class HttpSession(StreamSession):
    """A legacy session. It ends by DELETE, when nothing was heard of it for `idle` seconds, or with its workspace."""

    transport = "http"

    def __init__(
        self, endpoint: Endpoint, idle: float, forget: Callable[[HttpSession], None], session_id: str | None = None
    ) -> None:
        super().__init__(endpoint, session_id)
        self._name_responses()
        self.stream: Outbox | None = None
        """That of the client's GET request, while there is one."""
        self._missed = False
        """Whether notices may have been lost, and the client has not been told to list anew."""
        self.replies: list[Reply | DirectReply] = []
        self.over = CancelScope()
        """Ends the GET stream."""
        self._idle = idle
        self._forget = forget
        self._requests = 0
        self._timer: asyncio.TimerHandle | None = None

    def _name_responses(self) -> None:
        """Have its responses name its id."""
        self.headers: tuple[Header, ...] = ((b"mcp-session-id", self.id.encode()),)
        self.head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nmcp-session-id: %b\r\n" % self.id.encode()
        """How the response to one of its requests begins, where that is one write."""

    # --- to the client -------------------------------------------------------------------------------------------

    def way(self) -> SendFrame | None:
        """Nothing says which request a server's question belongs to: the newest one's, else the GET stream."""
        if self.replies:
            return self.replies[-1].put
        return self.stream.put if self.stream is not None else None

    def put_raw(self, data: bytes) -> None:
        """Write bytes to the GET stream, if it is open."""
        if self.stream is not None:
            self.stream.put_raw(data)

    def notify(self, method: str, params: dict[str, Any] | None = None) -> None:
        """On the GET stream, if it is open."""
        if self.stream is not None:
            self.stream.put(jsonrpc.notification(method, params))

    def cancelled_response(self, request_id: int | str) -> Frame:
        """Each POST is answered."""
        if self.ended:
            return jsonrpc.error(request_id, {"code": INVALID_REQUEST, "message": ENDED})
        return jsonrpc.error(request_id, {"code": REQUEST_CANCELLED, "message": "Request cancelled"})

    # --- from the client -----------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """A request is served, or the stream open, while the context is: the session is not idle."""
        self._requests += 1
        try:
            yield
        finally:
            self._requests -= 1
            self.last_used = time.monotonic()

    async def serve_request(
        self, frame: Frame, receive: Receive, send: Send, ping_interval: float, streams: bool = False
    ) -> None:
        """Answer one request. Raises MessageInvalid where its id is in use."""
        with self.under_way(frame) as cut:
            reply = Reply(receive, send, cut, ping_interval, leaves=False, headers=self.headers, streams=streams)
            try:
                self.replies.append(reply)
                try:
                    response = await self.answer(frame, cut, reply.notify, relayed=self.relayed(frame["method"]))
                finally:
                    self.replies.remove(reply)
                await reply.finish(200, response or self.cancelled_response(frame["id"]))
            finally:
                reply.drop()

    async def serve_batch(self, batch: Batch, receive: Receive, send: Send, ping_interval: float) -> None:
        """Answer a batch: with the array of its responses, or with 202 if no message of it is a request."""
        reply = Reply(receive, send, batch, ping_interval, leaves=False, headers=self.headers)
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

    def took(self, reply: DirectReply) -> None:
        """A call was taken, which `reply` answers."""
        self.replies.append(reply)
        self._requests += 1

    def status_of(self, frame: Frame) -> int:
        """The HTTP status of an answer: errors have none of their own in the legacy era."""
        return 200

    def release(self, reply: DirectReply) -> None:
        """A reply to what was taken is finished."""
        self.replies.remove(reply)
        self._requests -= 1
        self.last_used = time.monotonic()

    async def serve_stream(self, receive: Receive, send: Send) -> None:
        """Hold the GET stream open until the client leaves, opens another, or the session ends.

        The newest stream is the client's: of an older one nothing tells whether the client still has its end.
        """
        self.over.cancel()
        over = self.over = CancelScope()
        stream = self.stream = Outbox(send, over.cancel, self.headers)
        stream.open()
        if self._missed:
            self._missed = False
            for method in LISTS_CHANGED_BY:
                self.notify(method)
        try:
            with over:
                await disconnected(receive)
            self._let_go(stream)
            await stream.close()
        finally:
            self._let_go(stream)
            stream.abort()

    @property
    def idle_since(self) -> float | None:
        """Since when no request is under way, where it has no stream and no task of a server (Session)."""
        return None if self._requests or len(self.server_tasks) else self.last_used

    def _let_go(self, stream: Outbox) -> None:
        if self.stream is stream:
            self.stream = None

    # --- from handshake to end -----------------------------------------------------------------------------------

    def begin(self, session_id: str) -> None:
        """The handshake is done, and this its id: from now on it ends when it is idle for long."""
        self.id = session_id
        self.caller = self.caller._replace(client=session_id)
        self._name_responses()
        self._watch(self._idle)

    def resume(self, handshake: Handshake) -> None:
        """Go on with a session of an earlier process, instead of a handshake.

        The client may still answer what it was asked then, so the ids of questions begin with another mark.
        """
        self.version, self.capabilities = handshake
        self.client_info = client_info(None, *handshake)
        self.initialized = self.resumed = self._missed = True
        self.mark = secrets.token_hex(4)
        self._watch(self._idle)

    def _watch(self, delay: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(delay, self._check)

    def _check(self) -> None:
        """One timer, that finds out how long nothing was heard: requests need not wind it up."""
        idle = 0.0 if self._requests else time.monotonic() - self.last_used
        if idle >= self._idle:
            self.close()
        else:
            self._watch(self._idle - idle)

    def close(self) -> None:
        """End it, with all that is under way."""
        if self.ended:
            return
        self.end()
        self.over.cancel()
        if self._timer is not None:
            self._timer.cancel()
        self._forget(self)
        self.workspace.leave(self)


class HttpTransport(StreamSessions[HttpSession]):
    """Streamable HTTP of all workspaces."""

    transport = "http"

    def __init__(self, settings: Settings, admission: Admission | None = None) -> None:
        super().__init__(settings, admission)
        self._pings = Pings(settings.ping_interval)
        self._stateless = Stateless(settings, self._pings, self)
        self._ids = SessionIds(settings.data_dir / "sessions.key")

    async def run(self, until: asyncio.Event) -> None:
        """Ping idle streams until `until` is set, then end everything."""
        await super().run(until)
        self._stateless.end()
        self._pings.close()

    async def serve(self, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send) -> TryDirect | None:
        """One HTTP request to a workspace's endpoint, of either era; what may take those that look like it."""
        version = header(scope, b"mcp-protocol-version").decode("latin-1")
        legacy, method = request_checks.is_legacy(version), scope["method"]
        if self._closing:
            await respond_error(send, 503, HubStopping("The hub is stopping."))
        elif method == "POST" and legacy:
            session_id = await self._post(endpoint, scope, receive, send)
            return partial(self.try_direct, session_id) if session_id else None
        elif method == "POST":
            return await self._stateless.serve(endpoint, scope, receive, send)
        elif request_checks.is_modern(version):
            await not_allowed(send, "POST")
        elif not legacy:
            await respond_error(send, 400, MessageInvalid(f"The MCP-Protocol-Version {version[:40]!r} is not served."))
        elif method in ("GET", "DELETE"):
            await self._get_or_delete(endpoint, scope, receive, send)
        else:
            await not_allowed(send, METHODS)
        return None

    async def _post(self, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send) -> str:
        """One message of a session, or the handshake that begins one; the id of its session, if calls may follow."""
        session_id, message = header(scope, b"mcp-session-id").decode("latin-1"), None
        try:
            body = await read_body(scope, receive, self._settings.max_body_bytes)
            message = parse(body)
            if not all(request_checks.accepts(header(scope, b"accept"))):
                await self.refuse(406, NOT_ACCEPTABLE, scope, send, endpoint.workspace, message)
                return ""
            if isinstance(message, list):
                await self._serve_batch(message, endpoint, scope, receive, send)
                return ""
            frame = jsonrpc.validate(message)
            if (refusal := request_checks.enveloped(frame, scope)) is not None:
                await self.refuse_request(refusal, scope, send, endpoint.workspace, frame)
            elif frame.get("method") == "initialize" and "id" in frame and not session_id:
                await self._greet(endpoint, frame, scope, send)
            else:
                session, streams = self._named(scope, endpoint), request_checks.prefers_stream(header(scope, b"accept"))
                await self._serve(session, frame, receive, send, streams)
                return "" if streams else session.id
        except SidecarError as error:
            await self.refuse(error.status, error, scope, send, endpoint.workspace, message, session_id)
        return ""

    def try_direct(self, session_id: str, body: bytes, connection: HttpProtocol, allowed: Callable[[], bool]) -> bool:
        """The body of a POST with the head of one that was served: the same, if it needs no task."""
        session, frame = self.called(session_id, body)
        if session is None or frame is None or not direct_call.is_direct_candidate(session, frame):
            return False
        return direct_reply.begin(session, frame, connection, self._pings, allowed)

    async def _serve(self, session: HttpSession, frame: Frame, receive: Receive, send: Send, streams: bool) -> None:
        with session.in_use():
            if "method" in frame and "id" in frame:
                await session.serve_request(frame, receive, send, self._settings.ping_interval, streams)
                return
            if "method" in frame:
                session.take_notification(frame)
            else:
                session.take_response(frame)
            await respond(send, 202, b"", b"application/json", session.headers)

    async def _serve_batch(
        self, messages: list[Any], endpoint: Endpoint, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Raises MessageInvalid, SessionUnknown."""
        if not header(scope, b"mcp-session-id"):
            raise MessageInvalid(jsonrpc.BATCH_REFUSED)
        session = self._named(scope, endpoint)
        with session.in_use():
            await session.serve_batch(Batch(session, messages), receive, send, self._settings.ping_interval)

    async def _greet(self, endpoint: Endpoint, frame: Frame, scope: Scope, send: Send) -> None:
        """The handshake; where it fails there is no session."""
        workspace = endpoint.workspace
        workspace.admit()
        session = HttpSession(endpoint, self._settings.session_idle_timeout, self._forget)
        session.principal = principal_of(scope)
        headers: tuple[Header, ...] = ()
        with session.in_use():
            workspace.join(session)
            try:
                response = await session.answer(frame, CancelScope(), lambda *_: None, relayed=False)
                if session.version and not session.ended:
                    agreed = Handshake(session.version, session.capabilities)
                    session.begin(self._ids.sign(session.id, binding(workspace, scope), agreed))
                    self._sessions[session.id] = session
                    headers = session.headers
            finally:
                if not headers:
                    session.close()
        await respond(send, 200, codec.dumps(response), b"application/json", headers)

    def _forget(self, session: HttpSession) -> None:
        self._sessions.pop(session.id, None)
        if session.resumed:
            self._ids.retire(session.id)

    def _resume(self, session_id: str, endpoint: Endpoint, scope: Scope) -> None:
        """Go on with a session of an earlier process of the hub, if the id is one. Raises TooManySessions."""
        workspace = endpoint.workspace
        handshake = self._ids.read(session_id, binding(workspace, scope))
        if handshake is None or workspace.refusal():
            return
        if scope["method"] != "DELETE":  # what is about to end needs no room
            workspace.admit()
        session = HttpSession(endpoint, self._settings.session_idle_timeout, self._forget, session_id)
        session.principal = principal_of(scope)
        session.resume(handshake)
        workspace.join(session)
        self._sessions[session_id] = session
        known = {"session": session_id[:8], "correlation": session.mark, "workspace": workspace.name}
        log.info("a session goes on", extra=known)

    def _named(self, scope: Scope, endpoint: Endpoint) -> HttpSession:
        """The session that a request names.

        Raises:
            MessageInvalid: it names none.
            SessionUnknown: there is none of that id, for this workspace.
            TooManySessions: it is one of an earlier process, and there is no room for it.
        """
        session_id = header(scope, b"mcp-session-id").decode("latin-1")
        if not session_id:
            raise MessageInvalid(
                "The request names no session.", hint="Send `initialize` first, then its Mcp-Session-Id header."
            )
        if session_id not in self._sessions:
            self._resume(session_id, endpoint, scope)
        return self.find(session_id, endpoint.workspace)

    async def _get_or_delete(self, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["method"] == "GET" and not request_checks.accepts(header(scope, b"accept"))[1]:
                await respond_error(send, 406, NOT_ACCEPTABLE)
                return
            session = self._named(scope, endpoint)
        except SidecarError as error:
            await respond_error(send, error.status, error)
            return
        if scope["method"] == "DELETE":
            session.close()
            await respond(send, 200, b"", b"application/json")
        else:
            with session.in_use():
                await session.serve_stream(receive, send)
