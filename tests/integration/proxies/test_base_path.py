"""A hub below a path of a reverse proxy: its endpoints work there, over both transports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fastmcp
import httpx2
from fastmcp.client.transports import SSETransport, StreamableHttpTransport

from tests.integration.proxies.proxies import HOST, Resolved, program, proxy
from tests.support.hub import free_port, running
from tests.support.run import hubctl
from tests.support.yamcp import mock

BASE = "/tools/of/mine"
BELOW = {"location / {": f"location {BASE}/ {{", "proxy_pass http://yamcp_hub;": "proxy_pass http://yamcp_hub/;"}
"""What docs/deployment.md says of a path, in nginx's words."""


async def test_clients_work_below_a_path_of_nginx(tmp_path: Path) -> None:
    """SSE's `endpoint` is relative, so that it is right below any path; what the hub prints has HUB_PUBLIC_URL's."""
    program("nginx")
    port = free_port()
    public = f"https://{HOST}:{port}{BASE}"
    async with (
        running({"m": mock("m")}, {"dev": ["m"]}, front=True, HUB_PUBLIC_URL=public) as hub,
        proxy("nginx", tmp_path / "nginx", port, int(hub.env["HUB_PORT"]), BELOW) as before,
    ):
        assert (await hubctl(hub.env, "url", "dev"))[1].split() == [
            "sse", f"{public}/mcp/dev/sse", "http", f"{public}/mcp/dev",
        ]  # fmt: skip

        def factory(headers: Any = None, timeout: Any = None, auth: Any = None, **_: Any) -> httpx2.AsyncClient:
            trusting = Resolved(verify=before.trust)
            return httpx2.AsyncClient(headers=headers, timeout=timeout, auth=auth, transport=trusting)

        for transport in (
            SSETransport(f"{public}/mcp/dev/sse", httpx_client_factory=factory),
            StreamableHttpTransport(f"{public}/mcp/dev", httpx_client_factory=factory),
        ):
            async with fastmcp.Client(transport) as client:
                assert "m_echo" in {tool.name for tool in await client.list_tools()}
                answer = await client.call_tool("m_echo", {"text": "below"})
                assert answer.content[0].text == "below"
