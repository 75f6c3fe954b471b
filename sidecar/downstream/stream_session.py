"""Sessions with a stream to the client, over which the hub can send notifications and requests; and their registry.

This is what HTTP+SSE and legacy sessions over Streamable HTTP have in common.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from starlette.types import Scope, Send

from sidecar.access.credential import holder_of
from sidecar.admission.admission import Admission, error_of
from sidecar.admission.context import ANONYMOUS, RequestContext, Visitor
from sidecar.calls import direct_call
from sidecar.concurrency.cancel_scope import Cancellable, CancelScope
from sidecar.concurrency.open_requests import OpenRequests
from sidecar.downstream.event_stream import PING, EventStream
from sidecar.errors import INTERNAL_ERROR, MessageInvalid, SessionUnknown, SidecarError
from sidecar.listener import request_checks
from sidecar.listener.asgi import respond, respond_error
from sidecar.listener.auth import principal_of
from sidecar.listener.refusals import Refusals
from sidecar.protocol import codec, jsonrpc
from sidecar.protocol.channel import Frame, Notify, SendFrame
from sidecar.protocol.eras import Era
from sidecar.sessions.earlier import Forward, Forwarded, no_predecessor
from sidecar.sessions.session import Session

if TYPE_CHECKING:
    from bridge.keys import Principal
    from bridge.settings import Settings
    from sidecar.calls.endpoint import Endpoint
    from sidecar.routing.offer import Offer
    from sidecar.workspaces.workspace import Workspace

S = TypeVar("S", bound="StreamSession")


class StreamSession(Session):
    """A session over HTTP+SSE, or a legacy one over Streamable HTTP. The transport that opened it calls `end`."""

    era: Era = "legacy"
    """The era of direct calls (`DirectCaller`)."""

    def __init__(self, endpoint: Endpoint, session_id: str | None = None, principal: Principal = ANONYMOUS) -> None:
        super().__init__(session_id, principal, endpoint.workspace.replica)
        self.endpoint = endpoint
        self.admission = endpoint.admission
        self.workspace = endpoint.workspace
        self.initialized = False
        """Whether the client has sent `notifications/initialized`."""
        self.announced = False
        """Whether observers know of the session."""
        self.running: dict[int | str, Cancellable] = {}
        self.pending: dict[str, asyncio.Future[Frame]] = {}
        """The requests to the client that it has not answered yet, by id."""

    @property
    def workspace_name(self) -> str:
        """The name of its workspace."""
        return self.workspace.name

    @property
    def client_name(self) -> str:
        """The client's name and version, as it says."""
        return f"{self.client_info.name} {self.client_info.version}".strip()

    # --- to the client -------------------------------------------------------------------------------------------

    @abstractmethod
    def outgoing(self) -> SendFrame | None:
        """The function that sends a frame to the client now; None if no stream is open."""

    @abstractmethod
    def open_stream(self) -> EventStream | None:
        """The stream to the client that is not the response to one request; None if none is open."""

    @abstractmethod
    def put_raw(self, data: bytes) -> None:
        """Write bytes to the session's stream, if it is open."""

    async def ask(self, method: str, params: dict[str, Any]) -> Frame:
        """Send a server's request to the client, and wait for the response that the client POSTs."""
        put = None if self.ended else self.outgoing()
        if put is None:
            return jsonrpc.error(0, {"code": INTERNAL_ERROR, "message": f"{method}: the client cannot be reached"})
        request_id = f"hub-{self.next_correlation()}"
        future = self.pending[request_id] = asyncio.get_running_loop().create_future()
        put(jsonrpc.request(request_id, method, params))
        try:
            answer: Frame = await future
        except asyncio.CancelledError as cancelled:  # the server gave it up; where it was asked may have ended before
            if put := self.outgoing():
                put(jsonrpc.notification("notifications/cancelled", _cancellation(request_id, cancelled)))
            raise
        finally:
            del self.pending[request_id]
        return answer

    @abstractmethod
    def cancelled_response(self, request_id: int | str) -> Frame | None:
        """The response to a request that was cancelled or ended with the session; None for no response."""

    # --- from the client -----------------------------------------------------------------------------------------

    def declared(self, offer: Offer) -> None:
        """None: calls to modern servers need the waiting way, since these may ask for input."""

    def to_client_response(self, offer: Offer, params: dict[str, Any], frame: Frame) -> Frame:
        """Return the response unchanged: legacy servers ask for input by requests of their own."""
        return frame

    def relayed(self, method: str) -> bool:
        """Whether the relay answers a method for this session. FastMCP answers the handshake and all other methods."""
        return bool(self.version) and self.endpoint.relay.handles(method, modern=False)

    @contextlib.contextmanager
    def in_progress(self, frame: Frame) -> Iterator[CancelScope]:
        """A request is under way while the context is open. Raises MessageInvalid where its id is in use."""
        request_id = frame["id"]
        if request_id in self.running:
            raise MessageInvalid("A request with this `id` is still under way.")
        cancel_scope = self.running[request_id] = CancelScope()
        try:
            yield cancel_scope
        finally:
            del self.running[request_id]

    async def answer(self, frame: Frame, cancel_scope: CancelScope, notify: Notify, *, relayed: bool) -> Frame | None:
        """The response to a request; None if it was cancelled."""
        response = None
        with cancel_scope:
            response = await self.endpoint.answer(self, frame, notify, relayed=relayed)
        if response is not None and frame["method"] == "initialize" and "result" in response:
            self.version = str(response["result"].get("protocolVersion"))
            self.on_initialize(frame.get("params") or {})
        return response

    def handle_response(self, frame: Frame) -> None:
        """Handle the client's response to a request; unexpected responses are ignored."""
        pending = self.pending.get(str(frame["id"]))
        if pending is not None and not pending.done():
            pending.set_result(frame)

    def handle_notification(self, frame: Frame) -> None:
        """Handle a notification of the client; one that the hub does not know may be for a server."""
        method = frame["method"]
        if method == "notifications/cancelled":
            params = frame.get("params") or {}
            request_id: Any = params.get("requestId")
            if type(request_id) in (int, str) and (running := self.running.get(request_id)):
                reason = params.get("reason")
                running.cancel(reason if isinstance(reason, str) else "")
        elif method == "notifications/initialized":
            self.initialized = bool(self.version)
        elif method == "notifications/progress":
            self.workspace.spawn(self.pass_progress(frame.get("params") or {}))
        elif method == "notifications/roots/list_changed":
            self.workspace.spawn(self.roots_changed())
        elif self.version:
            self.workspace.spawn(
                self.endpoint.relay.extension_calls.pass_notification(self, method, frame.get("params") or {})
            )

    def announce(self) -> None:
        """Tell the observers that the session began; the client has said who it is."""
        if not self.announced:
            self.announced = True
            self.admission.session_began(self)

    def conclude(self) -> None:
        """Tell the observers that the session ended: in this process, as another one may resume it."""
        if self.announced:
            self.announced = False
            self.admission.session_ended(self)

    # --- its end -------------------------------------------------------------------------------------------------

    def cancel_requests(self) -> None:
        """Cancel the requests in progress."""
        for running in tuple(self.running.values()):
            running.cancel()

    @abstractmethod
    def end_stream(self) -> None:
        """End the stream to the client, after what is queued on it."""

    def end(self) -> None:
        """Cancel the requests in progress, and answer the requests to the client with errors."""
        self.ended = True
        self.conclude()
        self.cancel_requests()
        for number, pending in enumerate(self.pending.values()):
            if not pending.done():
                pending.set_result(jsonrpc.error(number, {"code": INTERNAL_ERROR, "message": "the client has left"}))


