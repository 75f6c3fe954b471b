"""Two replicas without a load balancer that knows them: each hands the other what is for it (docs/scaling.md).

The replicas run in the test's loop, with a scripted server; in the last test they are processes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import pytest
from pydantic import SecretStr

from bridge.settings import Settings
from sidecar.protocol.eras import CAPABILITIES_KEY, MODERN_VERSION
from sidecar.replicas.signature import PURPOSE, Signed, Signer
from tests.support.fake_server import FakeChannel, until, within
from tests.support.fake_server import text as answered
from tests.support.hub import free_ports, running
from tests.support.raw_client import EVENT_ENDS, INITIALIZE, MODERN, Connection, Way, connected, read, unchunked
from tests.support.replicas import SECRET, WAIT, Replicas, code, text
from tests.support.yamcp import mock

WAYS: list[Way] = ["http", "modern", "sse"]


def idle(replicas: Replicas) -> list[Any]:
    """The idle connections of r1 to r0."""
    layer = replicas.apps[1].forwarding
    assert layer is not None
    return [each for connections in layer._hops._connections.values() for each in connections._idle]


async def test_the_wrong_replica(replicas: Replicas) -> None:
    """It hands over what belongs to a session, in both directions: calls, streams, cancellation and the end."""
    await replicas.start_both()
    for way in WAYS:
        async with replicas.strayed(way) as client:
            for _ in range(3):
                assert text(await client.call("a_who")) == ("r1" if way == "modern" else "r0"), way
    assert len(idle(replicas)) == 1, "the connection to the other replica is kept"
    async with replicas.strayed("http") as client:
        headers = {"mcp_session_id": client.session}
        stream = Connection(*await asyncio.open_connection("127.0.0.1", replicas.ports[1]))
        stream.send("GET", "/mcp/w", **headers)
        assert (await stream.head())["status"] == "200"
        session = replicas.apps[0].streamable._sessions[client.session]
        await until(lambda: session.stream is not None)
        session.notify("notifications/message", {"level": "info", "data": "for r0"})
        assert b"for r0" in b"".join(await stream.until(b"}\r\n\r\n\r\n"))
        waiting = asyncio.create_task(client.ask("tools/call", WAIT))
        await replicas.gate.reached(1)
        other = Connection(*await asyncio.open_connection("127.0.0.1", replicas.ports[1]))
        cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": client._ids}}
        other.send("POST", "/mcp/w", cancelled, **headers)
        assert (await other.head())["status"] == "202"
        assert read(await within(waiting))["error"]["message"] == "Request cancelled"
        other.send("DELETE", "/mcp/w", **headers)
        assert (await other.head())["status"] == "200"
        assert unchunked(b"".join(await stream.until(b"0\r\n\r\n"))).strip() == b"", "the stream ends in order"
        assert session.ended
        for connection in (stream, other):
            connection.writer.close()


async def test_a_client_that_leaves(replicas: Replicas) -> None:
    """Its GET stream ends at the other replica, too."""
    await replicas.start_both()
    async with replicas.strayed("http") as client:
        session = replicas.apps[0].streamable._sessions[client.session]
        client._posts.send("GET", "/mcp/w", mcp_session_id=client.session)
        await client._posts.head()
        await until(lambda: session.stream is not None)
        client._posts.writer.close()
        await until(lambda: session.stream is None)


async def test_a_call_that_asks_its_user(replicas: Replicas) -> None:
    """A modern client resumes the call at the other replica: the name is in the body, in `requestState`."""

    async def ask(channel: FakeChannel) -> Any:
        return answered(json.dumps((await channel.ask("roots/list"))["result"]))

    replicas.server.tools["ask"] = ask
    await replicas.start_both(session="per_client")
    params = {"name": "a_ask", "arguments": {}, "_meta": {**MODERN, CAPABILITIES_KEY: {"roots": {}}}}
    asked = read(await posted(replicas.ports[0], params))["result"]
    assert asked["requestState"].startswith("hub1.r0.")
    answers = {key: {"roots": [{"uri": "file:///here"}]} for key in asked["inputRequests"]}
    params |= {"requestState": asked["requestState"], "inputResponses": answers}
    assert "file:///here" in text(await posted(replicas.ports[1], params))


async def posted(port: int, params: dict[str, Any]) -> list[bytes]:
    """The answer to a call of a modern client, with these params."""
    client = Connection(*await asyncio.open_connection("127.0.0.1", port))
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    headers = {"mcp_protocol_version": MODERN_VERSION, "mcp_method": "tools/call", "mcp_name": params["name"]}
    client.send("POST", "/mcp/w", message, **headers)
    answer = await client.body(await client.head())
    client.writer.close()
    return answer


@pytest.mark.parametrize("session", ["shared", "per_client"])
async def test_a_replica_that_is_gone(replicas: Replicas, session: str) -> None:
    """The other one goes on with its sessions where the servers are shared; else the client is told to start anew."""
    await replicas.start_both(session=session)
    async with replicas.strayed("http") as http, replicas.strayed("sse") as sse:
        await replicas.end(0)
        if session == "shared":
            assert [text(await http.call("a_who")) for _ in range(2)] == ["r1", "r1"]
        else:
            assert code(await http.call("a_who")) == "SESSION_UNKNOWN"
        sse._posts.send("POST", sse._path, {"jsonrpc": "2.0", "id": 1, "method": "ping"})
        head = await sse._posts.head()
        assert head["status"] == "404"
        assert code(await sse._posts.body(head)) == "SESSION_UNKNOWN"
    async with connected(replicas.ports[1], "w", "http") as client:
        assert client.session.startswith("r1.")


async def test_a_connection_that_breaks(replicas: Replicas) -> None:
    """A call that the other replica may have carried out is not sent again."""
    await replicas.start_both()
    async with replicas.strayed("http") as client:
        waiting = asyncio.create_task(client.ask("tools/call", WAIT))
        await replicas.gate.reached(1)
        for connection in replicas.apps[0].http.connections:
            connection.transport.abort()
        assert code(await within(waiting)) == "REPLICA_LOST"
        assert text(await client.call("a_who")) == "r0"


async def test_what_no_replica_has_signed(replicas: Replicas) -> None:
    """A client cannot pass for a replica."""
    await replicas.start_both()
    async with connected(replicas.ports[0], "w", "http") as client:
        client._headers["yamcp_replica"] = "1 r1 r0 0 00 1 - 00"
        assert code(await client.call("a_who")) == "REPLICA_SIGNATURE_INVALID"


async def test_a_stolen_secret() -> None:
    """Who has it gets no further than the credential allows that comes with a request."""
    [port] = free_ports(1)
    variables = {"HUB_REPLICAS": f"r0=http://127.0.0.1:{port}", "HUB_REPLICAS_SECRET": SECRET, "HUB_TOKEN": "t" * 32}
    async with running(
        {"m": mock("m")}, {"w": ["m"]}, front=True, HUB_REPLICA="r0", HUB_PORT=str(port), **variables
    ) as hub:
        key = Settings(replica="r0", replicas=variables["HUB_REPLICAS"], replicas_secret=SecretStr(SECRET)).replica_key(
            PURPOSE
        )
        assert key is not None
        signer = Signer(key, "r1")
        body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE}
        found = []
        for token in ("x" * 32, "t" * 32):
            signed = Signed("POST", b"/mcp/w", json.dumps(body).encode(), f"Bearer {token}".encode())
            asking = Connection(*await asyncio.open_connection("127.0.0.1", hub.settings.port))
            header = signer.sign("r0", "127.0.0.9", signed).decode()
            asking.send("POST", "/mcp/w", body, authorization=f"Bearer {token}", yamcp_replica=header)
            found.append((await asking.head())["status"])
            asking.writer.close()
        assert found == ["401", "200"]


async def test_addresses_that_are_wrong(replicas: Replicas) -> None:
    """A request for r0 that comes to r1 again goes no further."""
    await replicas.start_both()
    layer = replicas.apps[1].forwarding
    assert layer is not None
    layer._addresses.listed["r0"] = layer._addresses.listed["r1"]
    async with replicas.strayed("http") as client:
        assert code(await client.call("a_who")) == "REPLICA_LOOP"


async def test_a_replica_that_is_killed() -> None:
    """What it was answering is told to be lost, and all else goes on at the other one."""
    ports = free_ports(2)
    addresses = ",".join(f"r{number}=http://127.0.0.1:{port}" for number, port in enumerate(ports))
    common = {"HUB_REPLICAS": addresses, "HUB_REPLICAS_SECRET": SECRET}
    async with contextlib.AsyncExitStack() as stack:
        r0, _ = [
            await stack.enter_async_context(
                running({"m": mock("m")}, {"w": ["m"]}, HUB_REPLICA=name, HUB_SIDECAR_PORT=str(port), **common)
            )
            for name, port in zip(("r0", "r1"), ports, strict=True)
        ]
        client = await stack.enter_async_context(connected(ports[0], "w", "http"))
        client._posts = Connection(*await asyncio.open_connection("127.0.0.1", ports[1]))
        stack.callback(client._posts.writer.close)
        busy = {"name": "m_chatty", "arguments": {"count": 100000, "delay": 0.05}, "_meta": {"progressToken": 1}}
        message = {"jsonrpc": "2.0", "id": 99, "method": "tools/call", "params": busy}
        client._posts.send("POST", "/mcp/w", message, mcp_session_id=client.session)
        await client._posts.head()
        await client._posts.until(*EVENT_ENDS)
        await r0.kill("sidecar")
        last = unchunked(b"".join(await within(client._posts.until(b"0\r\n\r\n")))).split(b"data: ")[-1]
        answer = json.loads(last)
        assert (answer["id"], answer["error"]["data"]["code"]) == (99, "REPLICA_LOST")
        call = {"name": "m_echo", "arguments": {"text": "nonce"}}
        assert text(await client.ask("tools/call", call)) == "nonce"
        assert client.session.startswith("r0.")
