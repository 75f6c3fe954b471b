"""Remote servers behind a workspace: over WebSocket, restarted, and by many sessions over few connections."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from mcp.shared.exceptions import MCPError

from bridge.models import RemoteLaunch, ServerSettings, ServerSpec
from tests.integration.channels.peers import Process, serving
from tests.support import clients, sidecar
from tests.support.counting import counting
from tests.support.hub import Hub, running
from tests.support.peers import Transport
from tests.support.sidecar import Sidecar
from tests.support.yamcp import remote

pytestmark = pytest.mark.asyncio(loop_scope="module")

BOTH = pytest.mark.parametrize("transport", ["sse", "http"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[Process]:
    """A WebSocket server for all tests here."""
    async with serving("websocket") as process:
        yield process


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole(server: Process) -> AsyncIterator[Hub]:
    """A hub that has it from providers.json."""
    async with running({"r": remote("r", server.url)}, {"w": ["r"]}) as hub:
        yield hub


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub() -> AsyncIterator[Sidecar]:
    """A sidecar for all tests here; each has a workspace `w` of its own."""
    async with sidecar.running() as running:
        yield running


@BOTH
@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_websocket_server_as_yamcp_has_it(whole: Hub, transport: Transport, mode: clients.Mode) -> None:
    """An entry with its address in providers.json is enough, for clients of both eras and transports."""
    hub = whole
    async with clients.sdk(hub.http("w"), transport, mode) as client:
        status = await hub.server("r")
        assert (status.state, status.transport, status.pids) == ("ready", "websocket", ())
        assert (await client.call_tool("r_echo", {"text": "x"})).content[0].text == "x"  # type: ignore[union-attr]
        many = [client.call_tool("r_echo", {"text": f"t{index}"}) for index in range(20)]
        found = [answer.content[0].text for answer in await asyncio.gather(*many)]  # type: ignore[union-attr]
        assert found == [f"t{index}" for index in range(20)]


@BOTH
@pytest.mark.parametrize("era", ["legacy", "modern"])
@pytest.mark.parametrize("session", ["shared", "per_client"])
async def test_a_websocket_server_that_is_restarted(
    hub: Sidecar, server: Process, transport: Transport, era: str, session: str
) -> None:
    """The call under way fails, the session stays, and its next call is answered by the server that came back."""
    spec = _spec(server.url, era=era, session=session)
    await hub.put(spec, sidecar.workspace("w", spec))
    async with clients.sdk(hub.http("w"), transport, "legacy") as client:
        assert not (await client.call_tool("r_echo", {"text": "start it"})).is_error
        hanging = asyncio.create_task(client.call_tool("r_hang", {"name": "h"}))
        await client.call_tool("r_hangs", {"name": "h"})
        await server.kill()
        with pytest.raises(MCPError, match="broke the connection"):
            await hanging
        await server.start()
        assert await _works_again(client)
        assert (await hub.server("r")).state == "ready" if session == "shared" else True
    await hub.remove("w")


def _spec(url: str, **settings: str) -> ServerSpec:
    return ServerSpec(
        key="r", namespace="r", launch=RemoteLaunch(url=url), settings=ServerSettings.model_validate(settings)
    )


async def _works_again(client: clients.mcp.Client) -> bool:
    """Whether a call is answered, as soon as the hub has reconnected; until then calls fail, soon at once."""
    async with asyncio.timeout(100):
        while True:
            with contextlib.suppress(MCPError):
                return not (await client.call_tool("r_echo", {"text": "x"})).is_error
            await asyncio.sleep(0.1)


async def _twenty(hub: Sidecar, server: Process, most: int) -> None:
    async with counting(server.port) as proxy:
        spec = _spec(proxy.url, session="per_client")
        await hub.put(spec, sidecar.workspace("w", spec))
        async with contextlib.AsyncExitStack() as stack:
            connected = []
            for index in range(20):
                client = await stack.enter_async_context(clients.sdk(hub.http("w"), "sse", "legacy"))
                connected.append(client)
                assert not (await client.call_tool("r_echo", {"text": f"t{index}"})).is_error
            assert (await hub.server("r")).instances == 20
            assert proxy.most <= most
            answers = await asyncio.gather(*(client.call_tool("r_echo", {"text": "all"}) for client in connected))
            assert not any(answer.is_error for answer in answers)
        await hub.remove("w")


async def test_twenty_sessions_share_connections(hub: Sidecar) -> None:
    """A server of twenty `per_client` upstreams sees a few connections, not a few for each."""
    async with serving("http", "json", "stateless") as server:
        await _twenty(hub, server, 10)


async def test_streams_of_twenty_sessions_do_not_starve_their_calls(hub: Sidecar) -> None:
    """With a stream for each session open, the calls of all share what is left."""
    async with serving("http") as server:
        await _twenty(hub, server, 31)  # one of which was asked for its instructions
