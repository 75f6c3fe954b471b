"""A FastMCP server over HTTP or WebSocket, for tests.

`python -m tests.integration.channels.server sse|http|websocket [port] [json] [stateless]`

Prints its port when it listens. Stop it with a signal.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections import defaultdict
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Annotated

import anyio
import mcp_types
import uvicorn
from fastmcp import Context, FastMCP
from fastmcp.server.dependencies import get_http_headers
from mcp.shared.message import SessionMessage
from pydantic import Field
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

server = FastMCP("remote")
upgrade: ContextVar[Mapping[str, str] | None] = ContextVar("upgrade", default=None)
"""The headers that came with the upgrade of this WebSocket."""
hanging: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
answered: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
cancelled: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)


@server.tool
def echo(text: str) -> str:
    """Return the text."""
    return text


@server.tool
def where(region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})]) -> str:
    """Return the region; a modern client must say it in a header, too."""
    return region


@server.tool
def header(name: str) -> str:
    """Return a header of this request."""
    return get_http_headers(include_all=True).get(name, "") or (upgrade.get() or {}).get(name, "")


@server.tool
async def steps(count: int, ctx: Context) -> str:
    """Report progress for each step."""
    for step in range(count):
        await ctx.report_progress(step + 1, count)
    return "done"


@server.tool
async def announce(ctx: Context) -> str:
    """Tell this session that the tools changed, on no request's stream."""
    await ctx.session.send_notification(mcp_types.ToolListChangedNotification())
    return "announced"


@server.tool
async def hang(name: str) -> str:
    """Never return; remember when this is cancelled."""
    hanging[name].set()
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        cancelled[name].set()
        raise
    return "never"


@server.tool
async def hangs(name: str) -> str:
    """Return when the call of `hang` with that name has begun."""
    await hanging[name].wait()
    return "hanging"


@server.tool
async def is_cancelled(name: str) -> str:
    """Return when the call of `hang` with that name was cancelled."""
    await cancelled[name].wait()
    return "cancelled"


@server.tool
async def ask(name: str, ctx: Context, after: str = "") -> str:
    """Ask the client's user by that name, when the call of the name `after` has been answered; return the answer."""
    if after:
        await answered[after].wait()
    result = await ctx.elicit(name, response_type=str)
    answered[name].set()
    return f"{name}: {getattr(result, 'data', result.action)}"


async def converse(connection: ServerConnection) -> None:
    """One session over a WebSocket: the server reads and writes a pair of streams, as over stdio."""
    assert connection.subprotocol == "mcp"
    assert connection.request
    upgrade.set(connection.request.headers)
    incoming, read = anyio.create_memory_object_stream[SessionMessage | Exception](100)
    write, outgoing = anyio.create_memory_object_stream[SessionMessage](100)

    async def receive() -> None:
        async with incoming:
            async for text in connection:
                await incoming.send(SessionMessage(mcp_types.jsonrpc_message_adapter.validate_json(text)))

    async def send() -> None:
        async with outgoing:
            async for message in outgoing:
                await connection.send(message.message.model_dump_json(by_alias=True, exclude_unset=True))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(receive())
        tasks.create_task(send())
        await server._mcp_server.run(read, write, server._mcp_server.create_initialization_options())


async def serve_websocket(listener: socket.socket) -> None:
    """Serve WebSockets until a signal comes."""
    async with (
        server._lifespan_manager(),
        serve(converse, sock=listener, subprotocols=[Subprotocol("mcp")], max_size=2**26) as serving,
    ):
        print(listener.getsockname()[1], flush=True)
        await serving.serve_forever()


def main(transport: str, port: str = "0", *options: str) -> None:
    """Serve until a signal comes."""
    listener = socket.create_server(("127.0.0.1", int(port)))
    if transport == "websocket":
        asyncio.run(serve_websocket(listener))
        return
    app = server.http_app(
        transport="sse" if transport == "sse" else "http",
        path="/mcp",
        json_response="json" in options or None,
        stateless_http="stateless" in options or None,
    )
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=0)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(*sys.argv[1:])
