"""Streamable HTTP without sessions (MCP 2026-07-28, Transports): each POST stands alone, and says whose it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.types import Receive, Scope, Send

from sidecar.calls.direct_call import METHOD
from sidecar.concurrency.cancel_scope import CancelScope
from sidecar.downstream.direct_reply import Pings, Take
from sidecar.downstream.reply import Reply
from sidecar.downstream.stateless_calls import StatelessCaller, StatelessCalls
from sidecar.errors import HubStopping, MessageInvalid, SidecarError
from sidecar.listener import request_checks
from sidecar.listener.asgi import header, parse, read_body, respond, respond_error
from sidecar.protocol import codec, jsonrpc
from sidecar.protocol.channel import Frame
from sidecar.protocol.param_headers import PREFIX
from sidecar.sessions.request_session import ModernRequest

if TYPE_CHECKING:
    from bridge.settings import Settings
    from sidecar.calls.endpoint import Endpoint
    from sidecar.workspaces.workspace import Workspace


class Stateless:
    """Owned by the Streamable HTTP transport; knows the requests under way, to end them with the hub."""

    def __init__(self, settings: Settings, pings: Pings) -> None:
        self._settings = settings
        self._running: set[CancelScope] = set()
        self._calls = StatelessCalls(pings, settings.max_body_bytes)

    def end(self) -> None:
        """Cancel all requests under way."""
        for cut in self._running:
            cut.cancel()
        self._calls.end()

    async def serve(self, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send) -> Take | None:
        """One request or notification; what may take those that look like it, if it was a call."""
        try:
            body = await read_body(scope, receive, self._settings.max_body_bytes)
            frame = jsonrpc.validate(parse(body), nulls=jsonrpc.may_have_nulls(body))
            if "method" not in frame:
                raise MessageInvalid("A response is not expected: the modern era has no requests of servers.")
        except SidecarError as error:
            await respond_error(send, error.status, error)
            return None
        if not all(request_checks.accepts(header(scope, b"accept"))):
            await respond_error(send, 406, NOT_ACCEPTABLE)
        elif "id" not in frame:
            await self._notified(scope, send)
        elif (refusal := _refusal(endpoint.workspace, frame, scope)) is not None:
            await _respond(send, jsonrpc.error(frame["id"], refusal))
        else:
            address = _address(scope)
            await self._answer(endpoint, frame, address, receive, send)
            return self._taker(endpoint, frame, address, scope)
        return None

    def _taker(self, endpoint: Endpoint, frame: Frame, address: str, scope: Scope) -> Take | None:
        """What takes calls that look like this one, which was served; arguments in headers vary with each."""
        params = frame["params"]
        if frame["method"] != METHOD or not isinstance(params.get("name"), str):
            return None
        if any(name.startswith(PREFIX_BYTES) for name, _ in scope["headers"]):
            return None
        caller = StatelessCaller(self._calls, endpoint, params, address)
        return caller.take if caller.recognises(frame) else None

    async def _notified(self, scope: Scope, send: Send) -> None:
        """Nothing that a modern client could tell means anything to the hub: it cancels by closing the response."""
        version = header(scope, b"mcp-protocol-version").decode("latin-1")
        if (refusal := request_checks.unsupported(version)) is not None:
            await _respond(send, jsonrpc.error(None, refusal))
        else:
            await respond(send, 202, b"", b"application/json")

    async def _answer(self, endpoint: Endpoint, frame: Frame, address: str, receive: Receive, send: Send) -> None:
        request, cut = ModernRequest(endpoint.workspace.sessionless, frame["params"], address), CancelScope()
        reply = Reply(receive, send, cut, self._settings.ping_interval, leaves=True)
        relayed = endpoint.relay.takes(frame["method"], modern=True)
        self._running.add(cut)
        response = None
        try:
            with cut:
                response = await endpoint.answer(request, frame, reply.notify, relayed=relayed)
            if response is None:  # the hub stops, or there is nobody to read this
                response = jsonrpc.error(frame["id"], HubStopping("The hub is stopping.").rpc())
            await reply.finish(request_checks.status_of(response), response)
        finally:
            self._running.discard(cut)
            reply.drop()


NOT_ACCEPTABLE = MessageInvalid(
    "The Accept header does not allow what the answer may be.", hint="Accept application/json and text/event-stream."
)


PREFIX_BYTES = PREFIX.encode()


def _refusal(workspace: Workspace, frame: Frame, scope: Scope) -> request_checks.Error | None:
    """What is wrong with a request, if anything is."""
    if (refusal := request_checks.over_http(frame, scope)) is not None or frame["method"] != "tools/call":
        return refusal
    view = workspace.parties.seen(workspace.sessionless, frame["params"]) or workspace.view
    name = str(frame["params"].get("name"))
    return request_checks.param_headers(view.schema(name), frame, scope) if name in view.with_headers else None


def _address(scope: Scope) -> str:
    """Where a request comes from: as the front says, or else the connection; it decides only whose turn it is."""
    said = header(scope, b"x-forwarded-for").decode("latin-1").rpartition(",")[2].strip()
    return said or (scope.get("client") or [""])[0]


async def _respond(send: Send, frame: Frame) -> None:
    await respond(send, request_checks.status_of(frame), codec.dumps(frame), b"application/json")
