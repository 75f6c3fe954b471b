"""A protected hub behind a reverse proxy that is set up as examples/proxy says."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import fastmcp
import httpx2
import pytest
import pytest_asyncio
from fastmcp.client.transports import SSETransport, StreamableHttpTransport
from websockets.asyncio.client import connect

from tests.integration.proxies.proxies import HOST, KINDS, Proxy, Resolved, cookie_of, program, proxy
from tests.support.hub import free_port
from tests.support.peers import HttpPeer, SsePeer, Transport
from tests.support.run import Run, prepared
from tests.support.yamcp import mock, write_in_place

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN = "token-of-a-hub-that-stands-behind-a-proxy"
EVERY = pytest.mark.parametrize("transport", ["sse", "http"])
LONG = 50
"""Seconds that a call lasts whose first progress has to arrive at once; nobody waits for them."""


@dataclass(frozen=True)
class Place:
    """A hub, and the proxy before it."""

    hub: Run
    proxy: Proxy

    def wrong_tokens(self) -> set[str]:
        """The addresses whose wrong tokens the front has logged."""
        lines = (self.hub.root / "data/logs/front.log").read_text().splitlines(keepends=True)
        return {json.loads(line)["address"] for line in lines if "wrong token" in line and line.endswith("\n")}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=sorted(KINDS))
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    """With a workspace `dev` of one server; the hub knows its public address, and whom it may believe."""
    program(request.param)
    port = free_port()
    settings = {"HUB_TOKEN": TOKEN, "HUB_PUBLIC_URL": f"https://{HOST}:{port}", "HUB_TRUSTED_PROXIES": "127.0.0.1"}
    async with prepared(**settings) as hub:
        (hub.root / "yamcp").mkdir()
        write_in_place(hub.root / "yamcp/workspaces.json", {"dev": ["m"]})
        write_in_place(hub.root / "yamcp/providers.json", {"m": mock("m")})
        await hub.start()
        await hub.until("Streamable HTTP")
        async with proxy(request.param, hub.root / request.param, port, hub.port) as before:
            yield Place(hub, before)
            assert TOKEN not in before.written()
        assert (await hub.end(signal.SIGTERM))[0] == 0


@EVERY
async def test_a_client_works_through_it(place: Place, transport: Transport) -> None:
    """FastMCP's client with a token in its header lists tools and calls them, at the public address."""
    async with client(place.proxy, transport) as mcp:
        assert "m_echo" in {tool.name for tool in await mcp.list_tools()}
        answers = await asyncio.gather(*(mcp.call_tool("m_echo", {"text": str(n)}) for n in range(20)))
        assert [answer.content[0].text for answer in answers] == [str(n) for n in range(20)]
        big = await mcp.call_tool("m_echo", {"text": "ü" * 400_000})
        assert len(big.content[0].text) == 400_000


def client(proxy: Proxy, transport: Transport) -> fastmcp.Client[Any]:
    """FastMCP's, with the token."""

    def factory(headers: Any = None, timeout: Any = None, auth: Any = None, **_: Any) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(headers=headers, timeout=timeout, auth=auth, transport=Resolved(verify=proxy.trust))

    headers = {"Authorization": f"Bearer {TOKEN}"}
    base = f"{proxy.url}/mcp/dev"
    if transport == "sse":
        return fastmcp.Client(SSETransport(f"{base}/sse", headers=headers, httpx_client_factory=factory))
    return fastmcp.Client(StreamableHttpTransport(base, headers=headers, httpx_client_factory=factory))


@EVERY
async def test_events_arrive_while_the_call_lasts(place: Place, transport: Transport) -> None:
    """The first progress of a call is there while its answer is not: nothing on the way holds events back."""
    async with peer(place.proxy, transport) as one:
        params = {"name": "m_chatty", "arguments": {"count": 2, "delay": LONG}, "_meta": {"progressToken": "p"}}
        call = asyncio.create_task(one.request("tools/call", params))
        note = await one.wait_note("notifications/progress")
        assert (note["params"]["progress"], call.done()) == (1, False)
        call.cancel()
        await asyncio.wait([call])


@EVERY
async def test_streams_hear_of_what_others_do(place: Place, transport: Transport) -> None:
    """A stream that nobody asked anything on is told of a change that another client makes, again and again."""
    async with peer(place.proxy, transport) as one, client(place.proxy, "http") as other:
        for number in range(3):
            since = len(one.notes)
            await other.call_tool("m_change_tools", {"name": f"more{number}"})
            await one.wait_note("notifications/tools/list_changed", since)


