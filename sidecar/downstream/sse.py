"""The HTTP+SSE transport (MCP 2024-11-05, Transports): a session is a GET stream; each message is a POST (ADR 5).

It is not the SDK's transport because it is on the hot path. The only task of an idle session is that of its GET
request. Requests are answered by the tasks of their POSTs, after the response 202.
"""

from __future__ import annotations

from typing import Any

from starlette.types import Message, Receive, Scope, Send

from bridge.keys import Principal
from sidecar.access.credential import holder_of
from sidecar.admission.context import ANONYMOUS
from sidecar.calls import direct_call
from sidecar.calls.endpoint import Endpoint
from sidecar.concurrency.cancel_scope import CancelScope
from sidecar.downstream.batch import Batch
from sidecar.downstream.event_stream import EventStream
from sidecar.downstream.stream_session import StreamSession, StreamSessions
from sidecar.errors import REQUEST_CANCELLED, HubStopping, SessionUnknown, SidecarError
from sidecar.flood_errors import ServerBusy
from sidecar.http_errors import BodiesLimit
from sidecar.listener import request_checks
from sidecar.listener.asgi import disconnected, parse, read_body, respond
from sidecar.listener.auth import principal_of
from sidecar.listener.http_protocol import HttpProtocol
from sidecar.listener.raw_responses import TryWrite, response_writer
from sidecar.protocol import eras, jsonrpc
from sidecar.protocol.channel import Frame, SendFrame
from sidecar.sessions.client_info import client_info
from sidecar.sessions.earlier import Forwarded, no_predecessor
from sidecar.workspaces.workspace import Workspace

ACCEPTED_RESPONSE = b"HTTP/1.1 202 Accepted\r\ncontent-type: text/plain\r\ncontent-length: 0\r\n\r\n"
"""The bytes of the response that `_respond_accepted` sends, for the direct way."""


class SseSession(StreamSession):
    """The session of one stream. Its protocol era is that of the client's first request."""

    transport = "sse"

    def __init__(self, endpoint: Endpoint, send: Send, try_write: TryWrite, principal: Principal = ANONYMOUS) -> None:
        super().__init__(endpoint, principal=principal)
        self.stream = EventStream(send, self.close, try_write=try_write)
        self.era_decided = False
        """Whether the first request has come, which decides the era."""
        self.stream_scope = CancelScope()
        """Cancelled to end the stream and the session."""

    # --- to the client -------------------------------------------------------------------------------------------

    def outgoing(self) -> SendFrame:
        """Frames for the client go to the stream."""
        return self.stream.put

    def open_stream(self) -> EventStream:
        """The stream of the session."""
        return self.stream

    def put_raw(self, data: bytes) -> None:
        """Write bytes to the stream."""
        self.stream.put_raw(data)

    def notify(self, method: str, params: dict[str, Any] | None = None) -> None:
        """Send a notification to a legacy client; modern ones get notifications through `subscriptions/listen`."""
        if self.initialized:
            self.stream.put(jsonrpc.notification(method, params))

    def put_notification(self, method: str, params: dict[str, Any]) -> None:
        """Send a notification about a request of the client."""
        self.stream.put(jsonrpc.notification(method, params))

    def close(self) -> None:
        """End the session: its key was revoked, or the client does not read."""
        self.stream_scope.cancel()

    def end_stream(self) -> None:
        """End the stream, and with it the session."""
        self.close()

    def cancelled_response(self, request_id: int | str) -> Frame | None:
        """An error for legacy clients, some of which would wait for a response for ever (ADR 15)."""
        if self.modern or self.ended:
            return None
        return jsonrpc.error(request_id, {"code": REQUEST_CANCELLED, "message": "Request cancelled"})

    # --- from the client -----------------------------------------------------------------------------------------

    async def serve_batch(self, batch: Batch, send: Send) -> None:
        """Respond 202 to the POST of a batch, and send the responses to its requests on the stream."""
        await _respond_accepted(send)
        for response in await batch.serve(self.put_notification):
            self.stream.put(response)

    async def serve(self, frame: Frame, scope: Scope, send: Send) -> None:
        """Handle one POSTed message: respond 202, and send the response on the stream if it is a request.

        Raises:
            MessageInvalid: the id of the request is in use.
            SessionUnknown: the stream on which a response would come is about to end.
        """
        if "method" not in frame:
            self.handle_response(frame)
        elif "id" not in frame:
            self.handle_notification(frame)
        elif self.ended or self.stream_scope.cancel_called:
            raise SessionUnknown("The stream of this session has ended.")
        else:
            await self._serve_request(frame, scope, send)
            return
        await _respond_accepted(send)

    def try_direct(self, frame: Frame) -> bool:
        """Handle a message on the direct way; False if that is not possible, then nothing has happened."""
        if (
            self.modern
            or not self.version
            or self.stream_scope.cancel_called
            or not direct_call.is_direct_candidate(self, frame)
        ):
            return False
        return direct_call.try_direct(self, frame, self.put_notification, self.stream.put)

    async def _serve_request(self, frame: Frame, scope: Scope, send: Send) -> None:
        method, modern = frame["method"], eras.of_params(frame.get("params")) == "modern"
        first = method == "initialize"
        if not self.era_decided:
            self.era_decided, self.modern = True, modern and not first
            if self.modern:
                self._introduce(frame["params"])
        with self.in_progress(frame) as cancel_scope:
            if not first:  # 202 follows the handshake's response: the client may send requests right after 202
                await _respond_accepted(send)
            if (refusal := self._refusal(frame, scope, modern)) is not None:
                self.endpoint.refused(self, frame, refusal)
                self.stream.put(jsonrpc.error(frame["id"], refusal))
            else:
                relayed = self.endpoint.relay.handles(method, modern=True) if modern else self.relayed(method)
                response = await self.answer(frame, cancel_scope, self.put_notification, relayed=relayed)
                if (response := response or self.cancelled_response(frame["id"])) is not None:
                    self.stream.put(response)
        if first:
            await _respond_accepted(send)
            if self.version:
                self.announce()

    def _introduce(self, params: dict[str, Any]) -> None:
        """A modern client has no handshake: its first request says who it is, for lists of sessions."""
        meta = params["_meta"]
        said = (meta.get(key) for key in (eras.CLIENT_INFO_KEY, eras.VERSION_KEY, eras.CAPABILITIES_KEY))
        self.client_info = client_info(*said)
        self.announce()

    def _refusal(self, frame: Frame, scope: Scope, modern: bool) -> request_checks.Error | None:
        """The JSON-RPC error for a request that is not valid on this stream; None if it is valid."""
        if self.modern:
            return request_checks.over_stream(frame, scope)
        return request_checks.ENVELOPED_ON_LEGACY if modern and frame["method"] != "initialize" else None


