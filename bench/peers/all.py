"""The peers, each with the options that suit what is measured: logs off, servers kept open."""

from __future__ import annotations

from bench.peers import contextforge
from bench.peers.peer import ECHO, Peer, Program, executable, programs

_SUPERGATEWAY = (
    executable("node", "supergateway"),
    *("--stdio", " ".join(ECHO), "--port", "{port}", "--logLevel", "none"),
)

PEERS = (
    Peer(
        "supergateway",
        "supergateway",
        "node",
        programs(
            Program(_SUPERGATEWAY, {"sse": "/sse"}),
            Program(
                (*_SUPERGATEWAY, "--outputTransport", "streamableHttp", "--stateful"),
                dict.fromkeys(("http", "modern"), "/mcp"),
            ),
        ),
    ),
    Peer(
        "mcp-hub",
        "mcp-hub",
        "node",
        programs(
            Program(
                (executable("node", "mcp-hub"), "--port", "{port}", "--config", "{config}"),
                {"sse": "/mcp"},
                {"mcpServers": {"raw": {"command": ECHO[0], "args": list(ECHO[1:])}}},
            )
        ),
    ),
    Peer(
        "mcp-proxy (TypeScript)",
        "mcp-proxy",
        "node",
        programs(
            Program(
                (executable("node", "mcp-proxy"), "--host", "127.0.0.1", "--port", "{port}", "--", *ECHO),
                {"sse": "/sse", "http": "/mcp", "modern": "/mcp"},
            )
        ),
    ),
    Peer(
        "mcp-proxy (Python)",
        "mcp-proxy",
        "mcp_proxy",
        programs(
            Program(
                (executable("mcp_proxy", "mcp-proxy"), "--port", "{port}", "--log-level", "WARNING", "--", *ECHO),
                {"sse": "/sse", "http": "/mcp", "modern": "/mcp"},
            )
        ),
    ),
    Peer("mcp-contextforge-gateway", "mcp-contextforge-gateway", "contextforge", contextforge.start),
)
