"""One id from the client to log lines, errors and remote servers."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bridge.logs import JsonFormatter
from bridge.models import Logs
from sidecar.admission import request_ids
from sidecar.observe.log_buffer import LogBuffer
from tests.integration.channels.peers import Exchange, connected, scripted
from tests.support.fake_server import FakeServer
from tests.support.inprocess import World, space, world
from tests.support.sidecar import stdio

HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
HEADERS = {"accept": "application/json, text/event-stream"}


class Caller:
    """A legacy client over Streamable HTTP, which sends what it is told to."""

    def __init__(self, http: httpx2.AsyncClient, url: str) -> None:
        self.http, self.url = http, url
        self.headers = dict(HEADERS)

    async def ask(self, method: str, params: dict[str, Any], **headers: str) -> dict[str, Any]:
        """Send a request; returns its response."""
        frame = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        given = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        response = await self.http.post(self.url, json=frame, headers=given)
        self.headers |= {name: response.headers[name] for name in ("mcp-session-id",) if name in response.headers}
        text = response.text
        found: dict[str, Any] = json.loads(text if text.startswith("{") else text.partition("data: ")[2])
        return found

    async def call(self, tool: str, meta: dict[str, Any] | None = None, **headers: str) -> dict[str, Any]:
        """Call a tool."""
        return await self.ask("tools/call", {"name": tool, "_meta": meta or {}}, **headers)


async def test_an_id_leads_from_the_client_to_the_log_and_to_the_server(tmp_path: Path) -> None:
    """In the header or in `_meta`, for calls that fail and those that succeed; the hub's own id is in the error."""
    asked: list[str] = []

    def note() -> dict[str, Any]:
        asked.append(request_ids.TO_SERVER.get())
        return {"content": []}

    server = FakeServer("a", tools={"note": note}, transport="http")
    logs = LogBuffer(JsonFormatter("sidecar"))
    logger = logging.getLogger("sidecar")
    logger.addHandler(logs)
    try:
        async with world(tmp_path, server, serve=True) as hub, httpx2.AsyncClient(timeout=100) as http:
            await calls(hub, Caller(http, f"{hub.base}/mcp/w"), asked, logs)
    finally:
        logger.removeHandler(logs)


async def calls(hub: World, caller: Caller, asked: list[str], logs: LogBuffer) -> None:
    """What the test is about, with a hub that runs."""
    hub.put(stdio("a", "a"), space("a"))
    await hub.settled()
    await caller.ask("initialize", HELLO)

    error = (await caller.call("nope", x_request_id="from-header-1"))["error"]
    [record] = logs.find(Logs(limit=10, call="from-header-1"))
    assert (record["request_id"], record["code"]) == ("from-header-1", "TOOL_UNKNOWN")
    assert error["data"]["correlation"] == record["correlation"]
    assert error["data"]["retryable"] is False
    assert logs.find(Logs(limit=10, call=record["correlation"])) == (record,)

    meta = {request_ids.META_KEY: "from-meta-1"}
    await caller.call("nope", meta, x_request_id="from-header-2")
    assert len(logs.find(Logs(limit=10, call="from-meta-1"))) == 1
    assert logs.find(Logs(limit=10, call="from-header-2")) == ()

    error = (await caller.call("nope", x_request_id="not a valid id"))["error"]
    [record] = logs.find(Logs(limit=10, call=error["data"]["correlation"]))
    assert "request_id" not in record

    for _ in range(2):  # the second one has the head of the first: the direct way must not take it
        await caller.call("a_note", x_request_id="from-header-3")
    assert asked == ["from-header-3"] * 2


@pytest.mark.parametrize("configured", [{}, {"X-Request-Id": "of the configuration"}])
async def test_a_remote_server_gets_the_id_in_a_header(configured: dict[str, str]) -> None:
    """With requests of clients, unless its definition has the header; not with the hub's own."""
    seen: list[str | None] = []

    async def server(exchange: Exchange) -> None:
        frame = json.loads(exchange.body or b"{}")
        if frame.get("method") == "tools/call":
            seen.append(exchange.headers.get("x-request-id"))
        answer = {"jsonrpc": "2.0", "id": frame.get("id"), "result": {"content": [{"type": "text", "text": ""}]}}
        await exchange.reply("200 OK", json.dumps(answer))

    async with scripted(server) as url, connected(url, "http", **configured) as client:
        await client.call("x")
        token = request_ids.TO_SERVER.set("mine-1")
        await client.call("x")
        request_ids.TO_SERVER.reset(token)
    assert seen == ([None, "mine-1"] if not configured else [configured["X-Request-Id"]] * 2)
