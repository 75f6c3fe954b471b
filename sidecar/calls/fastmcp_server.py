"""The FastMCP server of a workspace: answers the handshake, `server/discover`, ping and `subscriptions/listen`.

Only this module uses private names of FastMCP and the MCP SDK, of the versions that pyproject.toml allows.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import anyio
from fastmcp import FastMCP
from mcp.server.connection import Connection
from mcp.server.context import CallNext, ServerRequestContext
from mcp.server.runner import serve_one
from mcp.server.subscriptions import ListenHandler
from mcp.shared.exceptions import MCPError, NoBackChannelError
from mcp.shared.jsonrpc_dispatcher import handler_exception_to_error_data
from mcp.shared.subscriptions import (
    PromptsListChanged,
    ResourcesListChanged,
    ResourceUpdated,
    ServerEvent,
    ToolsListChanged,
)
from mcp.shared.transport_context import TransportContext
from mcp_types import SubscriptionsListenRequestParams, SubscriptionsListenResult
from mcp_types.version import LATEST_HANDSHAKE_VERSION
from pydantic import BaseModel, ValidationError

from sidecar.calls.error_response import ErrorResponse
from sidecar.errors import HubStopping, ParamsInvalid, SidecarError, TooManySessions
from sidecar.flood_errors import TooManySubscriptions
from sidecar.protocol import eras
from sidecar.protocol.channel import Frame, Notify, Params
from sidecar.sessions.listener_subscriptions import ListenerSubscriptions
from sidecar.sessions.session import Session
from sidecar.sessions.subscriptions import MAX_SUBSCRIPTIONS
from sidecar.upstream.upstream import RECONNECT_WAIT
from sidecar.version import VERSION
from sidecar.workspaces import declaration

if TYPE_CHECKING:
    from sidecar.routing.view import View
    from sidecar.sessions.client_groups import ClientGroup
    from sidecar.workspaces.workspace import Workspace

Context = ServerRequestContext[Any, Any]

LIST_EVENTS: dict[str, ServerEvent] = {
    "notifications/tools/list_changed": ToolsListChanged(),
    "notifications/prompts/list_changed": PromptsListChanged(),
    "notifications/resources/list_changed": ResourcesListChanged(),
}


class FastMCPServer:
    """The FastMCP server of one workspace. It serves single requests; its SDK session is made anew for each."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._fastmcp: FastMCP[Any] = FastMCP(name=workspace.name, version=VERSION)
        self._server = self._fastmcp._mcp_server
        self._lifespan: Any = None
        """The state that the server's lifespan yielded, once it is entered."""
        self._common_group = ListenerGroup(lambda: workspace.view)
        self._private_groups: dict[ClientGroup, ListenerGroup] = {}
        """The groups of listeners that have a view of their own, while at least one of them listens."""
        self._server.add_request_handler("subscriptions/listen", SubscriptionsListenRequestParams, self._listen)
        self._server.middleware.insert(0, self._describe_workspace)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve while the context is open."""
        async with self._server.lifespan(self._server) as self._lifespan:
            yield
            self.end_listeners()

    def end_listeners(self) -> None:
        """End all `subscriptions/listen` streams with a result, as MCP 2026-07-28 has it for an orderly end."""
        for group in self._groups():
            group.handler.close()

    # --- ListObserver of the workspace -----------------------------------------------------------------------------

    def changed(self, method: str) -> None:
        """Send the modern listeners a list change; `method` is the notification."""
        self._common_group.bus.emit(LIST_EVENTS[method])

    def changed_for(self, client_group: ClientGroup, method: str) -> None:
        """Send a list change to the listeners of one client group."""
        if (group := self._private_groups.get(client_group)) and method in LIST_EVENTS:
            group.bus.emit(LIST_EVENTS[method])

    def follow(self) -> None:
        """Move the listeners' resource subscriptions to the servers that serve the resources now.

        A closed upstream of a client group is started again: the listeners may send no request for long.
        """
        for client_group in self._private_groups:
            if self._workspace.own.incomplete(client_group):
                self._workspace.spawn(self._complete(client_group))
        for group in self._groups():
            if group.subscriptions.outdated():
                self._workspace.spawn(group.subscriptions.follow())

    async def _complete(self, client_group: ClientGroup) -> None:
        if client_group in self._workspace.sessions:  # it may have left, and its listeners are about to end
            await self._workspace.view_for(client_group, most=RECONNECT_WAIT)

    def end_forbidden(self) -> None:
        """End the listeners' subscriptions to resources that may no longer be used."""
        for group in self._groups():
            if work := group.subscriptions.end_forbidden():
                self._workspace.spawn(work)

    def _groups(self) -> tuple[ListenerGroup, ...]:
        return (self._common_group, *self._private_groups.values())

    # --- requests ------------------------------------------------------------------------------------------------

    async def answer(self, session: Session, frame: Frame, notify: Notify) -> dict[str, Any]:
        """The result of a request that the relay does not handle: handshake, ping, listen, and unknown methods.

        Raises:
            ErrorResponse: FastMCP answered with an error.
            HubStopping: the workspace is not served now.
            ParamsInvalid: a field of the handshake is missing or invalid.
        """
        if not self._workspace.serving.is_set():
            raise HubStopping("The workspace is not served now.")
        method, params, dispatch = frame["method"], frame.get("params"), HubDispatchContext(frame["id"], notify)
        connection = _sdk_connection(session, params, dispatch)
        try:
            async with self._as_private_listener(session, method, params or {}):
                return await serve_one(
                    self._server, dispatch, method, params, connection=connection, lifespan_state=self._lifespan
                )
        except SidecarError:
            raise
        except Exception as error:
            if method == "initialize" and isinstance(error, ValidationError):
                raise ParamsInvalid(f"{method}: {_describe_validation_error(error)}.") from None
            known = handler_exception_to_error_data(error)
            if known is None:
                raise
            raise ErrorResponse(known.model_dump(exclude_none=True)) from None

    async def _describe_workspace(self, ctx: Context, call_next: CallNext) -> Any:
        """SDK middleware: put the workspace's capabilities and instructions into the result of the handshake and of
        `server/discover`, in place of FastMCP's own."""
        result: Any = await call_next(ctx)
        if ctx.request_id is None or ctx.method not in ("initialize", "server/discover"):
            return result
        if isinstance(result, BaseModel):  # FastMCP turns the SDK's dictionary into a model again
            result = result.model_dump(by_alias=True, mode="json", exclude_none=True)
        if self._workspace.has_per_client:
            await self._workspace.own.introduce()
        capabilities = declaration.of(self._workspace.declared(), modern=ctx.method == "server/discover")
        described = {**result, "capabilities": capabilities}
        if instructions := self._workspace.instructions():
            described["instructions"] = instructions
        return described

    @contextlib.asynccontextmanager
    async def _as_private_listener(self, session: Session, method: str, params: Params) -> AsyncIterator[None]:
        """While the context is open, put a listener with `per_client` servers into the listener group of its view."""
        if method != "subscriptions/listen" or not session.modern or not self._workspace.has_per_client:
            yield
            return
        client_group = self._workspace.client_groups.group_of(session, params)
        with client_group.using():
            await self._workspace.view_for(client_group, most=RECONNECT_WAIT)
            group = self._private_groups.setdefault(
                client_group, ListenerGroup(lambda: client_group.private_view or self._workspace.view, client_group)
            )
            group.listeners += 1
            token = current_group.set(group)
            try:
                yield
            finally:
                current_group.reset(token)
                group.listeners -= 1
                if not group.listeners:
                    del self._private_groups[client_group]

    async def _listen(self, ctx: Context, params: SubscriptionsListenRequestParams) -> SubscriptionsListenResult:
        """Serve `subscriptions/listen`; while it lasts, subscribe at the servers to the resources that it names."""
        group = current_group.get() or self._common_group
        uris: list[str] = []
        named = params.notifications.resource_subscriptions or ()
        if len(named) > MAX_SUBSCRIPTIONS:
            raise MCPError(**TooManySubscriptions(f"This request names {len(named)} resources.").rpc())
        self._admit()
        self._workspace.listening += 1
        try:
            for uri in named:
                uris.append(uri)
                await group.subscriptions.add(uri)
            if group.client_group:
                await group.client_group.subscribe_spares()
            return await group.handler(ctx, params)
        finally:
            self._workspace.listening -= 1
            for uri in uris:
                self._workspace.spawn(group.subscriptions.remove(uri))

    def _admit(self) -> None:
        """Raise MCPError if the workspace has as many sessions and listeners as allowed."""
        try:
            self._workspace.admit()
        except TooManySessions as error:
            raise MCPError(**error.rpc()) from None


