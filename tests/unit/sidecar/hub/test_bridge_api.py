"""What the sidecar serves on the bridge, asked over the bridge in memory."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.client import BridgeClient
from bridge.errors import RemoteError
from bridge.logs import JsonFormatter
from bridge.memory import MemoryBridge
from bridge.models import Call, CallResult, ListTools, LogRecords, Logs, ReadStatus, Request, Restart, Status, Tools
from bridge.server import BridgeServer
from sidecar.observe.log_buffer import LogBuffer
from tests.support.fake_server import FakeServer, Gate, RpcError, until
from tests.support.inprocess import World, space, world

pytestmark = pytest.mark.outside


@contextlib.asynccontextmanager
async def bridged(root: Path, *servers: FakeServer) -> AsyncIterator[tuple[World, BridgeClient]]:
    """A sidecar, and a client of its bridge."""
    transport = MemoryBridge()
    ring = LogBuffer(JsonFormatter("sidecar"), lambda _: None)
    async with world(root, *servers) as made:
        ring.handle(logging.makeLogRecord({"msg": "hello", "server": "a"}))
        bridge = BridgeServer("actual", made.api(ring).handlers(), session="s", transport=transport)
        serving = asyncio.create_task(bridge.serve())
        applying = asyncio.create_task(made.reconciler.run())
        try:
            async with BridgeClient("actual", transport=transport) as client:
                yield made, client
        finally:
            for task in (serving, applying):
                task.cancel()
            await asyncio.wait([serving, applying])


async def refused(client: BridgeClient, body: Request[Any]) -> RemoteError:
    """The error that a request is answered with."""
    with pytest.raises(RemoteError) as caught:
        await client.request(body, timeout=10)
    return caught.value


async def test_apply_and_status(tmp_path: Path) -> None:
    """A snapshot is acknowledged and applied; an old one refused with what is in force."""
    server = FakeServer()
    async with bridged(tmp_path, server) as (made, client):
        old, new = made.snapshot(), made.snapshot(server.spec("a"), space("a"))
        assert (await client.request(new, timeout=10)).id == new.id
        await until(lambda: made.reconciler.applied == new.id)
        await made.settled()
        status = await client.request(ReadStatus(), timeout=10)
        assert isinstance(status, Status)
        assert (status.applied, status.servers[0].state) == (new.id, "ready")
        error = await refused(client, old)
        assert (error.remote_code, error.data["in_force"]) == ("SNAPSHOT_STALE", new.id.model_dump())


async def test_tools_and_call(tmp_path: Path) -> None:
    """Tools as clients see them; a call as a client would make it, by slug or name."""
    server = FakeServer()
    async with bridged(tmp_path, server) as (made, client):
        made.put(server.spec("a"), space("a", name="W s", slug="w"))
        await made.settled()
        for name in ("w", "W s"):
            tools = await client.request(ListTools(workspace=name), timeout=10)
            assert isinstance(tools, Tools)
            assert tools.tools[0]["name"] == "a_echo"
        call = Call(workspace="w", tool="a_echo", arguments={"x": 1})
        answer = await client.request(call, timeout=10)
        assert isinstance(answer, CallResult)
        assert answer.result["content"][0]["text"] == "[('x', 1)]"
        assert len(made.workspace("W s").sessions) == 1


async def test_call_that_fails(tmp_path: Path) -> None:
    """Each way in which a call can fail has its code."""

    def fail() -> None:
        raise RpcError(-7, "went wrong", data=[1])

    server = FakeServer(tools={"fail": fail, "hang": Gate()})
    async with bridged(tmp_path, server) as (made, client):
        made.put(server.spec("a"), space("a"), space("a", name="off", enabled=False))
        await made.settled()
        error = await refused(client, Call(workspace="w", tool="a_fail"))
        assert (error.remote_code, error.message) == ("SERVER_ANSWERED_ERROR", "went wrong")
        assert error.data == {"error": {"code": -7, "message": "went wrong", "data": [1]}}
        for call, code in (
            (Call(workspace="w", tool="a_hang", timeout=0.01), "CALL_TIMEOUT"),
            (Call(workspace="w", tool="gone"), "TOOL_UNKNOWN"),
            (Call(workspace="off", tool="a_fail"), "WORKSPACE_OFF"),
            (Call(workspace="nope", tool="a_fail"), "WORKSPACE_UNKNOWN"),
        ):
            assert (await refused(client, call)).remote_code == code
        await server.channel.sent("notifications/cancelled")
        error = await refused(client, ListTools(workspace="nope"))
        assert error.data["workspaces"] == ["off", "w"]


async def test_server_of_ones_own(tmp_path: Path) -> None:
    """A call opens a per-client server for itself, which has nobody to ask, and closes it."""

    async def ask(channel: Any) -> dict[str, Any]:
        answer = await channel.ask("roots/list")
        channel.notify("notifications/message", {"level": "info", "data": "x"})
        return {"content": [], "answer": answer["error"]["code"]}

    server = FakeServer(tools={"ask": ask})
    async with bridged(tmp_path, server) as (made, client):
        made.put(server.spec("a", session="per_client"), space("a"))
        answer = await client.request(Call(workspace="w", tool="a_ask"), timeout=10)
        assert isinstance(answer, CallResult)
        assert answer.result["answer"] == -32601
        await until(lambda: server.open == 0)


async def test_restart(tmp_path: Path) -> None:
    """All upstreams of a server are opened anew, no others; an unknown one is refused."""
    one, two = FakeServer("one"), FakeServer("two")
    async with bridged(tmp_path, one, two) as (made, client):
        assert (await refused(client, Restart(key="a"))).remote_code == "SERVER_UNKNOWN"
        made.put(one.spec("a"), two.spec("b"), space("a", "b"))
        await made.settled()
        await client.request(Restart(key="a"), timeout=10)
        await one.connected(2)
        assert len(two.channels) == 1
        assert (await refused(client, Restart(key="nope"))).remote_code == "SERVER_UNKNOWN"


async def test_logs(tmp_path: Path) -> None:
    """The newest records, of all or of one server."""
    async with bridged(tmp_path) as (_, client):
        records = await client.request(Logs(server="a"), timeout=10)
        assert isinstance(records, LogRecords)
        assert [record["message"] for record in records.records] == ["hello"]
        records = await client.request(Logs(server="b"), timeout=10)
        assert isinstance(records, LogRecords)
        assert records.records == ()
