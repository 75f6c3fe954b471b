"""What a server sends by itself reaches its client in the order in which it was written, cancellations with reasons."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_server import FakeServer, Gate, within
from tests.support.inprocess import space, world
from tests.support.peers import Json, SsePeer, client, connected

pytestmark = pytest.mark.outside

TRANSPORTS = pytest.mark.parametrize("transport", ["sse", "http"])
FORM = {"message": "?", "requestedSchema": {"type": "object", "properties": {}}}


class Listener(SsePeer):
    """A client that keeps what it is asked among its notes, and answers nothing."""

    async def _received(self, frame: Json) -> None:
        if "method" in frame and "id" in frame:
            self._note(frame)
        else:
            await super()._received(frame)


def told(notes: list[Json]) -> list[Any]:
    """What came: data of log messages, methods of requests and of cancellations."""
    return [note.get("params", {}).get("data") or note["method"].rpartition("/")[2] for note in notes]


async def burst(server: FakeServer, notes: list[Json], arrived: asyncio.Event) -> None:
    """A server writes at once: a message, a question, a message, two questions, a message, and takes one back."""
    channel = server.channels[-1]
    channel.notify("notifications/message", {"level": "info", "data": "one"})
    channel.push({"jsonrpc": "2.0", "id": "q1", "method": "elicitation/create", "params": FORM})
    channel.notify("notifications/message", {"level": "info", "data": "two"})
    channel.push({"jsonrpc": "2.0", "id": "q2", "method": "roots/list"})
    channel.push({"jsonrpc": "2.0", "id": "q3", "method": "roots/list"})
    channel.notify("notifications/message", {"level": "info", "data": "three"})
    channel.notify("notifications/cancelled", {"requestId": "q2", "reason": "no need any more"})
    channel.notify("notifications/cancelled", {"requestId": "q3"})
    while len(found := [note for note in notes if not note["method"].endswith("list_changed")]) < 8:
        arrived.clear()
        await within(arrived.wait())
    assert told(found) == ["one", "create", "two", "list", "list", "three", "cancelled", "cancelled"]
    second, third = (note["id"] for note in found if note["method"] == "roots/list")
    assert [note["params"] for note in found[-2:]] == [
        {"requestId": second, "reason": "no need any more"},
        {"requestId": third},
    ]


@TRANSPORTS
async def test_order_and_reasons(tmp_path: Path, transport: Any) -> None:
    """Over both transports; a Streamable HTTP client that has nothing under way gets all of it on its GET stream."""
    server = FakeServer()
    async with world(tmp_path, server, serve=True) as made:
        made.put(server.spec("a", session="per_client"), space("a"))
        await made.settled()
        base = f"{made.base}/mcp/w"
        if transport == "http":
            async with connected(base, "http", "legacy", {"roots": {}, "elicitation": {}}) as peer:
                await peer.request("tools/list")
                await burst(server, peer.notes, peer.arrived)
            return
        async with client() as http:
            listener = Listener(http, f"{base}/sse", "legacy", {"roots": {}, "elicitation": {}})
            reader = asyncio.create_task(listener.read())
            await listener.greet()
            await listener.request("tools/list")
            try:
                await burst(server, listener.notes, listener.arrived)
            finally:
                reader.cancel()
                await asyncio.wait([reader])


@TRANSPORTS
@pytest.mark.parametrize("mode", ["shared", "per_client"])
async def test_the_clients_reason(tmp_path: Path, transport: Any, mode: str) -> None:
    """Why a client cancels is told to the server, in the client's words if it gave any."""
    gate = Gate()
    server = FakeServer(tools={"gate": gate})
    async with world(tmp_path, server, serve=True) as made:
        made.put(server.spec("a", session=mode), space("a"))
        await made.settled()
        async with connected(f"{made.base}/mcp/w", transport, "legacy") as peer:
            sessions: dict[str, Any] = made.sse._sessions if transport == "sse" else made.http._sessions
            for number, reason in enumerate(({"reason": "enough"}, {}), 1):
                call = asyncio.create_task(peer.request("tools/call", {"name": "a_gate"}))
                await gate.reached(number)
                (session,) = sessions.values()
                (request_id,) = session.running
                await peer.notify("notifications/cancelled", {"requestId": request_id, **reason})
                assert (await within(call)).answer["error"]["code"] == -32800
                cancelled = await server.channel.sent("notifications/cancelled", number)
                assert cancelled["params"]["reason"] == reason.get("reason", "cancelled by the client")
