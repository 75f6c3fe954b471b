"""FastMCP's own way to put two stdio servers behind SSE: `create_proxy` over the configuration; for comparison.

python -m bench.fastmcp_proxy PORT    HTTP+SSE at /sse, before two of bench.echo_server
"""

from __future__ import annotations

import sys
from pathlib import Path

from fastmcp.server import create_proxy

ECHO = {"command": sys.executable, "args": [str(Path(__file__).with_name("echo_server.py"))]}

if __name__ == "__main__":
    proxy = create_proxy({"mcpServers": {"raw": ECHO, "other": ECHO}})
    proxy.run(transport="sse", port=int(sys.argv[1]), show_banner=False, log_level="warning")
