"""The HTTP+SSE transport (MCP 2024-11-05, Transports): one GET stream a session, one POST a message.

Our own, because it is the hot path: what the relay takes never enters FastMCP. The task that serves the GET request is
all that an idle session has; requests are answered by the tasks of their POSTs, behind the 202.
"""

from __future__ import annotations

from typing import Any

from starlette.types import Receive, Scope, Send

from bridge.keys import Principal
from sidecar.admission.context import ANONYMOUS
from sidecar.calls import direct_call
from sidecar.calls.endpoint import Endpoint
from sidecar.concurrency.cancel_scope import CancelScope
from sidecar.downstream.batch import Batch
from sidecar.downstream.event_stream import Outbox
from sidecar.downstream.stream_session import StreamSession, StreamSessions
from sidecar.errors import REQUEST_CANCELLED, HubStopping, SidecarError, TooManySessions
from sidecar.listener import request_checks
from sidecar.listener.asgi import disconnected, parse, read_body, respond, respond_error
from sidecar.listener.auth import principal_of
from sidecar.listener.http_protocol import HttpProtocol, Now, response_writer
from sidecar.protocol import eras, jsonrpc
from sidecar.protocol.channel import Frame, SendFrame
from sidecar.sessions.client_info import client_info
from sidecar.workspaces.workspace import Workspace

TAKEN = b"HTTP/1.1 202 Accepted\r\ncontent-type: text/plain\r\ncontent-length: 0\r\n\r\n"
"""What `_taken` makes of its response."""


class SseSession(StreamSession):
    """One stream, in one of the eras: that of the client's first request."""

    transport = "sse"

    def __init__(self, endpoint: Endpoint, send: Send, now: Now, principal: Principal = ANONYMOUS) -> None:
        super().__init__(endpoint, principal=principal)
        self.stream = Outbox(send, self.close, now=now)
        self.began = False
        """Whether there was a request, which decides for the era."""
        self.over = CancelScope()
        """Ends the stream, and the session with it."""

    # --- to the client -------------------------------------------------------------------------------------------

    def way(self) -> SendFrame:
        """Everything goes on the one stream."""
        return self.stream.put

    def put_raw(self, data: bytes) -> None:
        """Write bytes to the stream."""
        self.stream.put_raw(data)

    def notify(self, method: str, params: dict[str, Any] | None = None) -> None:
        """Legacy clients take notices on the stream; modern ones only through `subscriptions/listen`."""
        if self.initialized:
            self.stream.put(jsonrpc.notification(method, params))

    def put_notification(self, method: str, params: dict[str, Any]) -> None:
        """Send a notification that belongs to a request of the client."""
        self.stream.put(jsonrpc.notification(method, params))

    def close(self) -> None:
        """The client is not let in any more, or does not read."""
        self.over.cancel()

    def cancelled_response(self, request_id: int | str) -> Frame | None:
        """Legacy clients may go on waiting."""
        if self.modern or self.ended:
            return None
        return jsonrpc.error(request_id, {"code": REQUEST_CANCELLED, "message": "Request cancelled"})

    # --- from the client -----------------------------------------------------------------------------------------

    async def serve_batch(self, batch: Batch, send: Send) -> None:
        """Take the messages of a batch, tell that they were taken, and answer the requests among them on the stream."""
        await _taken(send)
        for response in await batch.serve(self.put_notification):
            self.stream.put(response)

    async def serve(self, frame: Frame, scope: Scope, send: Send) -> None:
        """Take one message of the client, tell that it was taken, and answer it on the stream if it is a request.

        `scope` is that of its POST. Raises:
            MessageInvalid: its id is in use.
        """
        if "method" not in frame:
            self.take_response(frame)
        elif "id" not in frame:
            self.take_notification(frame)
        elif not self.ended:
            await self._serve_request(frame, scope, send)
            return
        await _taken(send)

    def try_direct(self, frame: Frame) -> bool:
        """Take a message, if it is a call that needs no task; False, and nothing has happened, if it does."""
        if self.modern or not self.version or not direct_call.is_direct_candidate(self, frame):
            return False
        return direct_call.try_direct(self, frame, self.put_notification, self.stream.put)

    async def _serve_request(self, frame: Frame, scope: Scope, send: Send) -> None:
        method, modern = frame["method"], eras.of_params(frame.get("params")) == "modern"
        first = method == "initialize"
        if not self.began:
            self.began, self.modern = True, modern and not first
            if self.modern:
                self._introduce(frame["params"])
        with self.under_way(frame) as cut:
            if not first:  # which is answered before it is taken, for its client may ask on without waiting
                await _taken(send)
            if (refusal := self._refusal(frame, scope, modern)) is not None:
                self.endpoint.refused(self, frame, refusal)
                self.stream.put(jsonrpc.error(frame["id"], refusal))
            else:
                relayed = self.endpoint.relay.handles(method, modern=True) if modern else self.relayed(method)
                response = await self.answer(frame, cut, self.put_notification, relayed=relayed)
                if (response := response or self.cancelled_response(frame["id"])) is not None:
                    self.stream.put(response)
        if first:
            await _taken(send)

    def _introduce(self, params: dict[str, Any]) -> None:
        """A modern client has no handshake: its first request says who it is, for lists of sessions."""
        meta = params["_meta"]
        said = (meta.get(key) for key in (eras.CLIENT_INFO_KEY, eras.VERSION_KEY, eras.CAPABILITIES_KEY))
        self.client_info = client_info(*said)

    def _refusal(self, frame: Frame, scope: Scope, modern: bool) -> request_checks.Error | None:
        """What is wrong with a request on this stream, if anything is."""
        if self.modern:
            return request_checks.over_stream(frame, scope)
        return request_checks.ENVELOPED_ON_LEGACY if modern and frame["method"] != "initialize" else None


