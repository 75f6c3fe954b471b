"""FastMCP's own way to put stdio servers behind HTTP, `create_proxy` over the configuration; for comparison.

python -m bench.fastmcp_proxy sse PORT     HTTP+SSE at /sse, before two of bench.echo_server
python -m bench.fastmcp_proxy http PORT    Streamable HTTP at /mcp
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

from fastmcp.server import create_proxy

ECHO = {"command": sys.executable, "args": [str(Path(__file__).with_name("echo_server.py"))]}

if __name__ == "__main__":
    proxy = create_proxy({"mcpServers": {"raw": ECHO, "other": ECHO}})
    transport: Literal["sse", "http"] = "sse" if sys.argv[1] == "sse" else "http"
    proxy.run(transport=transport, port=int(sys.argv[2]), show_banner=False, log_level="warning")
