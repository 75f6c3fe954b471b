"""The baseline: a plain FastMCP server with the echo server's tools, as its own documentation runs it.

python -m bench.plain_server sse PORT     HTTP+SSE at /sse
python -m bench.plain_server http PORT    Streamable HTTP at /mcp
python -m bench.plain_server stdio        the same tool as an upstream of the hub
"""

from __future__ import annotations

import sys

from fastmcp import FastMCP

mcp: FastMCP = FastMCP("plain")


@mcp.tool
def echo(text: str) -> str:
    """Return the text."""
    return text


@mcp.tool
def blob(size: int) -> str:
    """Return a text of that many characters."""
    return "x" * size


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        mcp.run(transport="stdio", show_banner=False, log_level="warning")
    elif sys.argv[1] == "sse":
        mcp.run(transport="sse", port=int(sys.argv[2]), show_banner=False, log_level="warning")
    else:
        mcp.run(transport="http", port=int(sys.argv[2]), show_banner=False, log_level="warning")
