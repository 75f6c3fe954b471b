"""FastMCP around the relay: handshake, `server/discover`, ping and `subscriptions/listen` of a workspace.

The only place that uses FastMCP's and the SDK's insides, for the versions that are pinned.
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

from sidecar.calls.answered import Answered
from sidecar.calls.request import Notify, Params
from sidecar.errors import HubStopping, ParamsInvalid, SidecarError, TooManySessions
from sidecar.protocol import eras
from sidecar.protocol.channel import Frame
from sidecar.sessions.listener_subscriptions import Listened
from sidecar.sessions.session import Session
from sidecar.upstream.upstream import RECONNECT_WAIT
from sidecar.version import VERSION
from sidecar.workspaces import declaration

if TYPE_CHECKING:
    from sidecar.routing.view import View
    from sidecar.sessions.client_groups import Party
    from sidecar.workspaces.workspace import Workspace

Context = ServerRequestContext[Any, Any]

EVENTS: dict[str, ServerEvent] = {
    "notifications/tools/list_changed": ToolsListChanged(),
    "notifications/prompts/list_changed": PromptsListChanged(),
    "notifications/resources/list_changed": ResourcesListChanged(),
}


class FastMCPServer:
    """The FastMCP server of one workspace, which runs for single requests; none of its sessions lasts."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._fastmcp: FastMCP[Any] = FastMCP(name=workspace.name, version=VERSION)
        self._server = self._fastmcp._mcp_server
        self._lifespan: Any = None
        """What the server's lifespan gave, once it is entered."""
        self._everybody = Audience(lambda: workspace.view)
        self._audiences: dict[Party, Audience] = {}
        """Of those who see more than everybody does, while one of them listens."""
        self._server.add_request_handler("subscriptions/listen", SubscriptionsListenRequestParams, self._listen)
        self._server.middleware.insert(0, self._describing)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve while the context is open."""
        async with self._server.lifespan(self._server) as self._lifespan:
            yield
            for audience in self._all():
                audience.handler.close()

    # --- as the workspace sees it (workspace.ListObserver) ---------------------------------------------------------

    def changed(self, method: str) -> None:
        """Tell modern listeners of a changed list."""
        self._everybody.bus.emit(EVENTS[method])

    def changed_for(self, party: Party, method: str) -> None:
        """The same, for those of a party."""
        if (audience := self._audiences.get(party)) and method in EVENTS:
            audience.bus.emit(EVENTS[method])

    def follow(self) -> None:
        """Let modern listeners' resource subscriptions follow what they see."""
        for audience in self._all():
            if audience.listened.misplaced():
                self._workspace.spawn(audience.listened.follow())

    def _all(self) -> tuple[Audience, ...]:
        return (self._everybody, *self._audiences.values())

    # --- requests ------------------------------------------------------------------------------------------------

    async def answer(self, session: Session, frame: Frame, notify: Notify) -> dict[str, Any]:
        """The result for a request that the relay does not take: handshake, ping, listening, what neither knows.

        Raises:
            Answered: FastMCP answered with an error.
            HubStopping: the workspace is not served now.
            ParamsInvalid: a handshake lacks something, or has something of another type.
        """
        if not self._workspace.serving.is_set():
            raise HubStopping("The workspace is not served now.")
        method, params, exchange = frame["method"], frame.get("params"), Exchange(frame["id"], notify)
        connection = _connection(session, params, exchange)
        try:
            async with self._hearing(session, method, params or {}):
                return await serve_one(
                    self._server, exchange, method, params, connection=connection, lifespan_state=self._lifespan
                )
        except SidecarError:
            raise
        except Exception as error:
            if method == "initialize" and isinstance(error, ValidationError):
                raise ParamsInvalid(f"{method}: {_faults(error)}.") from None
            known = handler_exception_to_error_data(error)
            if known is None:
                raise
            raise Answered(known.model_dump(exclude_none=True)) from None

    async def _describing(self, ctx: Context, call_next: CallNext) -> Any:
        """Let the handshake and `server/discover` tell what the workspace has, not what FastMCP was built with."""
        result: Any = await call_next(ctx)
        if ctx.request_id is None or ctx.method not in ("initialize", "server/discover"):
            return result
        if isinstance(result, BaseModel):  # FastMCP makes models again of what the SDK had dumped
            result = result.model_dump(by_alias=True, mode="json", exclude_none=True)
        if self._workspace.asking:
            await self._workspace.own.introduce()
        capabilities = declaration.of(self._workspace.declared(), modern=ctx.method == "server/discover")
        described = {**result, "capabilities": capabilities}
        if instructions := self._workspace.instructions():
            described["instructions"] = instructions
        return described

    @contextlib.asynccontextmanager
    async def _hearing(self, session: Session, method: str, params: Params) -> AsyncIterator[None]:
        """Let a listener hear of servers of its own too, where it has some, while the context is open."""
        if method != "subscriptions/listen" or not session.modern or not self._workspace.asking:
            yield
            return
        party = self._workspace.parties.of(session, params)
        with party.using():
            await self._workspace.view_for(party, most=RECONNECT_WAIT)
            audience = self._audiences.setdefault(party, Audience(lambda: party.private_view or self._workspace.view))
            audience.listeners += 1
            token = hearing.set(audience)
            try:
                yield
            finally:
                hearing.reset(token)
                audience.listeners -= 1
                if not audience.listeners:
                    del self._audiences[party]

    async def _listen(self, ctx: Context, params: SubscriptionsListenRequestParams) -> SubscriptionsListenResult:
        """`subscriptions/listen`, with the servers subscribed to for the resources that are asked for."""
        audience = hearing.get() or self._everybody
        uris: list[str] = []
        self._admit()
        self._workspace.listening += 1
        try:
            for uri in params.notifications.resource_subscriptions or ():
                uris.append(uri)
                await audience.listened.add(uri)
            return await audience.handler(ctx, params)
        finally:
            self._workspace.listening -= 1
            for uri in uris:
                self._workspace.spawn(audience.listened.remove(uri))

    def _admit(self) -> None:
        """Raises MCPError where there are as many sessions and listeners as there may be."""
        try:
            self._workspace.admit()
        except TooManySessions as error:
            raise MCPError(**error.rpc()) from None


