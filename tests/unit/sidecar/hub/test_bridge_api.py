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
from bridge.models import (
    Ask,
    AskResult,
    Call,
    CallResult,
    Catalog,
    EndSession,
    ListSessions,
    ListTools,
    LogRecords,
    Logs,
    ReadCatalog,
    ReadStatus,
    Request,
    Restart,
    Sessions,
    Status,
    Tools,
)
from bridge.server import BridgeServer
from sidecar.admission.context import CallContext
from sidecar.errors import SidecarError
from sidecar.observe.log_buffer import LogBuffer
from tests.support.fake_server import FakeServer, Gate, RpcError, until
from tests.support.inprocess import Recorder, World, space, world

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
        await client.request(body, timeout=100)
    return caught.value


async def test_apply_and_status(tmp_path: Path) -> None:
    """A snapshot is acknowledged and applied; an old one refused with what is in force."""
    server = FakeServer()
    async with bridged(tmp_path, server) as (made, client):
        old, new = made.snapshot(), made.snapshot(server.spec("a"), space("a"))
        assert (await client.request(new, timeout=100)).id == new.id
        await until(lambda: made.reconciler.applied == new.id)
        await made.settled()
        status = await client.request(ReadStatus(), timeout=100)
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
            tools = await client.request(ListTools(workspace=name), timeout=100)
            assert isinstance(tools, Tools)
            assert tools.tools[0]["name"] == "a_echo"
        call = Call(workspace="w", tool="a_echo", arguments={"x": 1})
        answer = await client.request(call, timeout=100)
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


class Told:
    """An observer of requests."""

    def __init__(self) -> None:
        self.ends: list[tuple[str, str, str]] = []

    def ended(self, call: CallContext, outcome: str, seconds: float) -> None:
        """Keep method, server and outcome."""
        self.ends.append((call.method, call.server, outcome))

    def refused(self, call: CallContext, error: SidecarError) -> None:
        """The same."""
        self.ends.append((call.method, call.server, error.code))


def offering() -> FakeServer:
    """A server with a prompt, a resource and a template, that completes."""
    server = FakeServer("one")
    server.prompts = [{"name": "greet", "arguments": [{"name": "who", "required": True}]}]
    server.resources = [{"uri": "x://text", "name": "text"}]
    server.templates = [{"uriTemplate": "x://item/{id}", "name": "item"}]
    server.capabilities["completions"] = {}
    return server


async def test_prompts_and_resources(tmp_path: Path) -> None:
    """Lists as clients see them, each item with its server; requests about them pass what those of clients pass."""
    one, two = offering(), FakeServer("two")
    two.prompts = [{"name": "other"}]
    async with bridged(tmp_path, one, two) as (made, client):
        made.put(one.spec("a"), two.spec("b"), space("a", "b"))
        await made.settled()
        catalog = await client.request(ReadCatalog(workspace="w"), timeout=100)
        assert isinstance(catalog, Catalog)
        prompts = [(each.item["name"], each.server, each.completes) for each in catalog.prompts]
        assert prompts == [("a_greet", "a", True), ("b_other", "b", False)]
        [resource], [template] = catalog.resources, catalog.templates
        assert (resource.item["name"], resource.server, template.server) == ("text", "a", "a")

        told = Told()
        made.hub.admission.add_observer(told)
        prompt = {"name": "a_greet", "arguments": {"who": "Ada"}}
        ref = {"type": "ref/resource", "uri": template.item["uriTemplate"]}
        for method, params in (
            ("prompts/get", prompt),
            ("resources/read", {"uri": resource.item["uri"]}),
            ("completion/complete", {"ref": ref, "argument": {"name": "id", "value": "1"}}),
        ):
            answer = await client.request(Ask(workspace="w", method=method, params=params), timeout=100)  # type: ignore[arg-type]  # they are
            assert isinstance(answer, AskResult)
            assert answer.result
            assert told.ends[-1] == (method, "a", "ok")
        assert one.channel.got("prompts/get")[0]["params"] == {"name": "greet", "arguments": {"who": "Ada"}}
        assert one.channel.got("resources/read")[0]["params"]["uri"] == "x://text"


