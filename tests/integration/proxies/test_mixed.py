"""Connections that a proxy keeps carry requests for endpoints and pages by turns; each is answered right."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from tests.integration.proxies.proxies import program, proxy
from tests.support.hub import free_port, running
from tests.support.raw_client import INITIALIZE
from tests.support.yamcp import mock

TOKEN = "token-of-a-hub-that-stands-behind-a-proxy"
ONE_POOL = {"proxy_pass http://yamcp_hub_endpoints;": "proxy_pass http://yamcp_hub;", "keepalive 32;": "keepalive 4;"}
"""As an nginx that does not tell them apart has it."""
HELLO = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE}


async def test_one_pool_of_nginx_carries_both(tmp_path: Path) -> None:
    """Hundreds of requests over a handful of connections, many at once, large bodies among them."""
    program("nginx")
    port, choose = free_port(), random.Random(24)
    settings = {"HUB_TOKEN": TOKEN, "HUB_TRUSTED_PROXIES": "127.0.0.1"}
    async with (
        running({"m": mock("m")}, {"dev": ["m"]}, front=True, **settings) as hub,
        proxy("nginx", tmp_path / "nginx", port, hub.settings.port, ONE_POOL) as before,
        before.client(TOKEN) as http,
        before.client("wrong-" + TOKEN) as stranger,
    ):
        limit = asyncio.Semaphore(8)

        async def one(number: int) -> None:
            async with limit:
                match choose.randrange(5):
                    case 0:
                        reply = await http.get(f"/mcp/nobody-{number}")
                        assert (reply.status_code, f"'nobody-{number}'" in reply.text) == (404, True)
                    case 1:
                        reply = await http.post("/mcp/dev", json=HELLO)
                        assert reply.json()["result"]["serverInfo"]["name"] == "dev"
                    case 2:
                        body = {"jsonrpc": "2.0", "id": number, "method": "x" * 200_000}
                        reply = await http.post("/mcp/dev", json=body)
                        assert reply.status_code == 400, reply.text[:300]
                    case 3:
                        reply = await http.get(f"/api/hub/none-{number}")
                        assert (reply.status_code, f"/none-{number}" in reply.text) == (404, True)
                    case _:
                        reply = await http.get("/hub/assets/main.mjs")
                        assert (reply.status_code, len(reply.content)) == (200, int(reply.headers["content-length"]))

        await asyncio.gather(*map(one, range(300)))
        said = [(await stranger.get("/mcp/dev")).status_code for _ in range(11)]
        assert said == [401] * 10 + [429]
        assert (await http.get("/mcp/nobody")).status_code == 404
