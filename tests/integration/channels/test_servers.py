"""Channels to real FastMCP servers, which come, go, and come back."""

from __future__ import annotations

import asyncio

import pytest
import pytest_asyncio

from sidecar.errors import ConnectionLost
from tests.integration.channels.peers import Process, Transport, connected, detected, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["sse", "http", "http json", "websocket"])
async def server(request: pytest.FixtureRequest):  # type: ignore[no-untyped-def]
    """A server of each kind."""
    transport, *options = request.param.split()
    async with serving(transport, *options) as process:
        yield process


async def test_handshake_and_calls(server: Process) -> None:
    """Frames come and go as they are, many at once."""
    async with connected(server.url, server.transport) as client:
        assert (await client.handshake())["result"]["serverInfo"]["name"] == "remote"
        tools = (await client.request("tools/list"))["result"]["tools"]
        assert "echo" in {tool["name"] for tool in tools}
        answers = await asyncio.gather(*(client.call("echo", text=f"t{index}") for index in range(30)))
        assert answers == [f"t{index}" for index in range(30)]
        assert (client.channel.transport, client.channel.pids, client.channel.stderr()) == (server.transport, (), ())
    with pytest.raises(ConnectionLost):
        await client.channel.send({"jsonrpc": "2.0", "method": "notifications/x"})


async def test_large_results(server: Process) -> None:
    """A result of several megabytes passes whole, as it does not through the SDK's SSE client (1 MiB)."""
    text = "ü" * 2_000_000
    async with connected(server.url, server.transport) as client:
        await client.handshake()
        assert await client.call("echo", text=text) == text


async def test_errors_are_answers(server: Process) -> None:
    """An error of the server is passed on as it is."""
    async with connected(server.url, server.transport) as client:
        await client.handshake()
        assert (await client.request("no/such"))["error"]["code"] == -32601


async def test_configured_and_per_message_headers(server: Process) -> None:
    """The launch's headers go with every message, a message's own with it alone."""
    async with connected(server.url, server.transport, Authorization="Bearer abc") as client:
        await client.handshake()
        assert await client.call("header", name="authorization") == "Bearer abc"
        if server.transport == "websocket":  # a message has none there
            return
        params = {"name": "header", "arguments": {"name": "x-one"}}
        once = await client.answer(await client.begin("tools/call", params, {"x-one": "1"}))
        assert once["result"]["content"][0]["text"] == "1"
        assert await client.call("header", name="x-one") == ""


async def test_progress(server: Process) -> None:
    """Notifications that belong to a call come before its answer; a JSON response has no place for them."""
    async with connected(server.url, server.transport) as client:
        await client.handshake()
        params = {"name": "steps", "arguments": {"count": 3}, "_meta": {"progressToken": "p"}}
        await client.request("tools/call", params)
        told = [client.notices.get_nowait()["params"]["progress"] for _ in range(client.notices.qsize())]
        assert told == ([] if "json" in server.options else [1, 2, 3])


async def test_notices_beside_calls(server: Process) -> None:
    """list_changed reaches the client on the session's own stream."""
    async with connected(server.url, server.transport) as client:
        await client.handshake()
        notice = asyncio.ensure_future(client.notices.get())
        while not notice.done():  # the stream of the session is opened in the background
            await client.call("announce")
            await asyncio.wait([notice], timeout=0.05)
        assert notice.result()["method"] == "notifications/tools/list_changed"


async def test_legacy_cancellation(server: Process) -> None:
    """The notification reaches the server."""
    async with connected(server.url, server.transport) as client:
        await client.handshake()
        name = f"legacy-{server.transport}"
        hanging = await client.begin("tools/call", {"name": "hang", "arguments": {"name": name}})
        assert await client.call("hangs", name=name) == "hanging"
        params = {"requestId": hanging}
        await client.channel.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})
        assert await client.call("is_cancelled", name=name) == "cancelled"


async def test_modern_era(server: Process) -> None:
    """The era without handshake works over both transports, and so does cancelling there."""
    async with connected(server.url, server.transport) as client:
        found = await client.answer(await client.begin_modern("server/discover", {}))
        assert "2026-07-28" in found["result"]["supportedVersions"]
        name = f"modern-{server.transport}"
        hanging = await client.begin_modern("tools/call", {"name": "hang", "arguments": {"name": name}}, "hang")
        hangs = {"name": "hangs", "arguments": {"name": name}}
        assert "result" in await client.answer(await client.begin_modern("tools/call", hangs, "hangs"))
        for _ in range(2):  # the second comes too late, and must not be posted either
            params = {"requestId": hanging}
            await client.channel.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})
        if "json" not in server.options:  # there, the server does not look whether the client is still there
            ended = {"name": "is_cancelled", "arguments": {"name": name}}
            assert "result" in await client.answer(await client.begin_modern("tools/call", ended, "is_cancelled"))


async def test_detection(server: Process) -> None:
    """What a URL speaks is found out."""
    assert await detected(server.url) == server.transport


@pytest.mark.parametrize("options", [(), ("json", "stateless")])
async def test_streamable_without_sessions(options: tuple[str, ...]) -> None:
    """A stateless server has no session to end, and no stream of its own."""
    async with serving("http", "stateless", *options) as server, connected(server.url, "http") as client:
        await client.handshake()
        assert await client.call("echo", text="x") == "x"


@pytest.mark.parametrize("transport", ["sse", "websocket"])
async def test_a_server_dies_and_comes_back(transport: Transport) -> None:
    """The end of the stream closes the channel; a new channel works when the server is back."""
    async with serving(transport) as server:
        async with connected(server.url, transport) as client:
            await client.handshake()
            await server.kill()
            lost = await client.channel.wait_closed()
            assert isinstance(lost, ConnectionLost)
            assert "127.0.0.1" in lost.message
        await server.start()
        async with connected(server.url, transport) as client:
            await client.handshake()


async def test_streamable_server_dies() -> None:
    """A call under way gets an error; the next finds nobody there and closes the channel."""
    async with serving("http") as server, connected(server.url, "http") as client:
        await client.handshake()
        hanging = await client.begin("tools/call", {"name": "hang", "arguments": {"name": "dies"}})
        assert await client.call("hangs", name="dies") == "hanging"
        await server.kill()
        assert (await client.answer(hanging))["error"]["data"]["code"] == "SERVER_CONNECTION_LOST"
        await client.begin("tools/list", {})
        assert isinstance(await client.channel.wait_closed(), ConnectionLost)


@pytest.mark.parametrize("calls", [True, False])
async def test_streamable_server_forgets_the_session(calls: bool) -> None:
    """A server that came back answers 404: the channel closes, at the next call or when the stream is opened again."""
    async with serving("http") as server, connected(server.url, "http") as client:
        await client.handshake()
        notice = asyncio.ensure_future(client.notices.get())
        while not notice.done():
            await client.call("announce")
            await asyncio.wait([notice], timeout=0.05)
        await server.kill()
        await server.start()
        if calls:
            await client.begin("tools/list", {})
        lost = await client.channel.wait_closed()
        assert isinstance(lost, ConnectionLost)
        assert "ended the session" in lost.message


@pytest.mark.parametrize("transport", ["sse", "http", "websocket"])
async def test_reconnecting_leaves_nothing_behind(transport: Transport) -> None:
    """Channels are opened and closed in one task, with calls under way, and leave no task."""
    async with serving(transport) as server:
        before = asyncio.all_tasks()
        for _ in range(5):
            async with connected(server.url, transport) as client:
                await client.handshake()
                await client.begin("tools/call", {"name": "hang", "arguments": {"name": "x"}})
        assert asyncio.all_tasks() == before
