"""The pool: what upstreams of one origin share, and what they do not."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bridge.models import RemoteLaunch
from sidecar.channels import connections as module
from sidecar.channels.connections import Connections
from sidecar.channels.remote import open_remote
from sidecar.errors import Unreachable
from tests.integration.channels.peers import Client, Exchange, Transport, scripted, serving
from tests.integration.channels.test_oddities import answer, silence
from tests.support.counting import counting


@asynccontextmanager
async def opened(connections: Connections, url: str, transport: Transport, **headers: str) -> AsyncIterator[Client]:
    """A client on a channel whose connections are the pool's."""
    client = Client()
    launch = RemoteLaunch(url=url, headers=headers)
    async with open_remote(
        launch, on_frame=client.on_frame, transport=transport, connections=connections
    ) as client.channel:
        yield client


async def test_twenty_share_connections() -> None:
    """Twenty upstreams of a server without sessions, each with calls, make do with one connection at a time."""
    async with (
        serving("http", "json", "stateless") as server,
        counting(server.port) as proxy,
        Connections() as connections,
        contextlib.AsyncExitStack() as stack,
    ):
        for index in range(20):
            client = await stack.enter_async_context(opened(connections, proxy.url, "http"))
            await client.handshake()
            assert await client.call("echo", text=f"t{index}") == f"t{index}"
        assert proxy.most == 1
        assert len(connections._pools) == 1


async def test_streams_are_beside() -> None:
    """Each session's stream takes a connection of its own; the calls of all still share."""
    async with (
        serving("http") as server,
        counting(server.port) as proxy,
        Connections() as connections,
        contextlib.AsyncExitStack() as stack,
    ):
        for index in range(20):
            client = await stack.enter_async_context(opened(connections, proxy.url, "http"))
            await client.handshake()
            notice = asyncio.ensure_future(client.notices.get())
            while not notice.done():  # the stream is opened in the background
                await client.call("announce")
                await asyncio.wait([notice], timeout=0.05)
            assert await client.call("echo", text=f"t{index}") == f"t{index}"
        assert 20 < proxy.most <= 25


@pytest.mark.parametrize("transport", ["sse", "http"])
async def test_the_end_of_one_is_not_the_others(transport: Transport) -> None:
    """A channel that closes takes neither the stream nor the calls of another with it."""
    async with serving(transport) as server, Connections() as connections:
        async with opened(connections, server.url, transport) as staying:
            await staying.handshake()
            hanging = await staying.begin("tools/call", {"name": "hang", "arguments": {"name": "stays"}})
            assert await staying.call("hangs", name="stays") == "hanging"
            async with opened(connections, server.url, transport) as leaving:
                await leaving.handshake()
                await leaving.begin("tools/call", {"name": "hang", "arguments": {"name": "leaves"}})
                assert await leaving.call("hangs", name="leaves") == "hanging"
            notice = asyncio.ensure_future(staying.notices.get())
            while not notice.done():
                await staying.call("announce")
                await asyncio.wait([notice], timeout=0.05)
            assert not staying._answers[hanging].done()
        assert len(connections._pools) == 0


async def test_cookies_and_headers_are_not_shared() -> None:
    """What a server gives to one upstream is sent back by that one alone, over whichever connection."""
    seen: list[tuple[str, str]] = []

    async def script(exchange: Exchange) -> None:
        mine = exchange.headers["x-mine"]
        seen.append((mine, exchange.headers.get("cookie", "")))
        body = '{"jsonrpc":"2.0","id":1,"result":{}}'
        await exchange.reply("200 OK", body, set_cookie=f"who={mine}")

    async with (
        scripted(script) as url,
        Connections() as connections,
        opened(connections, url, "http", **{"x-mine": "a"}) as one,
        opened(connections, url, "http", **{"x-mine": "b"}) as other,
    ):
        for client in (one, other, one, other):
            await client.request("ping")
    assert seen == [("a", ""), ("b", ""), ("a", "who=a"), ("b", "who=b")]


async def test_requests_wait_their_turn_and_nothing_else_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """With all turns taken by calls that hang, a request waits; streams, listening and notices do not."""
    monkeypatch.setattr(module, "MAX_REQUESTS", 2)
    arrived: asyncio.Queue[str] = asyncio.Queue()

    async def script(exchange: Exchange) -> None:
        frame = json.loads(exchange.body) if exchange.body else {"method": exchange.method}
        arrived.put_nowait(frame["method"])
        if frame["method"] in ("hang", "subscriptions/listen", "GET"):
            await silence(exchange)
        if "id" not in frame:
            await exchange.reply("202 Accepted")
        else:
            headers = {"mcp_session_id": "s"} if frame["method"] == "initialize" else {}
            await exchange.reply("200 OK", answer(exchange), **headers)

    async with (
        scripted(script) as url,
        Connections() as connections,
        opened(connections, url, "http") as one,
        opened(connections, url, "http") as other,
    ):
        await one.handshake()
        assert {await arrived.get() for _ in range(3)} == {"initialize", "notifications/initialized", "GET"}
        hanging = [await one.begin("hang", {}) for _ in range(2)]
        assert [await arrived.get() for _ in range(2)] == ["hang", "hang"]
        waiting = await other.begin("late", {})
        await other.begin("subscriptions/listen", {})
        assert await arrived.get() == "subscriptions/listen"
        params = {"requestId": hanging[0]}
        await one.channel.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})
        assert [await arrived.get() for _ in range(2)] == ["notifications/cancelled", "late"]
        assert "result" in await other.answer(waiting)


async def test_proxies_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are used as before, unless the host is exempt; one that cannot be used is said to be the reason."""
    asked: list[str] = []

    async def proxy(exchange: Exchange) -> None:
        asked.append(exchange.target)
        await exchange.reply("200 OK", '{"jsonrpc":"2.0","id":1,"result":{}}')

    for name in ("no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    async with scripted(proxy) as url, Connections() as connections:
        monkeypatch.setenv("http_proxy", url.removeprefix("http://"))
        async with opened(connections, "http://server.invalid/mcp", "http") as client:
            assert (await client.request("ping"))["result"] == {}
        assert asked == ["http://server.invalid/mcp"]
        monkeypatch.setenv("no_proxy", "server.invalid")
        async with opened(connections, "http://server.invalid/mcp", "http") as client:
            await client.begin("initialize", {})
            assert isinstance(await client.channel.wait_closed(), Unreachable)
        assert len(asked) == 1
        monkeypatch.setenv("http_proxy", "gopher://x")
        with pytest.raises(Unreachable, match="proxy"):
            async with opened(connections, "http://other.invalid/mcp", "http"):
                pass
        assert len(connections._pools) == 0


async def test_the_owner_closes_what_is_left() -> None:
    """At the end no pool is left open, whoever still holds a client."""
    async with Connections() as connections:
        held = connections.client(RemoteLaunch(url="http://127.0.0.1:1/"))
        await held.__aenter__()
        assert len(connections._pools) == 1
    assert len(connections._pools) == 0
    await held.__aexit__(None, None, None)