def _messages(scope: Scope) -> str:
    """Where a stream's messages go, relative to its URL (RFC 3986, 5.2): a proxy may have the hub below a path."""
    return "../messages" if scope["path"].endswith("/") else "messages"


async def _taken(send: Send) -> None:
    await respond(send, 202, b"", b"text/plain")  # a body would be one more write to the socket


class SseTransport(StreamSessions[SseSession]):
    """The SSE sessions of all workspaces."""

    transport = "sse"

    async def serve_stream(self, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send) -> None:
        """GET: one session from connect to disconnect."""
        if self._closing:
            await respond_error(send, 503, HubStopping("The hub is stopping."))
            return
        workspace = endpoint.workspace
        try:
            workspace.admit()
        except TooManySessions as error:
            await respond_error(send, error.status, error)
            return
        session = SseSession(endpoint, send, response_writer(scope), principal_of(scope))
        self._sessions[session.id] = session
        workspace.join(session)
        try:
            session.put_raw(f"event: endpoint\r\ndata: {_messages(scope)}?session_id={session.id}\r\n\r\n".encode())
            with session.over:
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
        """POST: one message of a session; answered 202, the response comes on the stream. Whether it was one.

        `workspace` is none for a key that has no session there.
        """
        message = None
        try:
            session = self.find(session_id, workspace)
            body = await read_body(scope, receive, self._settings.max_body_bytes)
            message = parse(body)
            if isinstance(message, list):
                await session.serve_batch(Batch(session, message), send)
            else:
                await session.serve(jsonrpc.validate(message), scope, send)
        except SidecarError as error:
            await self.refuse(error.status, error, scope, send, workspace, message, session_id)
            return False
        return True

    def try_direct(self, session_id: str, body: bytes, connection: HttpProtocol) -> bool:
        """The body of a POST with the head of one that `serve_message` has taken: the same, if it is done at once."""
        session, frame = self.called(session_id, body)
        if session is None or frame is None or not session.try_direct(frame):
            return False
        connection.write(TAKEN)
        return True