def _cancellation(request_id: str, cancelled: asyncio.CancelledError) -> dict[str, Any]:
    """The params of `notifications/cancelled` (MCP, Cancellation), with the server's reason if it gave one."""
    reason = cancelled.args[0] if cancelled.args else None
    return {"requestId": request_id, **({"reason": reason} if isinstance(reason, str) else {})}


class StreamSessions(Generic[S]):
    """The sessions of one transport, by id."""

    transport: str

    def __init__(
        self, settings: Settings, admission: Admission | None = None, requests: OpenRequests | None = None
    ) -> None:
        """`admission` and `requests` are those of the hub, which its transports share."""
        self._settings = settings
        self.requests = requests or OpenRequests(settings)
        self._admission = admission or Admission()
        self._admission.on_meters.append(self.remeter)
        self._refusals = Refusals(self._admission)
        self._sessions: dict[str, S] = {}
        self._closing = False
        self.forward: Forward = no_predecessor
        """Passes a message to the process that has served before, and still has calls of its sessions."""

    async def run(self, until: asyncio.Event) -> None:
        """Ping idle streams until `until` is set, then end all sessions."""
        while not until.is_set():
            try:
                async with asyncio.timeout(self._settings.ping_interval):
                    await until.wait()
            except TimeoutError:
                for session in self._sessions.values():
                    session.put_raw(PING)
        self._closing = True
        self.closing()
        for session in tuple(self._sessions.values()):
            session.close()

    def remeter(self) -> None:
        """Limits of principals have changed: count the bytes of the streams of those whose bytes are limited now."""
        for session in self._sessions.values():
            if (stream := session.open_stream()) is not None:
                stream.meter = self._admission.meter_of(session.principal)

    def closing(self) -> None:
        """The process ends, and with it all sessions, which may be resumed by the next one."""

    def end_idle_streams(self) -> None:
        """End the stream of each session that has no request in progress: the process is about to end."""
        for session in tuple(self._sessions.values()):
            if not session.running:
                session.end_stream()

    def deliver(self, forwarded: Forwarded) -> bool:
        """Handle a message for a session of this process that has reached its successor; returns whether it is for one.

        A response, or a notification, for a call that is in progress here.
        """
        session, frame = self._sessions.get(forwarded.session), forwarded.message
        if session is None or session.ended or holder_of(session.principal) != forwarded.key:
            return False
        if "method" not in frame:
            session.handle_response(frame)
        elif "id" not in frame:
            session.handle_notification(frame)
        return True

    def holds(self, session_id: str) -> bool:
        """Whether there is a session with this id."""
        return session_id in self._sessions

    def waits_for(self, session_id: str, frame: Frame) -> bool:
        """Whether a message is for a request that is in progress here: its end, or the client's answer for it."""
        session = self._sessions.get(session_id)
        if session is None:
            return False
        if "method" not in frame:
            return str(frame.get("id")) in session.pending
        params = jsonrpc.as_dict(frame.get("params"))
        return frame["method"] == "notifications/cancelled" and params.get("requestId") in session.running

    def find_call(self, session_id: str, body: bytes) -> tuple[S | None, Frame | None]:
        """A session and the message that came for it, where that may be a call of a tool; none where it is not."""
        session = self._sessions.get(session_id)
        if session is None or jsonrpc.MARK_OF_CALL not in body or len(body) > self._settings.max_body_bytes:
            return None, None
        return session, direct_call.parse_message(body)

    def note_refused_post(
        self, error: SidecarError, scope: Scope, workspace: Workspace | None, message: Any, session_id: str = ""
    ) -> None:
        """Tell the observers that a POST was refused, unless it is a notification or a response.

        `message` is None if it could not be read. If it is a malformed response to a server's request, the server gets
        an error.
        """
        frame: Frame = jsonrpc.as_dict(message)
        if not ("result" in frame or "error" in frame or ("method" in frame and "id" not in frame)):
            visitor, name = Visitor(principal_of(scope), self.transport), workspace.name if workspace else ""
            method, params = str(frame.get("method", "")), jsonrpc.as_dict(frame.get("params"))
            self._admission.refused(RequestContext(visitor, method, params, name, 0, time.perf_counter()), error)
        session = self._sessions.get(session_id)
        if not isinstance(error, MessageInvalid) or error.answers is None:
            return
        if session is not None and session.workspace is workspace and _may_use(session, principal_of(scope)):
            why = {"code": INTERNAL_ERROR, "message": "the client's response is malformed"}
            session.handle_response(jsonrpc.error(error.answers, why))

    async def refuse(
        self,
        status: int,
        error: SidecarError,
        scope: Scope,
        send: Send,
        workspace: Workspace | None,
        message: Any,
        session_id: str = "",
    ) -> None:
        """Answer a POST with an error, and tell the observers."""
        self.note_refused_post(error, scope, workspace, message, session_id)
        await respond_error(send, status, error)

    async def refuse_request(
        self, refusal: request_checks.Error, scope: Scope, send: Send, workspace: Workspace | None, frame: Frame
    ) -> None:
        """Answer a request with a JSON-RPC error and the HTTP status of that error, and tell the observers."""
        self.note_refused_post(error_of(refusal), scope, workspace, frame)
        response = jsonrpc.error(frame["id"], refusal)
        await respond(send, request_checks.status_of(response), codec.dumps(response), b"application/json")

    def find(self, session_id: str, workspace: Workspace | None, principal: Principal) -> S:
        """The session with this id in `workspace` (None for a key without sessions there), if the principal may use it.

        Raises SessionUnknown.
        """
        session = self._sessions.get(session_id)
        if session is None or session.workspace is not workspace or not _may_use(session, principal):
            raise SessionUnknown("There is no such session.")
        return session


def _may_use(session: StreamSession, principal: Principal) -> bool:
    """Whether a principal whose workspace a session is in may use it: sessions of a grant are only for that grant."""
    return session.principal.grant == principal.grant
