"""FastMCP around the relay: all use of FastMCP's and the SDK's insides stands here, for the versions that are pinned.

Each workspace is a FastMCP server. It does the handshake and `server/discover`, ping, `subscriptions/listen`, and
Streamable HTTP in both eras. A middleware in front of its low-level server hands the relayed methods to the relay.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Collection
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import anyio
from fastmcp import FastMCP
from mcp.server.connection import Connection
from mcp.server.context import CallNext, ServerRequestContext
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.subscriptions import ListenHandler
from mcp.shared.dispatcher import Outbound
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage
from mcp.shared.subscriptions import (
    PromptsListChanged,
    ResourcesListChanged,
    ResourceUpdated,
    ServerEvent,
    ToolsListChanged,
)
from mcp_types import SubscriptionsListenRequestParams, SubscriptionsListenResult, jsonrpc_message_adapter
from mcp_types.version import LATEST_HANDSHAKE_VERSION, MODERN_PROTOCOL_VERSIONS
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from bridge.settings import Settings
from sidecar import era, frames
from sidecar.asgi import respond_error
from sidecar.channel import Frame
from sidecar.errors import INTERNAL_ERROR, HubStopping, SidecarError
from sidecar.relay import HUB_FAILED, Answered, Notify, Params
from sidecar.session import Session
from sidecar.upstream import Upstream
from sidecar.version import VERSION

if TYPE_CHECKING:
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

    from sidecar.workspace import Workspace

log = logging.getLogger(__name__)

Context = ServerRequestContext[Any, Any]

EVENTS: dict[str, ServerEvent] = {
    "notifications/tools/list_changed": ToolsListChanged(),
    "notifications/prompts/list_changed": PromptsListChanged(),
    "notifications/resources/list_changed": ResourcesListChanged(),
}

MOST_WAITING = 1000
"""Notices that wait for a Streamable HTTP client that does not read its GET stream."""

stream_session: ContextVar[Session | None] = ContextVar("stream_session", default=None)
"""The session whose stream a FastMCP server is being run over; none under Streamable HTTP."""


class FastMCPServer:
    """The FastMCP server of one workspace."""

    def __init__(self, workspace: Workspace, settings: Settings) -> None:
        self._workspace = workspace
        self._fastmcp: FastMCP[Any] = FastMCP(name=workspace.name, version=VERSION)
        self._server = self._fastmcp._mcp_server
        self._bus = Bus()
        self._listened = Listened(workspace, self._bus)
        self._listen_handler = ListenHandler(self._bus)
        self._server.add_request_handler("subscriptions/listen", SubscriptionsListenRequestParams, self._listen)
        self._server.middleware.insert(0, self._middleware)
        self._server.get_tool_input_schema = self._input_schema
        self._sessionless = Sessionless()
        self._http = StreamableHTTPSessionManager(
            app=self._server,
            session_idle_timeout=settings.session_idle_timeout,
            max_sessions=settings.max_sessions,
            max_request_body_size=settings.max_body_bytes,
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve while the context is open."""
        self._workspace.join(self._sessionless)
        try:
            async with self._http.run():
                yield
                self._listen_handler.close()
        finally:
            self._workspace.leave(self._sessionless)

    async def serve_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One Streamable HTTP request, of either era."""
        if self._http._task_group is None:  # FastMCP would raise, which is a 500 and a traceback in the log
            await respond_error(send, 503, HubStopping("The workspace is not served now."))
        else:
            await self._http.handle_request(scope, receive, send)

    async def serve_stream(
        self,
        session: Session,
        incoming: MemoryObjectReceiveStream[SessionMessage | Exception],
        outgoing: MemoryObjectSendStream[SessionMessage],
    ) -> None:
        """Serve what the relay does not take of one SSE session, until `incoming` ends."""
        stream_session.set(session)
        await self._server.run(incoming, outgoing, self._server.create_initialization_options())

    def publish(self, method: str) -> None:
        """Tell modern listeners of a changed list."""
        self._bus.emit(EVENTS[method])

    def follow(self) -> None:
        """Let modern listeners' resource subscriptions follow the view."""
        if self._listened.misplaced():
            self._workspace.spawn(self._listened.follow())

    # --- requests ------------------------------------------------------------------------------------------------

    async def _middleware(self, ctx: Context, call_next: CallNext) -> Any:
        if ctx.request_id is None:
            await call_next(ctx)
            await self._notified(ctx)
            return None
        if ctx.method == "initialize":
            result = await call_next(ctx)
            self._greeted(ctx)
            return self._describe(result)
        if ctx.method == "server/discover":
            return self._describe(await call_next(ctx), without=("logging",))
        modern = ctx.protocol_version in MODERN_PROTOCOL_VERSIONS
        greeted = modern or ctx.session._connection.initialize_accepted
        if not greeted or not self._workspace.relay.takes(ctx.method, modern):
            return await call_next(ctx)
        return await self._relay(ctx, self._session(ctx))

    def _describe(self, result: Any, without: Collection[str] = ()) -> Any:
        """The handshake's result with what the workspace has, instead of what FastMCP was built with."""
        if isinstance(result, BaseModel):  # FastMCP makes models again of what the SDK had dumped
            result = result.model_dump(by_alias=True, mode="json", exclude_none=True)
        capabilities = {key: value for key, value in self._workspace.capabilities().items() if key not in without}
        described = {**result, "capabilities": capabilities}
        if instructions := self._workspace.view.instructions:
            described["instructions"] = instructions
        return described

    def _greeted(self, ctx: Context) -> None:
        """A legacy client said hello: over a stream its session exists; over HTTP it begins now."""
        session = stream_session.get()
        if session is None:
            connection = ctx.session._connection
            session = HttpSession(connection, self._workspace.spawn)
            connection.state["hub"] = session
            connection.exit_stack.callback(self._workspace.leave, session)
            self._workspace.join(session)
        session.greeted(dict(ctx.params or {}))

    async def _notified(self, ctx: Context) -> None:
        if ctx.method == "notifications/roots/list_changed":
            for upstream in self._session(ctx).own.values():
                await upstream.notify(ctx.method)

    def _session(self, ctx: Context) -> Session:
        found: Session | None = stream_session.get() or ctx.session._connection.state.get("hub")
        return found or self._sessionless

    def _input_schema(self, name: str) -> dict[str, Any] | None:
        """The schema against which the SDK checks `Mcp-Param-*` headers; left to itself it lists all tools a call."""
        view = self._sessionless.private_view or self._workspace.view
        schema = next((tool.get("inputSchema") for tool in view.tools if tool["name"] == name), None)
        return schema if isinstance(schema, dict) else None

    async def _relay(self, ctx: Context, session: Session) -> dict[str, Any]:
        outbound = ctx.session._request_outbound
        params = dict(ctx.params or {})
        if isinstance(session, HttpSession):
            session.outbounds.append(outbound)
        try:
            async with notifying(outbound) as notify:
                return await self._workspace.relay.answer(session, ctx.method, params, notify)
        except Answered as answered:
            raise _mcp_error(answered.error) from None
        except SidecarError as error:
            raise _mcp_error(era.error_to_client(era.of_params(params), error.rpc())) from None
        except Exception:  # the SDK would tell the client of it
            log.exception("a request failed in the hub", extra={"workspace": self._workspace.name})
            raise _mcp_error(dict(HUB_FAILED)) from None
        finally:
            if isinstance(session, HttpSession):
                session.outbounds.remove(outbound)

    async def _listen(self, ctx: Context, params: SubscriptionsListenRequestParams) -> SubscriptionsListenResult:
        """`subscriptions/listen`, with the servers subscribed to for the resources that are asked for."""
        uris: list[str] = []
        try:
            for uri in params.notifications.resource_subscriptions or ():
                uris.append(uri)
                await self._listened.add(uri)
            return await self._listen_handler(ctx, params)
        finally:
            for uri in uris:
                self._workspace.spawn(self._listened.remove(uri))


