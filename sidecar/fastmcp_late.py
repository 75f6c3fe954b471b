"""The late entry to the relay (HUB_RELAY=late): every request through FastMCP, to compare the two ways.

SSE streams run a FastMCP low-level server each, Streamable HTTP runs FastMCP's session manager, and a middleware hands
what the relay takes to it. With `fastmcp_server.py` the only place that uses the SDK's insides.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import anyio
from mcp.server.connection import Connection
from mcp.server.context import CallNext, ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.dispatcher import Outbound
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError
from starlette.types import Receive, Scope, Send

from bridge.settings import Settings
from sidecar import era, frames
from sidecar.asgi import respond_error
from sidecar.channel import Frame
from sidecar.errors import INTERNAL_ERROR, HubStopping, MessageInvalid, SidecarError
from sidecar.large.outline import whole
from sidecar.relay import HUB_FAILED, Answered, Notify, Params
from sidecar.session import Session

if TYPE_CHECKING:
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

    from sidecar.workspace import Workspace

log = logging.getLogger(__name__)

Context = ServerRequestContext[Any, Any]
Take = Callable[[Frame], Awaitable[None]]

INCOMING_BUFFER = 32
MOST_WAITING = 1000
"""Notices that wait for a Streamable HTTP client that does not read its GET stream."""

stream_session: ContextVar[Session | None] = ContextVar("stream_session", default=None)
"""The session whose stream a FastMCP server is being run over; none under Streamable HTTP."""


TAKEN = frozenset({"notifications/initialized", "notifications/cancelled"})
"""Notifications that FastMCP takes."""


class LateEntry:
    """That of one workspace."""

    def __init__(self, workspace: Workspace, server: Server[Any], settings: Settings) -> None:
        self._workspace = workspace
        self._server = server
        server.middleware.insert(0, self._middleware)
        server.get_tool_input_schema = self._input_schema
        self._http = StreamableHTTPSessionManager(
            app=server,
            session_idle_timeout=settings.session_idle_timeout,
            max_sessions=settings.max_sessions,
            max_request_body_size=settings.max_body_bytes,
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve Streamable HTTP while the context is open."""
        async with self._http.run():
            yield

    async def serve_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One Streamable HTTP request, of either era."""
        if self._http._task_group is None:  # FastMCP would raise, which is a 500 and a traceback in the log
            await respond_error(send, 503, HubStopping("The workspace is not served now."))
        else:
            await self._http.handle_request(scope, receive, send)

    @contextlib.asynccontextmanager
    async def entered(
        self, session: Session, put: Callable[[Frame], None], end: Callable[[], None]
    ) -> AsyncIterator[Take]:
        """Run FastMCP over an SSE session's stream while the context is open; gives what takes its messages.

        `put` sends a frame to the client, `end` ends the session: FastMCP failed.
        """
        incoming, reads = anyio.create_memory_object_stream[SessionMessage | Exception](INCOMING_BUFFER)
        writes, outgoing = anyio.create_memory_object_stream[SessionMessage](INCOMING_BUFFER)

        async def take(frame: Frame) -> None:
            try:
                message = to_message(frame)
            except ValidationError:
                raise MessageInvalid("The message is not a JSON-RPC request, notification or response.") from None
            with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                await incoming.send(message)

        async with incoming, reads, writes, outgoing, asyncio.TaskGroup() as tasks:
            inner = [
                tasks.create_task(self._run(session, reads, writes, end)),
                tasks.create_task(_pass_on(outgoing, put)),
            ]
            try:
                yield take
            finally:
                for task in inner:
                    task.cancel()

    async def _run(
        self,
        session: Session,
        reads: MemoryObjectReceiveStream[SessionMessage | Exception],
        writes: MemoryObjectSendStream[SessionMessage],
        end: Callable[[], None],
    ) -> None:
        stream_session.set(session)
        try:
            await self._server.run(reads, writes, self._server.create_initialization_options())
        except Exception:
            log.exception("a session failed in FastMCP", extra={"session": session.id[:8]})
            end()

    # --- requests ------------------------------------------------------------------------------------------------

    async def _middleware(self, ctx: Context, call_next: CallNext) -> Any:
        if ctx.request_id is None:
            await call_next(ctx)
            session, params = self._session(ctx), dict(ctx.params or {})
            if ctx.method == "notifications/progress":
                await session.reported(params)
            elif ctx.method == "notifications/roots/list_changed":
                await session.roots_changed()
            elif ctx.method not in TAKEN and not session.modern:
                await self._workspace.relay.extended.noticed(session, ctx.method, params)
            return None
        if ctx.method == "initialize":
            result: Any = await call_next(ctx)
            self._greeted(ctx, result)
            return result
        modern = ctx.protocol_version in MODERN_PROTOCOL_VERSIONS
        greeted = modern or ctx.session._connection.initialize_accepted
        if not greeted or not self._workspace.relay.takes(ctx.method, modern):
            return await call_next(ctx)
        return await self._relay(ctx, self._session(ctx))

    def _greeted(self, ctx: Context, result: dict[str, Any]) -> None:
        """A legacy client said hello: over a stream its session exists; over HTTP it begins now."""
        session = stream_session.get()
        if session is None:
            connection = ctx.session._connection
            session = LateSession(connection, self._workspace.spawn)
            connection.state["hub"] = session
            connection.exit_stack.callback(self._workspace.leave, session)
            self._workspace.join(session)
        session.version = str(result.get("protocolVersion"))
        session.greeted(dict(ctx.params or {}))

    def _session(self, ctx: Context) -> Session:
        found: Session | None = stream_session.get() or ctx.session._connection.state.get("hub")
        return found or self._workspace.sessionless

    def _input_schema(self, name: str) -> dict[str, Any] | None:
        """The schema against which the SDK checks `Mcp-Param-*` headers; left to itself it lists all tools a call."""
        view = self._workspace.sessionless.private_view or self._workspace.view
        schema = view.schema(name)
        return schema if isinstance(schema, dict) else None

    async def _relay(self, ctx: Context, session: Session) -> dict[str, Any]:
        outbound = ctx.session._request_outbound
        params = dict(ctx.params or {})
        if isinstance(session, LateSession):
            session.outbounds.append(outbound)
        try:
            async with notifying(outbound) as notify:
                return whole(await self._workspace.relay.answer(session, ctx.method, params, notify))
        except Answered as answered:
            raise _mcp_error(answered.error) from None
        except SidecarError as error:
            raise _mcp_error(era.error_to_client(era.of_params(params), error.rpc())) from None
        except Exception:  # the SDK would tell the client of it
            log.exception("a request failed in the hub", extra={"workspace": self._workspace.name})
            raise _mcp_error(dict(HUB_FAILED)) from None
        finally:
            if isinstance(session, LateSession):
                session.outbounds.remove(outbound)


class LateSession(Session):
    """A legacy session over Streamable HTTP; FastMCP's manager owns it and ends it when it is idle."""

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


async def _pass_on(outgoing: MemoryObjectReceiveStream[SessionMessage], put: Callable[[Frame], None]) -> None:
    async for message in outgoing:
        put(to_frame(message))
