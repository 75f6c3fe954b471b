"""Remote servers of which one list, declared or not, is refused by HTTP itself."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from bridge.models import RemoteLaunch, ServerSpec
from sidecar.channels.connections import Connections
from sidecar.channels.remote import open_remote
from sidecar.observe.metrics import Metrics
from sidecar.upstream.upstream import Upstream
from tests.integration.channels.peers import Exchange, scripted
from tests.support.fake_server import until, within

REFUSALS = {
    "500 in words": ("500 Internal Server Error", "no database", "text/plain"),
    "500 with nothing": ("500 Internal Server Error", "", "text/plain"),
    "400 as a page": ("400 Bad Request", "<html>", "text/html"),
    "200 as a page": ("200 OK", "<html>", "text/html"),
    "202": ("202 Accepted", "", "application/json"),
    "an array": ("200 OK", "[]", "application/json"),
}


class Watcher:
    """Listens to nothing."""

    def upstream_changed(self, upstream: Upstream) -> None:
        """Nothing."""

    def upstream_notified(self, upstream: Upstream, method: str, params: dict[str, Any]) -> None:
        """Nothing."""


def server(failing: str, refusal: tuple[str, str, str], declared: dict[str, Any]) -> Any:
    """A Streamable HTTP server with one tool and a session, which refuses the method `failing`."""

    async def script(exchange: Exchange) -> None:
        message = json.loads(exchange.body or b"{}")
        method = message.get("method")
        if method == failing:
            await exchange.reply(*refusal)
        elif method == "initialize":
            info = {
                "protocolVersion": "2025-06-18",
                "capabilities": declared,
                "serverInfo": {"name": "s", "version": ""},
            }
            await reply(exchange, message, info, mcp_session_id="x")
        elif method == "tools/list":
            await reply(exchange, message, {"tools": [{"name": "t"}]})
        elif method in ("prompts/list", "resources/list", "resources/templates/list"):
            await reply(exchange, message, {"prompts": [], "resources": [], "resourceTemplates": []})
        elif exchange.method == "GET":
            await exchange.reply("405 Method Not Allowed")
        else:
            await exchange.reply("202 Accepted")

    return script


async def reply(exchange: Exchange, message: Any, result: Any, **headers: str) -> None:
    """Answer a request."""
    await exchange.reply("200 OK", json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), **headers)


@pytest.mark.parametrize("declares", [True, False])
@pytest.mark.parametrize("refusal", REFUSALS)
async def test_a_list_that_http_refuses(refusal: str, declares: bool) -> None:
    """The tools are served; it is a trouble where the server declared to have the list, else nothing."""
    declared = {"tools": {}, **({"prompts": {}} if declares else {})}
    async with scripted(server("prompts/list", REFUSALS[refusal], declared)) as url, Connections() as connections:
        launch = RemoteLaunch(url=url, transport="http")
        spec = ServerSpec(key="s", namespace="s", launch=launch)

        def connect(on_frame: Any) -> Any:
            return open_remote(launch, on_frame=on_frame, transport="http", connections=connections)

        upstream = Upstream("f", spec, connect, Watcher(), Metrics())
        running = asyncio.create_task(upstream.run())
        await until(lambda: upstream.state == "ready" and upstream.catalog and upstream.catalog.tools)
        assert upstream.restarts == 0
        assert [each.data["list"] for each in upstream.troubles.all] == (["prompts/list"] if declares else [])
        assert upstream.shown_state == ("degraded" if declares else "ready")
        upstream.stop()
        await within(running)