class HttpSession(Session):
    """A legacy Streamable HTTP session; FastMCP's manager owns it and ends it when it is idle."""

    transport = "http"

    def __init__(self, connection: Connection, spawn: Callable[[Any], None]) -> None:
        super().__init__(connection.session_id)
        self.outbounds: list[Any] = []
        self._connection = connection
        self._spawn = spawn
        self._waiting: set[object] = set()
        self._turn = asyncio.Lock()

    def notify(self, method: str, params: Params | None = None) -> None:
        """On the stream that the client opened with GET, if it did; at most one of each kind waits for it.

        Of log messages as many wait as `MOST_WAITING`; more are dropped, for the client does not read them.
        """
        key = object() if method == "notifications/message" else f"{method} {(params or {}).get('uri', '')}"
        if key not in self._waiting and (isinstance(key, str) or len(self._waiting) < MOST_WAITING):
            self._waiting.add(key)
            self._spawn(self._send(key, method, params))

    async def _send(self, key: object, method: str, params: Params | None) -> None:
        async with self._turn:
            self._waiting.discard(key)
            await self._connection.notify(method, params)

    async def ask(self, method: str, params: Params) -> Frame:
        """Over the stream of the call under way, where there is one, else over the GET stream."""
        outbound = next((each for each in reversed(self.outbounds) if each.can_send_request), self._connection.outbound)
        try:
            return frames.result(0, await outbound.send_raw_request(method, params))
        except MCPError as error:
            return frames.error(0, error.error.model_dump(exclude_none=True))


class Sessionless(Session):
    """Stands for all modern HTTP requests to a workspace: they have no session (MCP 2026-07-28)."""

    transport, lasting = "http", False

    def notify(self, method: str, params: Params | None = None) -> None:
        """Nothing to do: changes reach these clients through `subscriptions/listen`."""

    def clients(self) -> tuple[Session, ...]:
        """None: nobody is connected."""
        return ()

    async def ask(self, method: str, params: Params) -> Frame:
        """Refused: the modern era has no requests of servers."""
        return frames.error(0, {"code": INTERNAL_ERROR, "message": f"{method}: this client cannot be asked"})


