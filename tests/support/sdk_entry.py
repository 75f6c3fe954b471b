"""A workspace as the SDK's own transports would serve it, to compare the hub's transports with them.

The SDK does what the hub's transports do: it reads bodies, checks headers and envelopes, and tells the eras apart. Only
the requests that the relay takes are answered by the workspace's relay, so that the answers can be compared.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Coroutine
from contextvars import ContextVar
from typing import Any

from mcp.server.sse import SseServerTransport
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from starlette.types import Receive, Scope, Send

from sidecar.admission.context import RequestContext
from sidecar.calls.error_response import ErrorResponse
from sidecar.errors import SidecarError
from sidecar.listener.server import HttpServer, listen
from sidecar.protocol import eras
from tests.support.fake_server import until
from tests.support.hub import free_port
from tests.support.inprocess import Recorder, World

over_stream: ContextVar[Recorder | None] = ContextVar("over_stream", default=None)
"""The client whose SSE stream the SDK's server runs over; none over Streamable HTTP."""


class SdkEntry:
    """The ASGI application: `/mcp/w` and `/mcp/w/sse`, as the hub has them."""

    def __init__(self, made: World) -> None:
        self._workspace, self._relay = made.workspace(), made.endpoint().relay
        self._server = made.endpoint().fastmcp._server
        self._server.middleware.insert(0, self._relayed)
        self._server.get_tool_input_schema = self._workspace.view.schema  # type: ignore[method-assign,assignment]
        self._sse = SseServerTransport("/messages")
        self.http = StreamableHTTPSessionManager(app=self._server)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["path"] == "/mcp/w":
            await self.http.handle_request(scope, receive, send)
        elif scope["method"] == "POST":
            await self._sse.handle_post_message(scope, receive, send)
        else:
            over_stream.set(Recorder())
            async with self._sse.connect_sse(scope, receive, send) as (reads, writes):
                await self._server.run(reads, writes, self._server.create_initialization_options())

    async def _relayed(self, ctx: Any, call_next: Any) -> Any:
        """Hand on what the relay takes, as a middleware of the SDK's server."""
        client, relay = over_stream.get(), self._relay
        if ctx.method == "initialize" and client is not None:
            result = await call_next(ctx)
            client.version = str(result["protocolVersion"])
            return result
        modern = ctx.protocol_version in MODERN_PROTOCOL_VERSIONS
        greeted = modern or ctx.session._connection.initialize_accepted
        if ctx.request_id is None or not greeted or not relay.handles(ctx.method, modern):
            return await call_next(ctx)
        params = dict(ctx.params or {})
        try:
            session = client or self._workspace.sessionless
            name, number = self._workspace.name, session.count()
            call = RequestContext(session, ctx.method, params, name, number, time.perf_counter())
            return await relay.answer(session, call, lambda *_: None)
        except ErrorResponse as answered:
            raise MCPError(**answered.error) from None
        except SidecarError as error:
            raise MCPError(**eras.error_to_client(eras.of_params(params), error.rpc())) from None


@contextlib.asynccontextmanager
async def served_by_the_sdk(made: World) -> AsyncIterator[str]:
    """Serve the world's workspace `w` by the SDK's transports too, on a port of its own; gives the base URL."""
    entry, stop = SdkEntry(made), asyncio.Event()
    settings = made.settings.model_copy(update={"sidecar_port": free_port()})
    server = HttpServer(entry, settings)
    with contextlib.closing(listen(settings)) as listener:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_serve(entry, server.serve_until(stop, listener)))
            await until(lambda: server.started)
            try:
                yield settings.sidecar_url
            finally:
                stop.set()


async def _serve(entry: SdkEntry, serving: Coroutine[Any, Any, None]) -> None:
    async with entry.http.run():  # entered and left by one task, which a fixture's two halves are not
        await serving