@contextlib.asynccontextmanager
async def peer(proxy: Proxy, transport: Transport) -> AsyncIterator[SsePeer | HttpPeer]:
    """A client that hides nothing, its stream open."""
    async with proxy.client(TOKEN) as http:
        if transport == "sse":
            one: SsePeer | HttpPeer = SsePeer(http, f"{proxy.url}/mcp/dev/sse", "legacy")
            reader = asyncio.create_task(one.read())  # type: ignore[call-arg]
            await one.greet()
        else:
            one = HttpPeer(http, f"{proxy.url}/mcp/dev", "legacy")
            await one.greet()
            opened = asyncio.Event()
            reader = asyncio.create_task(one.read(opened))
            await opened.wait()
        try:
            yield one
        finally:
            reader.cancel()
            await asyncio.wait([reader])


async def test_a_browser_logs_in_and_stays_connected(place: Place) -> None:
    """The link of `hubctl token` gives a cookie for HTTPS alone; with it pages and the live connection work."""
    out = json.loads((await place.hub.hubctl("token", "--json"))[1])
    assert out["url"] == f"{place.proxy.url}/?token={TOKEN}"
    page = {"accept": "text/html"}
    async with place.proxy.client() as browser:
        reply = await browser.get("/hub/", headers=page)
        assert (reply.status_code, reply.headers["location"]) == (302, "/login?next=%2Fhub%2F")
        assert (await browser.get("/login", headers=page)).status_code == 200
        reply = await browser.get(f"/?token={TOKEN}", headers=page)
        path, secret = reply.headers["location"].split("#hub_page=")
        assert (reply.status_code, path) == (302, "/")
        name, value, attributes = cookie_of(reply)
        assert name == f"yamcp_hub_{place.proxy.port}"
        assert {"secure", "httponly", "samesite=lax"} <= attributes
        own = {"cookie": f"{name}={value}", "x-hub-page": secret, "origin": place.proxy.url}
        assert (await browser.get("/hub/", headers=own | page)).status_code == 200
        reply = await browser.post("/api/hub/reload", headers=own, json={})
        assert reply.status_code == 200, reply.text
    for headers, origin in ((own, place.proxy.url), ({"authorization": f"Bearer {TOKEN}"}, None)):
        headers.pop("origin", None)
        async with live(place.proxy, headers, origin) as socket:
            assert "state" in json.dumps(json.loads(await socket.recv()))


def live(proxy: Proxy, headers: dict[str, str], origin: Any) -> Any:
    """The pages' WebSocket."""
    return connect(
        f"{proxy.url.replace('https', 'wss')}/api/hub/live",
        host="127.0.0.1", port=proxy.port, ssl=proxy.trust, server_hostname=HOST,
        origin=origin, additional_headers=headers, proxy=None,
    )  # fmt: skip


async def test_who_has_no_token_gets_nothing(place: Place) -> None:
    """Health without names and the login page: that is all; the answer to another page's name is not the hub's."""
    async with place.proxy.client() as nobody:
        assert (await nobody.get("/healthz")).json() == {"status": "ok"}
        for path in ("/mcp/dev/sse", "/mcp/dev", "/api/hub/state", "/status", "/metrics"):
            assert (await nobody.get(path)).status_code == 401
        for path in ("/login", "/healthz", "/api/hub/state"):
            reply = await nobody.get(path, headers={"host": "evil.example"})
            assert reply.content == b"" or (reply.status_code == 403 and '"HOST_REFUSED"' in reply.text)
        reply = await nobody.get("/api/hub/state", headers={"origin": "https://evil.example"})
        assert reply.status_code in (401, 403)


async def test_wrong_tokens_count_by_the_clients_address(place: Place) -> None:
    """Ten from one address: it has to wait, whatever it says of itself; others by the same proxy have not."""
    async with place.proxy.client("wrong-token", "127.0.0.2") as one, place.proxy.client("wrong", "127.0.0.3") as other:
        said = [(await one.get("/mcp/dev")).status_code for _ in range(11)]
        assert said == [401] * 10 + [429]
        reply = await one.get("/mcp/dev", headers={"x-forwarded-for": "192.0.2.7"})
        assert reply.status_code == 429
        assert 0 < int(reply.headers["retry-after"]) <= 60
        assert (await other.get("/mcp/dev")).status_code == 401
    async with place.proxy.client(TOKEN) as right:
        assert (await right.get("/api/hub/state")).status_code == 200
    while (addresses := place.wrong_tokens()) != {"127.0.0.2", "127.0.0.3"}:  # its lines pass through supervisord
        assert addresses < {"127.0.0.2", "127.0.0.3"}
        await asyncio.sleep(0.05)


async def test_a_large_request_is_refused(place: Place) -> None:
    """What is larger than HUB_MAX_BODY_BYTES is told so, by the proxy or by the hub."""
    async with place.proxy.client(TOKEN) as http:
        reply = await http.post(
            "/mcp/dev", content=b" " * (4 * 1024 * 1024 + 1), headers={"content-type": "application/json"}
        )
        assert reply.status_code == 413