class Bus:
    """In-process `mcp.server.subscriptions.SubscriptionBus` whose events can be emitted without waiting."""

    def __init__(self) -> None:
        self._listeners: dict[object, Callable[[ServerEvent], None]] = {}

    async def publish(self, event: ServerEvent) -> None:
        """Deliver `event` to every listener."""
        self.emit(event)

    def emit(self, event: ServerEvent) -> None:
        """Deliver `event` to every listener."""
        for listener in list(self._listeners.values()):
            listener(event)

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        """Register `listener`; returns what unregisters it."""
        token = object()
        self._listeners[token] = listener
        return lambda: self._listeners.pop(token, None) and None


class Listened:
    """The resources that modern listeners asked for, each subscribed to once, and counted."""

    def __init__(self, workspace: Workspace, bus: Bus) -> None:
        self._workspace = workspace
        self._bus = bus
        self._sources: dict[str, tuple[Upstream, str]] = {}
        self._counts: dict[str, int] = {}

    def resource_updated(self, upstream: Upstream, uri: str) -> None:
        """Called when a server tells of a changed resource."""
        for exposed, source in self._sources.items():
            if source == (upstream, uri):
                self._bus.emit(ResourceUpdated(exposed))

    async def add(self, exposed: str) -> None:
        """One more listener wants to hear of a resource; one that is nowhere is just never heard of."""
        self._counts[exposed] = self._counts.get(exposed, 0) + 1
        if self._counts[exposed] == 1:
            await self._move(exposed)

    def misplaced(self) -> list[str]:
        """The resources that another upstream serves now than the one that was subscribed to."""
        found = {exposed: self._workspace.view.resource(exposed) for exposed in self._counts}
        places = {exposed: (place[0].upstream, place[1]) for exposed, place in found.items() if place}
        return [exposed for exposed, place in places.items() if place != self._sources.get(exposed)]

    async def follow(self) -> None:
        """Move the subscriptions to where the resources are now."""
        for exposed in self.misplaced():
            await self._move(exposed)

    async def _move(self, exposed: str) -> None:
        before, found = self._sources.get(exposed), self._workspace.view.resource(exposed)
        if found is None or exposed not in self._counts:  # nobody listens any more
            return
        upstream, uri = self._sources[exposed] = (found[0].upstream, found[1])
        try:
            await upstream.subscribe(uri, self)
        except SidecarError:
            self._sources.pop(exposed, None)  # misplaced, that is: tried again when the server is back
        if before is not None:
            with contextlib.suppress(SidecarError):
                await before[0].unsubscribe(before[1], self)

    async def remove(self, exposed: str) -> None:
        """One listener less."""
        self._counts[exposed] -= 1
        if not self._counts[exposed]:
            del self._counts[exposed]
            if source := self._sources.pop(exposed, None):
                with contextlib.suppress(SidecarError):
                    await source[0].unsubscribe(source[1], self)


@contextlib.asynccontextmanager
async def notifying(outbound: Outbound) -> AsyncIterator[Notify]:
    """Gives a way to send notifications without waiting; all are sent, in order, before the context ends."""
    queue: asyncio.Queue[tuple[str, Params] | None] = asyncio.Queue()

    async def send_all() -> None:
        while (item := await queue.get()) is not None:
            await outbound.notify(*item)

    sending: asyncio.Task[None] | None = None

    def notify(method: str, params: Params) -> None:
        nonlocal sending
        sending = sending or asyncio.create_task(send_all())
        queue.put_nowait((method, params))

    try:
        yield notify
    except asyncio.CancelledError:
        if sending is not None:
            sending.cancel()
        raise
    finally:
        if sending is not None:
            queue.put_nowait(None)
            await asyncio.wait([sending])
            if not sending.cancelled() and (error := sending.exception()):
                log.debug("a client left before all notifications were sent", extra={"reason": type(error).__name__})


def to_message(frame: Frame) -> SessionMessage:
    """A client's frame as FastMCP takes it. Raises pydantic.ValidationError."""
    return SessionMessage(jsonrpc_message_adapter.validate_python(frame, by_name=False))


def to_frame(message: SessionMessage) -> Frame:
    """FastMCP's message as a frame."""
    frame: Frame = message.message.model_dump(by_alias=True, mode="json", exclude_unset=True)
    return frame


def _mcp_error(error: dict[str, Any]) -> MCPError:
    return MCPError(code=error.get("code", INTERNAL_ERROR), message=str(error.get("message")), data=error.get("data"))


async def warm_up() -> None:
    """Shake hands once in memory, so that the first client does not wait for what FastMCP imports lazily."""
    server = FastMCP[Any](name="warm-up")._mcp_server
    to_server, reads = anyio.create_memory_object_stream[SessionMessage | Exception](4)
    writes, from_server = anyio.create_memory_object_stream[SessionMessage](4)
    hello = {"protocolVersion": LATEST_HANDSHAKE_VERSION, "capabilities": {}, "clientInfo": {"name": "", "version": ""}}
    async with to_server, from_server, asyncio.TaskGroup() as tasks:
        task = tasks.create_task(server.run(reads, writes, server.create_initialization_options()))
        await to_server.send(to_message(frames.request(1, "initialize", hello)))
        await from_server.receive()
        task.cancel()