async def test_a_request_that_fails(tmp_path: Path) -> None:
    """Each way in which a request about a prompt or resource can fail has its code; observers are told."""
    server, told = offering(), Told()

    def fail(*_: Any) -> None:
        raise RpcError(-32602, "no such note")

    server.handlers["prompts/get"] = fail
    server.handlers["resources/read"] = lambda *_: asyncio.Event().wait()
    async with bridged(tmp_path, server) as (made, client):
        made.put(server.spec("a"), space("a"), space("a", name="off", enabled=False))
        await made.settled()
        made.hub.admission.add_observer(told)
        get, read = {"name": "a_greet"}, {"uri": made.workspace().view.resources[0]["uri"]}
        for ask, code in (
            (Ask(workspace="w", method="prompts/get", params=get), "SERVER_ANSWERED_ERROR"),
            (Ask(workspace="w", method="prompts/get", params={"name": "none"}), "PROMPT_UNKNOWN"),
            (Ask(workspace="w", method="resources/read", params={"uri": "y://none"}), "RESOURCE_UNKNOWN"),
            (Ask(workspace="w", method="resources/read", params=read, timeout=0.01), "CALL_TIMEOUT"),
            (Ask(workspace="off", method="prompts/get", params=get), "WORKSPACE_OFF"),
            (Ask(workspace="nope", method="prompts/get", params=get), "WORKSPACE_UNKNOWN"),
        ):
            assert (await refused(client, ask)).remote_code == code
        assert [outcome for *_, outcome in told.ends] == [
            "error", "PROMPT_UNKNOWN", "RESOURCE_UNKNOWN", "CALL_TIMEOUT", "WORKSPACE_OFF", "WORKSPACE_UNKNOWN",
        ]  # fmt: skip
        assert (await refused(client, ReadCatalog(workspace="nope"))).remote_code == "WORKSPACE_UNKNOWN"
        assert made.workspace().clients() == set()


async def test_sessions(tmp_path: Path) -> None:
    """Who is connected, and the end of one that is not there; whoever asks over the bridge is no session."""
    server = FakeServer()
    async with bridged(tmp_path, server) as (made, client):
        made.put(server.spec("a"), space("a"))
        made.workspace().join(Recorder())
        told = await client.request(ListSessions(), timeout=100)
        assert isinstance(told, Sessions)
        assert (told.total, told.sessions[0].workspace) == (1, "w")
        assert (await refused(client, ListSessions(workspace="nope"))).remote_code == "WORKSPACE_UNKNOWN"
        error = await refused(client, EndSession(id="0" * 12))
        assert (error.remote_code, error.advice) == ("SESSION_UNKNOWN", "`hubctl sessions` lists those that there are.")


async def test_server_of_ones_own(tmp_path: Path) -> None:
    """A call opens a per-client server for itself, which has nobody to ask, and closes it."""

    async def ask(channel: Any) -> dict[str, Any]:
        answer = await channel.ask("roots/list")
        channel.notify("notifications/message", {"level": "info", "data": "x"})
        return {"content": [], "answer": answer["error"]["code"]}

    server = FakeServer(tools={"ask": ask})
    async with bridged(tmp_path, server) as (made, client):
        made.put(server.spec("a", session="per_client"), space("a"))
        answer = await client.request(Call(workspace="w", tool="a_ask"), timeout=100)
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
        await client.request(Restart(key="a"), timeout=100)
        await one.connected(2)
        assert len(two.channels) == 1
        assert (await refused(client, Restart(key="nope"))).remote_code == "SERVER_UNKNOWN"


async def test_logs(tmp_path: Path) -> None:
    """The newest records, of all or of one server."""
    async with bridged(tmp_path) as (_, client):
        records = await client.request(Logs(server="a"), timeout=100)
        assert isinstance(records, LogRecords)
        assert [record["message"] for record in records.records] == ["hello"]
        records = await client.request(Logs(server="b"), timeout=100)
        assert isinstance(records, LogRecords)
        assert records.records == ()