class ListenerGroup:
    """Modern listeners (`subscriptions/listen`) that have the same view, with their event bus and subscriptions.

    `client_group` is the one that they belong to if the view is theirs alone.
    """

    def __init__(self, view: Callable[[], View], client_group: ClientGroup | None = None) -> None:
        self.client_group = client_group
        self.bus = EventBus()
        self.subscriptions = ListenerSubscriptions(view, lambda uri: self.bus.emit(ResourceUpdated(uri)))
        self.handler = ListenHandler(self.bus)
        self.listeners = 0


current_group: ContextVar[ListenerGroup | None] = ContextVar("hearing", default=None)
"""The group of the listener whose request is being served; None for the common group."""


class HubDispatchContext:
    """One request, as the SDK's `DispatchContext`. Its handler can send notifications, by `notify`, but no requests."""

    transport = TransportContext(kind="hub", can_send_request=False)
    message_metadata = None
    can_send_request = False

    def __init__(self, request_id: int | str, notify: Notify) -> None:
        self.request_id = request_id
        self.cancel_requested = anyio.Event()
        self._notify = notify

    async def send_raw_request(self, method: str, params: Any, opts: Any = None) -> dict[str, Any]:
        """Refuse: none of the methods that FastMCP answers sends requests to the client."""
        raise NoBackChannelError(method)

    async def notify(self, method: str, params: Any, opts: Any = None) -> None:
        """Send a notification about the request."""
        self._notify(method, dict(params or {}))

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """Do nothing: none of the methods that FastMCP answers takes long enough to report progress."""