def _messages(scope: Scope) -> str:
    """The path for messages, relative to the stream's URL (RFC 3986, 5.2): a proxy may put the hub below a path."""
    return "../messages" if scope["path"].endswith("/") else "messages"


async def _discard(_: Message) -> None:
    """An ASGI `send` for a request that is answered elsewhere."""


async def _respond_accepted(send: Send) -> None:
    await respond(send, 202, b"", b"text/plain")  # a body would cost another write to the socket


class SseTransport(StreamSessions[SseSession]):
    """The SSE sessions of all workspaces."""

    transport = "sse"

    async def serve_stream(self, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a GET request: one session, until the client disconnects."""
        if self._closing:
            await self._refusals.refuse(principal_of(scope), scope, send, HubStopping("The hub is stopping."), 503)
            return
        workspace = endpoint.workspace
        try:
            workspace.admit()
            self._admission.admit_session(principal_of(scope))
        except SidecarError as error:
            await self._refusals.refuse(principal_of(scope), scope, send, error)
            return
        session = SseSession(endpoint, send, response_writer(scope), principal_of(scope))
        session.stream.meter = self._admission.meter_of(session.principal)
        self._sessions[session.id] = session
        workspace.join(session)
        try:
            session.put_raw(f"event: endpoint\r\ndata: {_messages(scope)}?session_id={session.id}\r\n\r\n".encode())
            with session.stream_scope:
                await disconnected(receive)
            await session.stream.close()
        finally:
            session.end()
            session.stream.abort()
            del self._sessions[session.id]
            workspace.leave(session)

    async def serve_message(
        self, workspace: Workspace | None, session_id: str, scope: Scope, receive: Receive, send: Send
    ) -> bool:
        """Serve a POST request: one message of a session. Returns whether the message was valid.

        `workspace` is None for a key that has no session in the workspace.
        """
        message = None
        try:
            known = session_id in self._sessions or self.forward is no_predecessor
            session = self.find(session_id, workspace, principal_of(scope)) if known else None
            body = await read_body(scope, receive, self._settings.max_body_bytes)
            message = parse(body)
            if session is None:
                await self._pass_back(session_id, message, scope, send)
            elif isinstance(message, list):
                with self.requests.counted(session.caller, len(body), len(message)):
                    await session.serve_batch(Batch(session, message), send)
            else:
                await self._serve(session, jsonrpc.validate(message), len(body), scope, send)
        except SidecarError as error:
            await self.refuse(error.status, error, scope, send, workspace, message, session_id)
            return False
        return True

    async def _serve(self, session: SseSession, frame: Frame, size: int, scope: Scope, send: Send) -> None:
        """Serve a message in a body of `size` bytes. If there are too many, the answer also goes to the stream: clients
        may ignore the status of a POST, and would wait for it.

        Raises:
            ServerBusy, BodiesLimit: the client has too many requests open, or they are too large.
        """
        if "id" not in frame or "method" not in frame:
            await session.serve(frame, scope, send)
            return
        try:
            with self.requests.counted(session.caller, size):
                await session.serve(frame, scope, send)
        except (ServerBusy, BodiesLimit) as error:
            session.stream.put(jsonrpc.error(frame["id"], error.rpc()))
            raise

    async def _pass_back(self, session_id: str, message: Any, scope: Scope, send: Send) -> None:
        """Pass a message to the predecessor of this process, which may have the session while it finishes its calls.

        Raises:
            MessageInvalid: the message is not valid.
            SessionUnknown: the predecessor does not have the session.
        """
        forwarded = Forwarded(self.transport, session_id, holder_of(principal_of(scope)), jsonrpc.validate(message))
        if not await self.forward(forwarded):
            raise SessionUnknown("There is no such session.")
        await _respond_accepted(send)

    def deliver(self, forwarded: Forwarded) -> bool:
        """As `StreamSessions.deliver`; requests are served, too, since the session's stream is here."""
        if not super().deliver(forwarded):
            return False
        frame, session = forwarded.message, self._sessions[forwarded.session]
        if "method" in frame and "id" in frame:
            session.workspace.spawn(self._serve_forwarded(session, frame))
        return True

    async def _serve_forwarded(self, session: SseSession, frame: Frame) -> None:
        try:
            await session.serve(frame, {"type": "http", "headers": []}, _discard)
        except SidecarError as error:
            session.stream.put(jsonrpc.error(frame["id"], error.rpc()))

    def try_direct(self, session_id: str, body: bytes, connection: HttpProtocol) -> bool:
        """Serve the body of a POST with a known head on the direct way; False if that is not possible."""
        session, frame = self.find_call(session_id, body)
        if session is None or frame is None or not session.try_direct(frame):
            return False
        connection.write(ACCEPTED_RESPONSE)
        return True
