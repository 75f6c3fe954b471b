"""The Streamable HTTP transport (MCP 2025-11-25, Transports): opens, finds and resumes sessions (ADR 13, ADR 28).

http_session.py serves the requests of a session. stateless.py serves the modern era, which has no sessions.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.types import Receive, Scope, Send

from sidecar.access.credential import holder_of
from sidecar.admission.admission import Admission
from sidecar.calls import direct_call
from sidecar.calls.endpoint import Endpoint
from sidecar.concurrency.cancel_scope import CancelScope
from sidecar.concurrency.open_requests import OpenRequests
from sidecar.downstream import direct_reply
from sidecar.downstream.batch import Batch
from sidecar.downstream.direct_reply import Pings, TryDirect
from sidecar.downstream.event_stream import Header
from sidecar.downstream.http_session import HttpSession
from sidecar.downstream.reply import respond_json
from sidecar.downstream.session_ids import KEY_PURPOSE, Handshake, SessionIds, binding
from sidecar.downstream.session_states import SessionStates
from sidecar.downstream.stateless import NOT_ACCEPTABLE, Stateless
from sidecar.downstream.stream_session import StreamSessions
from sidecar.errors import HubStopping, MessageInvalid, SidecarError
from sidecar.listener import request_checks
from sidecar.listener.asgi import header, parse, read_body, respond
from sidecar.listener.auth import principal_of
from sidecar.listener.http_protocol import HttpProtocol
from sidecar.protocol import jsonrpc, replica_names
from sidecar.protocol.channel import Frame
from sidecar.sessions.earlier import Forwarded

if TYPE_CHECKING:
    from bridge.keys import Principal
    from bridge.settings import Settings

log = logging.getLogger(__name__)

ALLOWED_METHODS = "GET, POST, DELETE"


class HttpTransport(StreamSessions[HttpSession]):
    """The Streamable HTTP transport for all workspaces."""

    transport = "http"

    def __init__(
        self, settings: Settings, admission: Admission | None = None, requests: OpenRequests | None = None
    ) -> None:
        super().__init__(settings, admission, requests)
        self._pings = Pings(settings.ping_interval)
        self._stateless = Stateless(settings, self._pings, self)
        self._ids = SessionIds(settings.data_dir / "sessions.key", key=settings.replica_key(KEY_PURPOSE))
        self.states = SessionStates(settings.data_dir / "sessions.json")

    async def run(self, until: asyncio.Event) -> None:
        """Ping idle streams until `until` is set, then end all sessions and requests."""
        await super().run(until)
        self._stateless.end()
        self._pings.close()

    def end_invalid(self, is_valid: Callable[[Principal], bool]) -> None:
        """Cancel the direct calls without a session whose caller's credential has ended."""
        self._stateless.end_invalid(is_valid)

    def closing(self) -> None:
        """Leave what is to be restored to the next process, which may resume a session from now on: its end here is
        told before."""
        self.states.close()
        for session in self._sessions.values():
            session.conclude()

    async def serve(self, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send) -> TryDirect | None:
        """Serve one HTTP request of either era. Returns a function that may serve requests with the same head on the
        direct way, if there can be such."""
        version = header(scope, b"mcp-protocol-version").decode("latin-1")
        legacy, method = request_checks.is_legacy(version), scope["method"]
        if self._closing:
            await self._refusals.refuse(principal_of(scope), scope, send, HubStopping("The hub is stopping."), 503)
        elif method == "POST" and legacy:
            session_id = await self._post(endpoint, scope, receive, send)
            return partial(self.try_direct, session_id) if session_id else None
        elif method == "POST":
            return await self._stateless.serve(endpoint, scope, receive, send)
        elif request_checks.is_modern(version):
            await self._refusals.not_allowed(principal_of(scope), scope, send, "POST")
        elif not legacy:
            error = MessageInvalid(f"The MCP-Protocol-Version {version[:40]!r} is not served.")
            await self._refusals.refuse(principal_of(scope), scope, send, error, 400)
        elif method in ("GET", "DELETE"):
            await self._get_or_delete(endpoint, scope, receive, send)
        else:
            await self._refusals.not_allowed(principal_of(scope), scope, send, ALLOWED_METHODS)
        return None

    async def _post(self, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send) -> str:
        """Serve a POSTed message of a session, or a handshake. Returns the session's id if direct calls may follow."""
        session_id, message = header(scope, b"mcp-session-id").decode("latin-1"), None
        try:
            body = await read_body(scope, receive, self._settings.max_body_bytes)
            message = parse(body)
            if not all(request_checks.accepts(header(scope, b"accept"))):
                await self.refuse(406, NOT_ACCEPTABLE, scope, send, endpoint.workspace, message)
                return ""
            if isinstance(message, list):
                await self._serve_batch(message, len(body), endpoint, scope, receive, send)
                return ""
            frame = jsonrpc.validate(message)
            if (refusal := request_checks.enveloped(frame, scope)) is not None:
                await self.refuse_request(refusal, scope, send, endpoint.workspace, frame)
            elif frame.get("method") == "initialize" and "id" in frame and not session_id:
                await self._initialize(endpoint, frame, scope, send)
            else:
                session, prefers_stream = (
                    self._session_of(scope, endpoint),
                    request_checks.prefers_stream(header(scope, b"accept")),
                )
                counted = "method" in frame and "id" in frame
                with self.requests.counted(session.caller, len(body)) if counted else nullcontext():
                    await self._serve(session, frame, receive, send, prefers_stream)
                return "" if prefers_stream else session.id
        except SidecarError as error:
            await self.refuse(error.status, error, scope, send, endpoint.workspace, message, session_id)
        return ""

    def try_direct(self, session_id: str, body: bytes, connection: HttpProtocol, allowed: Callable[[], bool]) -> bool:
        """Serve the body of a POST with a known head on the direct way; False if that is not possible."""
        session, frame = self.find_call(session_id, body)
        if session is None or frame is None or not direct_call.is_direct_candidate(session, frame):
            return False
        return direct_reply.try_call(session, frame, connection, self._pings, allowed)

    async def _serve(
        self, session: HttpSession, frame: Frame, receive: Receive, send: Send, prefers_stream: bool
    ) -> None:
        with session.in_use():
            if "method" in frame and "id" in frame:
                await session.serve_request(frame, receive, send, self._settings.ping_interval, prefers_stream)
                return
            if "method" in frame:
                session.handle_notification(frame)
            else:
                session.handle_response(frame)
            if session.resumed:  # it may be about a call that the predecessor of this process still has
                await self.forward(Forwarded(self.transport, session.id, holder_of(session.principal), frame))
            await respond(send, 202, b"", b"application/json", session.headers)

    async def _serve_batch(
        self, messages: list[Any], size: int, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Raises MessageInvalid, SessionUnknown, ServerBusy, BodiesLimit. `size` is that of the body."""
        if not header(scope, b"mcp-session-id"):
            raise MessageInvalid(jsonrpc.BATCH_REFUSED)
        session = self._session_of(scope, endpoint)
        with session.in_use(), self.requests.counted(session.caller, size, len(messages)):
            await session.serve_batch(Batch(session, messages), receive, send, self._settings.ping_interval)

    async def _initialize(self, endpoint: Endpoint, frame: Frame, scope: Scope, send: Send) -> None:
        """Serve `initialize`; a session is opened if it succeeds. Raises TooManySessions, TooManyOwnSessions."""
        workspace = endpoint.workspace
        workspace.admit()
        self._admission.admit_session(principal_of(scope))
        session = HttpSession(endpoint, self._settings.session_idle_timeout, self._forget)
        session.principal = principal_of(scope)
        headers: tuple[Header, ...] = ()
        with session.in_use():
            workspace.join(session)
            try:
                response = await session.answer(frame, CancelScope(), lambda *_: None, relayed=False)
                if session.version and not session.ended:
                    agreed = Handshake(session.version, session.capabilities)
                    session.start(self._ids.seal(session.id, binding(workspace, scope), agreed))
                    self._sessions[session.id] = session
                    session.announce()
                    session.on_state = self._keep
                    headers = session.headers
            finally:
                if not headers:
                    session.close()
        response = response or session.cancelled_response(frame["id"])
        await respond_json(send, request_checks.limit_status(response), response, headers)

    def _keep(self, session: HttpSession) -> None:
        self.states.put(session.id, session.state)

    def _forget(self, session: HttpSession) -> None:
        self._sessions.pop(session.id, None)
        self.states.forget(session.id)
        if session.resumed:
            self._ids.retire(session.id)

    def _resume(self, session_id: str, endpoint: Endpoint, scope: Scope) -> None:
        """Resume a session of an earlier process of the hub, or of another replica, if the id is valid for that.

        A client of `per_client` servers starts anew at another replica, as their state is lost with the processes.

        Raises:
            TooManySessions, TooManyOwnSessions: a limit is reached.
        """
        workspace = endpoint.workspace
        handshake = self._ids.read(session_id, binding(workspace, scope))
        if handshake is None or workspace.refusal():
            return
        if workspace.has_per_client and replica_names.split(session_id)[0] != self._settings.replica:
            return
        if scope["method"] != "DELETE":  # a session that is ended at once does not count
            workspace.admit()
            self._admission.admit_session(principal_of(scope))
        session = HttpSession(endpoint, self._settings.session_idle_timeout, self._forget, session_id)
        session.principal = principal_of(scope)
        session.resume(handshake)
        workspace.join(session)
        self._sessions[session_id] = session
        session.announce()
        session.on_state = self._keep
        if (state := self.states.find(session_id)) is not None:
            workspace.spawn(session.restore(state))
        known = {"session": session.short_id, "correlation": session.correlation_prefix, "workspace": workspace.name}
        log.info("a session was resumed", extra=known)

    def _session_of(self, scope: Scope, endpoint: Endpoint) -> HttpSession:
        """The session of a request, which may be resumed.

        Raises:
            MessageInvalid: the request has no `Mcp-Session-Id`.
            SessionUnknown: this workspace has no session with that id.
            TooManySessions: the session cannot be resumed because the limit is reached.
        """
        session_id = header(scope, b"mcp-session-id").decode("latin-1")
        if not session_id:
            raise MessageInvalid(
                "The request names no session.", hint="Send `initialize` first, then its Mcp-Session-Id header."
            )
        if session_id not in self._sessions:
            self._resume(session_id, endpoint, scope)
        return self.find(session_id, endpoint.workspace, principal_of(scope))

    async def _get_or_delete(self, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["method"] == "GET" and not request_checks.accepts(header(scope, b"accept"))[1]:
                await self._refusals.refuse(principal_of(scope), scope, send, NOT_ACCEPTABLE, 406)
                return
            session = self._session_of(scope, endpoint)
        except SidecarError as error:
            await self._refusals.refuse(principal_of(scope), scope, send, error)
            return
        if scope["method"] == "DELETE":
            session.close()
            await respond(send, 200, b"", b"application/json")
        else:
            with session.in_use():
                await session.serve_stream(receive, send)
