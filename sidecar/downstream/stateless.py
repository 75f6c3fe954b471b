"""Streamable HTTP of the modern era (MCP 2026-07-28, Transports): there are no sessions, each POST is independent."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from starlette.types import Receive, Scope, Send

from sidecar.calls.direct_call import METHOD
from sidecar.concurrency.cancel_scope import CancelScope
from sidecar.concurrency.open_requests import OpenRequests
from sidecar.downstream.direct_reply import Pings, TryDirect
from sidecar.downstream.reply import Reply
from sidecar.downstream.stateless_calls import StatelessCaller, StatelessCalls
from sidecar.errors import HubStopping, MessageInvalid, SidecarError
from sidecar.flood_errors import ServerBusy
from sidecar.http_errors import BodiesLimit
from sidecar.listener import request_checks
from sidecar.listener.asgi import header, parse, read_body, respond
from sidecar.listener.auth import principal_of
from sidecar.listener.refusals import address_of
from sidecar.protocol import codec, jsonrpc
from sidecar.protocol.channel import Frame
from sidecar.protocol.param_headers import PREFIX
from sidecar.sessions.request_session import ModernRequest

if TYPE_CHECKING:
    from bridge.keys import Principal
    from bridge.settings import Settings
    from sidecar.calls.endpoint import Endpoint
    from sidecar.workspaces.workspace import Workspace


class Refuser(Protocol):
    """The part of `StreamSessions` that counts requests, and refuses them."""

    requests: OpenRequests

    async def refuse(
        self, status: int, error: SidecarError, scope: Scope, send: Send, workspace: Workspace | None, message: Any
    ) -> None:
        """Answer a POST with an error, and tell the observers."""

    async def refuse_request(
        self, refusal: request_checks.Error, scope: Scope, send: Send, workspace: Workspace | None, frame: Frame
    ) -> None:
        """Answer a request with invalid headers or `_meta` by a JSON-RPC error, and tell the observers."""


class Stateless:
    """Serves modern requests for `HttpTransport`; tracks those in progress, to end them when the hub stops."""

    def __init__(self, settings: Settings, pings: Pings, transport: Refuser) -> None:
        self._settings = settings
        self._refuse, self._refuse_request = transport.refuse, transport.refuse_request
        self._requests = transport.requests
        self._running: set[CancelScope] = set()
        self._calls = StatelessCalls(pings, settings.max_body_bytes)

    def end(self) -> None:
        """Cancel all requests in progress."""
        for cancel_scope in self._running:
            cancel_scope.cancel()
        self._calls.end()

    def end_invalid(self, is_valid: Callable[[Principal], bool]) -> None:
        """Cancel the direct calls whose caller's credential has ended; `Gate` ends the other requests."""
        self._calls.end_invalid(is_valid)

    async def serve(self, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send) -> TryDirect | None:
        """Serve one request or notification. Returns a function that may serve calls with the same head, if it was a
        call of a tool."""
        message, workspace = None, endpoint.workspace
        try:
            body = await read_body(scope, receive, self._settings.max_body_bytes)
            message = parse(body)
            frame = jsonrpc.validate(message, nulls=jsonrpc.may_have_nulls(body))
            if "method" not in frame:
                raise MessageInvalid("A response is not expected: the modern era has no requests of servers.")
        except SidecarError as error:
            await self._refuse(error.status, error, scope, send, workspace, message)
            return None
        if not all(request_checks.accepts(header(scope, b"accept"))):
            await self._refuse(406, NOT_ACCEPTABLE, scope, send, workspace, message)
        elif "id" not in frame:
            await self._accept_notification(scope, send)
        elif (refusal := _refusal(workspace, frame, scope)) is not None:
            await self._refuse_request(refusal, scope, send, workspace, frame)
        else:
            address = address_of(scope)
            request = ModernRequest(workspace.sessionless, frame["params"], address, principal_of(scope))
            try:
                with self._requests.counted(request.caller, len(body)):
                    await self._answer(endpoint, request, frame, receive, send)
            except (ServerBusy, BodiesLimit) as error:
                await self._refuse(error.status, error, scope, send, workspace, message)
                return None
            return self._direct_caller(endpoint, frame, address, scope)
        return None

    def _direct_caller(self, endpoint: Endpoint, frame: Frame, address: str, scope: Scope) -> TryDirect | None:
        """The function that serves further calls with the same head; None if arguments are in headers (`Mcp-Param-*`),
        since these differ from call to call."""
        params = frame["params"]
        if frame["method"] != METHOD or not isinstance(params.get("name"), str):
            return None
        if any(name.startswith(PREFIX_BYTES) for name, _ in scope["headers"]):
            return None
        caller = StatelessCaller(self._calls, endpoint, params, address, principal_of(scope))
        return caller.try_direct if caller.matches(frame) else None

    async def _accept_notification(self, scope: Scope, send: Send) -> None:
        """Accept a notification and ignore it. Modern clients cancel by closing the response, not by notification."""
        version = header(scope, b"mcp-protocol-version").decode("latin-1")
        if (refusal := request_checks.unsupported(version)) is not None:
            await _respond(send, jsonrpc.error(None, refusal))
        else:
            await respond(send, 202, b"", b"application/json")

    async def _answer(
        self, endpoint: Endpoint, request: ModernRequest, frame: Frame, receive: Receive, send: Send
    ) -> None:
        cancel_scope = CancelScope()
        reply = Reply(receive, send, cancel_scope, self._settings.ping_interval, cancel_when_disconnected=True)
        relayed = endpoint.relay.handles(frame["method"], modern=True)
        self._running.add(cancel_scope)
        response = None
        try:
            with cancel_scope:
                response = await endpoint.answer(request, frame, reply.notify, relayed=relayed)
            if response is None:  # it was cancelled: the hub stops, or the client has disconnected
                response = jsonrpc.error(frame["id"], HubStopping("The hub is stopping.").rpc())
            await reply.finish(request_checks.status_of(response), response)
        finally:
            self._running.discard(cancel_scope)
            reply.drop()


NOT_ACCEPTABLE = MessageInvalid(
    "The Accept header does not allow what the answer may be.", hint="Accept application/json and text/event-stream."
)


PREFIX_BYTES = PREFIX.encode()


def _refusal(workspace: Workspace, frame: Frame, scope: Scope) -> request_checks.Error | None:
    """The JSON-RPC error for a request with invalid headers or `_meta`; None if they are valid."""
    if (refusal := request_checks.over_http(frame, scope)) is not None or frame["method"] != "tools/call":
        return refusal
    view = workspace.client_groups.private_view_of(workspace.sessionless, frame["params"]) or workspace.view
    name = str(frame["params"].get("name"))
    return request_checks.param_headers(view.schema(name), frame, scope) if name in view.with_headers else None


async def _respond(send: Send, frame: Frame) -> None:
    await respond(send, request_checks.status_of(frame), codec.dumps(frame), b"application/json")