class Audience:
    """Modern listeners who see the same."""

    def __init__(self, view: Callable[[], View]) -> None:
        self.bus = Bus()
        self.listened = Listened(view, lambda uri: self.bus.emit(ResourceUpdated(uri)))
        self.handler = ListenHandler(self.bus)
        self.listeners = 0


hearing: ContextVar[Audience | None] = ContextVar("hearing", default=None)
"""The audience of the listener whose request is being served, where it is not everybody."""


class Exchange:
    """One request, as the SDK's `DispatchContext`: what its handler sends goes out by `notify`, and nobody is asked."""

    transport = TransportContext(kind="hub", can_send_request=False)
    message_metadata = None
    can_send_request = False

    def __init__(self, request_id: int | str, notify: Notify) -> None:
        self.request_id = request_id
        self.cancel_requested = anyio.Event()
        self._notify = notify

    async def send_raw_request(self, method: str, params: Any, opts: Any = None) -> dict[str, Any]:
        """Refused: what belongs to FastMCP asks nothing."""
        raise NoBackChannelError(method)

    async def notify(self, method: str, params: Any, opts: Any = None) -> None:
        """Send a notification that belongs to the request."""
        self._notify(method, dict(params or {}))

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """Nothing that FastMCP does here takes long."""


def _faults(error: ValidationError) -> str:
    """The fields that are missing, else the first one that is wrong: in no words of the SDK's models, and no values."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    if missing := [_field(fault["loc"]) for fault in faults if fault["type"] == "missing"]:
        return f"{', '.join(missing[:3])} {'is' if len(missing) == 1 else 'are'} missing"
    return f"{_field(faults[0]['loc'])} is of the wrong type or form"


def _field(path: tuple[int | str, ...]) -> str:
    parts = [str(part)[:40] for part in path if part != "params"]
    return f"`{'.'.join(['params', *parts[:5]])}`"


def _connection(session: Session, params: Params | None, exchange: Exchange) -> Connection:
    """What the SDK has to know of a session, made for one request."""
    if session.modern:
        meta = (params or {})["_meta"]
        known = (meta.get(eras.VERSION_KEY), meta.get(eras.CLIENT_INFO_KEY), meta.get(eras.CAPABILITIES_KEY))
        return Connection.from_envelope(*known)
    connection = Connection.for_loop(exchange, session_id=session.id, protocol_version_hint=session.version or None)
    if session.version:
        connection.initialized.set()
    return connection


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


async def warm_up() -> None:
    """Shake hands once, so that the first client does not wait for what FastMCP imports lazily."""
    server = FastMCP[Any](name="warm-up")._mcp_server
    hello = {"protocolVersion": LATEST_HANDSHAKE_VERSION, "capabilities": {}, "clientInfo": {"name": "", "version": ""}}
    exchange = Exchange(1, lambda *_: None)
    async with server.lifespan(server) as lifespan:
        connection = Connection.for_loop(exchange)
        await serve_one(server, exchange, "initialize", hello, connection=connection, lifespan_state=lifespan)
