"""Calls of the hub's tools over HTTP: who leaves, servers of one client alone, and what the history keeps."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bridge.logs import JsonFormatter
from bridge.models import Call
from recorder.spool import calls_of
from sidecar.audit.writer import AuditWriter
from sidecar.observe.log_buffer import LogBuffer
from tests.integration.hub_tools.test_fan_out import outcomes
from tests.support.fake_server import FakeServer, Gate, Json, text, until
from tests.support.inprocess import World, space, world
from tests.support.peers import HttpPeer, SsePeer, connected
from tests.unit.sidecar.audit.test_writer import lines

WAYS = [("sse", "legacy"), ("http", "legacy"), ("http", "modern")]
OPEN = 4
"""Calls that are open when the client gives up."""


async def put(hub: World, server: FakeServer, **settings: Any) -> None:
    """Serve it in a workspace with the hub's tools."""
    hub.put(server.spec(**settings), space(server.name, hub_tools=True))
    await hub.settled()


def fan_out(peer: SsePeer | HttpPeer, *names: str) -> asyncio.Task[Any]:
    """Begin a fan-out."""
    arguments = {"calls": [{"name": name} for name in names]}
    return asyncio.create_task(peer.request("tools/call", {"name": "hub_call_many", "arguments": arguments}))


async def cancel(peer: SsePeer | HttpPeer, task: asyncio.Task[Any]) -> None:
    """As a legacy client does: the handshake was request 1, the fan-out is request 2."""
    await peer.notify("notifications/cancelled", {"requestId": "id-2"})


async def delete(peer: SsePeer | HttpPeer, task: asyncio.Task[Any]) -> None:
    """End the session."""
    assert isinstance(peer, HttpPeer)
    await peer.http.delete(peer.url, headers=peer.headers)


async def hang_up(peer: SsePeer | HttpPeer, task: asyncio.Task[Any]) -> None:
    """Close the response of the request, which a modern client cancels by."""
    task.cancel()


async def leave(peer: SsePeer | HttpPeer, task: asyncio.Task[Any]) -> None:
    """Nothing more: the test closes all connections."""


@pytest.mark.parametrize(
    ("transport", "era", "give_up"),
    [
        ("sse", "legacy", cancel),
        ("sse", "legacy", leave),
        ("http", "legacy", cancel),
        ("http", "legacy", delete),
        ("http", "modern", hang_up),
    ],
    ids=["sse-cancel", "sse-leave", "http-cancel", "http-delete", "modern-hang-up"],
)
async def test_who_gives_up_cancels_every_open_call(tmp_path: Path, transport: Any, era: Any, give_up: Any) -> None:
    """At its server, each by its id; the next fan-out finds all places free."""
    gate = Gate()
    async with world(tmp_path, server := FakeServer("s", tools={"wait": gate}), serve=True) as hub:
        await put(hub, server, max_inflight=OPEN)
        async with connected(f"{hub.base}/mcp/w", transport, era) as peer:
            task = fan_out(peer, *["s_wait"] * OPEN)
            await gate.reached(OPEN)
            await give_up(peer, task)
            if give_up is not leave:
                await server.channel.sent("notifications/cancelled", OPEN)
        task.cancel()
        await server.channel.sent("notifications/cancelled", OPEN)
        begun = {each["id"] for each in server.channel.got("tools/call")}
        ended = {each["params"]["requestId"] for each in server.channel.got("notifications/cancelled")}
        assert begun == ended and len(begun) == OPEN
        await asyncio.wait([task])
        gate.open()
        async with connected(f"{hub.base}/mcp/w", transport, era) as peer:
            assert outcomes((await fan_out(peer, *["s_wait"] * OPEN)).result) == ["ok"] * OPEN


@pytest.mark.parametrize(("transport", "era"), WAYS)
async def test_a_server_of_each_client_alone(tmp_path: Path, transport: Any, era: Any) -> None:
    """All calls of a fan-out go to the caller's own connection to a `per_client` server."""

    def which(channel: Any, frame: Json) -> Json:
        return text(str(server.channels.index(channel)))

    server = FakeServer("s", tools={"which": which})
    async with world(tmp_path, server, serve=True) as hub:
        await put(hub, server, session="per_client")
        seen: list[set[str]] = []
        for _ in range(2):
            async with connected(f"{hub.base}/mcp/w", transport, era) as peer:
                calls = (await fan_out(peer, *["s_which"] * 3)).result["structuredContent"]["calls"]
                assert [each["outcome"] for each in calls] == ["ok"] * 3
                seen.append({each["result"]["content"][0]["text"] for each in calls})
        assert [len(each) for each in seen] == [1, 1]
        assert era == "modern" or seen[0] != seen[1]
        await until(lambda: era == "modern" or not server.open)


async def test_calls_over_the_bridge(tmp_path: Path) -> None:
    """As `hubctl call` and the console's explorer make them."""
    async with world(tmp_path, server := FakeServer("s", tools={"go": lambda: text("x")})) as hub:
        await put(hub, server)
        call = hub.api(LogBuffer(JsonFormatter("sidecar"))).handlers()[Call]
        status: Any = await call(Call(workspace="w", tool="hub_status"))
        assert [each["server"] for each in status.result["structuredContent"]["servers"]] == ["s"]
        many: Any = await call(
            Call(workspace="w", tool="hub_call_many", arguments={"calls": [{"name": "s_go"}, {"name": "s_none"}]})
        )
        assert outcomes(many.result) == ["ok", "refused"]


@pytest.mark.parametrize(("transport", "era"), WAYS)
async def test_the_history_keeps_what_belongs_together(tmp_path: Path, transport: Any, era: Any) -> None:
    """A record of each call of a fan-out and of the fan-out itself, all with one correlation id."""
    async with world(tmp_path, server := FakeServer("s", tools={"go": lambda: text("x")}), serve=True) as hub:
        await put(hub, server)
        writer = AuditWriter(tmp_path / "spool", 10**6)
        hub.hub.admission.add_observer(writer.observer)
        async with connected(f"{hub.base}/mcp/w", transport, era) as peer:
            for _ in range(2):
                await fan_out(peer, "s_go", "s_go")
        await writer.close()
        calls = [each for line in lines(tmp_path / "spool") for each in calls_of(line) if each.method == "tools/call"]
        together: dict[str, list[str]] = {}
        for each in calls:
            together.setdefault(each.correlation, []).append(each.tool)
        assert "" not in together
        assert list(together.values()) == [["go", "go", "hub_call_many"]] * 2
