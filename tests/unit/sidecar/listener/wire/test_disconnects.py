"""Clients that go away at any point, over any transport: nothing is logged as a fault, and the hub serves on."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.fake_server import FakeServer, Gate, until, within
from tests.support.inprocess import World, space, world
from tests.support.peers import LEGACY, MODERN

pytestmark = pytest.mark.outside

HELLO = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
META = {"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {}}


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[World]:
    """A workspace `w` of a server with a tool that answers at once, a large one, and one that never answers."""
    server = FakeServer(tools={"echo": lambda: {"content": []}, "big": lambda: {"x": "x" * 300_000}, "gate": Gate()})
    async with world(tmp_path, server, serve=True) as made:
        made.put(server.spec("a"), space("a"))
        await made.settled()
        yield made


def request(path: str, message: Any = None, method: str = "POST", **headers: str) -> bytes:
    """A request as it is on the wire."""
    body = b"" if message is None else json.dumps(message).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Accept: application/json, text/event-stream"]
    lines += [f"Content-Type: application/json\r\nContent-Length: {len(body)}"] if body else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def call(name: str, number: int, **params: Any) -> dict[str, Any]:
    """A call of a tool."""
    params |= {"name": f"a_{name}", "arguments": {}}
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}


async def sent(hub: World, data: bytes, *, wait: int = 0) -> None:
    """Send bytes, read `wait` bytes of what comes, and go away."""
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.settings.sidecar_port)
    try:
        writer.write(data)
        with contextlib.suppress(asyncio.IncompleteReadError):
            await within(reader.readexactly(wait))
    finally:
        writer.transport.abort()


async def quiet(hub: World, caplog: pytest.LogCaptureFixture) -> None:
    """All connections are gone, no request is under way, and no fault was logged."""
    assert hub.server is not None
    await until(lambda: not hub.server.clients and not hub.server.server_state.tasks)  # type: ignore[union-attr]
    faults = [record.getMessage() for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR]
    assert not faults


async def session(hub: World) -> str:
    """A session over Streamable HTTP."""
    hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}
    async with httpx2.AsyncClient(timeout=100) as http:
        accept = {"accept": "application/json, text/event-stream"}
        return str((await http.post(f"{hub.base}/mcp/w", json=hello, headers=accept)).headers["mcp-session-id"])


@pytest.mark.parametrize("tool", ["echo", "big", "gate"])
@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_pipelined_calls_and_a_close(hub: World, caplog: pytest.LogCaptureFixture, tool: str, era: str) -> None:
    """Calls wait behind each other on one connection, whose client leaves: none is served any more."""
    if era == "legacy":
        headers = {"Mcp_Session_Id": await session(hub)}
        calls = [request("/mcp/w", call(tool, number), **headers) for number in range(2, 5)]
    else:
        headers = {"Mcp_Protocol_Version": MODERN, "Mcp_Method": "tools/call", "Mcp_Name": f"a_{tool}"}
        calls = [request("/mcp/w", call(tool, number, _meta=META), **headers) for number in range(3)]
    for wait in (0, 0 if tool == "gate" else 50):
        for _ in range(3):
            await sent(hub, b"".join(calls), wait=wait)
    if era == "legacy":
        async with httpx2.AsyncClient(timeout=100) as http:  # whose calls go on, as MCP has it
            await http.delete(f"{hub.base}/mcp/w", headers={"mcp-session-id": headers["Mcp_Session_Id"]})
    await quiet(hub, caplog)


async def test_whatever_is_cut_off(hub: World, caplog: pytest.LogCaptureFixture) -> None:
    """Conversations over both transports, cut at many points: after the cut the client is gone, reading or not."""
    chance = random.Random(5)
    headers = {"Mcp_Session_Id": await session(hub)}
    modern = {"Mcp_Protocol_Version": MODERN, "Mcp_Method": "tools/call", "Mcp_Name": "a_big"}
    hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}
    conversations = [
        request("/mcp/w/sse", method="GET") + request("/healthz", method="GET"),
        request("/mcp/w", method="GET", **headers) + request("/mcp/w", method="GET", **headers),
        request("/mcp/w", hello) + request("/mcp/w", call("echo", 9), **headers),
        request("/mcp/w", call("echo", 10), **headers) + request("/mcp/w", call("big", 11), **headers),
        request("/mcp/w", call("big", 1, _meta=META), **modern) * 2 + request("/status", method="GET"),
        request("/mcp/w/messages?session_id=x", hello) + b"POST /mcp/w HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5",
    ]
    for data in conversations:
        cuts = [len(data), *(chance.randrange(len(data)) for _ in range(15))]
        async with asyncio.TaskGroup() as tasks:
            for cut in cuts:
                tasks.create_task(sent(hub, data[:cut], wait=chance.choice([0, 0, 40]) if cut == len(data) else 0))
    await quiet(hub, caplog)
    async with httpx2.AsyncClient(timeout=100) as http:
        assert (await http.get(f"{hub.base}/healthz")).status_code == 200
