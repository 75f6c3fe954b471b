"""The Python SDK's client before version 2 against one endpoint, as a process of its own.

Run by the environment .envs/smolagents (see setup.sh). It passes every URI through pydantic's AnyUrl, which normalises.

    mcp1_client.py URL [--transport sse|streamable-http] [--tools-only] [--call NAME JSON]...

stdout: one JSON line with `tools` (names), `resources` and `templates` (URIs), `prompts` (names), `read` ({listed or
linked URI: URI of what was read}), `texts` (the first text of each call's result) and `structured` (its other content).
With --lines it only lists the tools, and then each line on stdin, {"tool": name, "arguments": {}}, is one call over the
same connection, answered by one line, {"result": text} or {"error": text}, until stdin ends.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mcp import ClientSession
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamablehttp_client


@asynccontextmanager
async def session(url: str, transport: str) -> AsyncIterator[ClientSession]:
    """A session, initialized."""
    connect: Any = sse_client if transport == "sse" else streamablehttp_client
    async with connect(url) as streams, ClientSession(streams[0], streams[1]) as client:
        await client.initialize()
        yield client


async def use(url: str, transport: str, calls: list[tuple[str, dict[str, Any]]], *, tools_only: bool) -> dict[str, Any]:
    """List, call, and, unless `tools_only`, read all that was listed or linked; the report."""
    async with session(url, transport) as client:
        uris = [] if tools_only else [resource.uri for resource in (await client.list_resources()).resources]
        results = [await client.call_tool(name, arguments) for name, arguments in calls]
        blocks = [result.content for result in results]
        links = [getattr(block, "resource", block) for content in blocks for block in content]
        uris += [link.uri for link in links if hasattr(link, "uri") and not tools_only]
        return {
            "tools": [tool.name for tool in (await client.list_tools()).tools],
            "resources": [str(resource.uri) for resource in (await client.list_resources()).resources],
            "templates": [each.uriTemplate for each in (await client.list_resource_templates()).resourceTemplates],
            "structured": [result.structuredContent for result in results],
            "prompts": [prompt.name for prompt in (await client.list_prompts()).prompts],
            "texts": [getattr(content[0], "text", "") for content in blocks],
            "read": {str(uri): str((await client.read_resource(uri)).contents[0].uri) for uri in uris},
        }


async def serve_lines(url: str, transport: str) -> None:
    """Call one tool a line of stdin, until it ends."""
    async with session(url, transport) as client:
        print(json.dumps({"tools": [tool.name for tool in (await client.list_tools()).tools]}), flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            request = json.loads(line)
            try:
                result = await client.call_tool(request["tool"], request.get("arguments", {}))
                reply = {"result": getattr(result.content[0], "text", "")}
            except Exception as error:  # what it was is what the test wants to see
                reply = {"error": f"{type(error).__name__}: {error}"}
            print(json.dumps(reply), flush=True)


def main() -> None:
    """Connect, do what the arguments say, disconnect."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--transport", choices=("sse", "streamable-http"), default="sse")
    parser.add_argument("--tools-only", action="store_true")
    parser.add_argument("--call", nargs=2, action="append", default=[], metavar=("NAME", "JSON"))
    parser.add_argument("--lines", action="store_true")
    flags = parser.parse_args()
    if flags.lines:
        asyncio.run(serve_lines(flags.url, flags.transport))
        return
    calls = [(name, json.loads(arguments)) for name, arguments in flags.call]
    print(json.dumps(asyncio.run(use(flags.url, flags.transport, calls, tools_only=flags.tools_only))), flush=True)


if __name__ == "__main__":
    main()
