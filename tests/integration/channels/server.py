"""A FastMCP server over HTTP, for tests: `python -m tests.integration.channels.server sse|http [port] [json]`.

Prints its port when it listens. Stop it with a signal.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections import defaultdict
from typing import Annotated

import mcp_types
import uvicorn
from fastmcp import Context, FastMCP
from fastmcp.server.dependencies import get_http_headers
from pydantic import Field

server = FastMCP("remote")
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
    return get_http_headers(include_all=True).get(name, "")


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


def main(transport: str, port: str = "0", *options: str) -> None:
    """Serve until a signal comes."""
    listener = socket.create_server(("127.0.0.1", int(port)))
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