def _describe_validation_error(error: ValidationError) -> str:
    """Name the missing fields, else the first invalid one; without names of the SDK's models, and without values."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    if missing := [_field(fault["loc"]) for fault in faults if fault["type"] == "missing"]:
        return f"{', '.join(missing[:3])} {'is' if len(missing) == 1 else 'are'} missing"
    return f"{_field(faults[0]['loc'])} is of the wrong type or form"


def _field(path: tuple[int | str, ...]) -> str:
    parts = [str(part)[:40] for part in path if part != "params"]
    return f"`{'.'.join(['params', *parts[:5]])}`"


def _sdk_connection(session: Session, params: Params | None, dispatch: HubDispatchContext) -> Connection:
    """The SDK's connection object for one request of a session."""
    if session.modern:
        meta = (params or {})["_meta"]
        known = (meta.get(eras.VERSION_KEY), meta.get(eras.CLIENT_INFO_KEY), meta.get(eras.CAPABILITIES_KEY))
        return Connection.from_envelope(*known)
    connection = Connection.for_loop(dispatch, session_id=session.id, protocol_version_hint=session.version or None)
    if session.version:
        connection.initialized.set()
    return connection


class EventBus:
    """An in-process `mcp.server.subscriptions.SubscriptionBus` with a synchronous `emit`."""

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
        """Register `listener`; returns a function that unregisters it."""
        token = object()
        self._listeners[token] = listener
        return lambda: self._listeners.pop(token, None) and None


async def warm_up() -> None:
    """Serve one handshake, so that the first client need not wait for FastMCP's lazy imports."""
    server = FastMCP[Any](name="warm-up")._mcp_server
    hello = {"protocolVersion": LATEST_HANDSHAKE_VERSION, "capabilities": {}, "clientInfo": {"name": "", "version": ""}}
    dispatch = HubDispatchContext(1, lambda *_: None)
    async with server.lifespan(server) as lifespan:
        connection = Connection.for_loop(dispatch)
        await serve_one(server, dispatch, "initialize", hello, connection=connection, lifespan_state=lifespan)
