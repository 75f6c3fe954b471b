"""A client or a server of FastMCP that records its spans, as a program: `traced_program.py server|client RECEIVER URL`.

The client calls `add` three times, then a tool that fails, and reads the list of tools.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys

from fastmcp import Client, FastMCP
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

role, receiver, *rest = sys.argv[1:]
provider = TracerProvider(resource=Resource.create({"service.name": role}))
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{receiver}/v1/traces")))
trace.set_tracer_provider(provider)
server: FastMCP[None] = FastMCP("traced")


@server.tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool
def fail() -> str:
    """Fail."""
    raise ValueError("on purpose")


async def client(url: str) -> None:
    """Call the tools."""
    async with Client(url) as connected:
        await connected.list_tools()
        for number in range(3):
            assert (await connected.call_tool("t_add", {"a": number, "b": 1})).data == number + 1
        with contextlib.suppress(Exception):
            await connected.call_tool("t_fail")


if role == "server":
    server.run(show_banner=False)
else:
    asyncio.run(client(*rest))
