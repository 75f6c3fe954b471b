"""Earlier slugs of a workspace, over HTTP: they lead to it, and to nobody's advantage."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.fake_server import FakeServer, until
from tests.support.inprocess import World, space, world
from tests.support.keys import HUB_TOKEN, KeyFile
from tests.support.peers import connected

pytestmark = pytest.mark.outside
CALL = {"name": "a_echo", "arguments": {}}
RENAMED = {"name": "new", "slug": "new", "aliases": ("old",), "earlier_slug": "old-12345678"}


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[World]:
    """A workspace `old`; over HTTP."""
    server = FakeServer()
    async with world(tmp_path, server, serve=True) as made:
        made.put(server.spec("a"), space("a", name="old"))
        await made.settled()
        yield made


@pytest.fixture
def short() -> Iterator[Path]:
    """A directory whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="hub", dir="/tmp") as root:
        Path(root).chmod(0o700)
        yield Path(root)


def rename(hub: World) -> None:
    """Call the workspace `new`, which keeps its old slug as an alias."""
    hub.put(space("a", **RENAMED), without=("old",))


@pytest.mark.parametrize("era", ["legacy", "modern"])
@pytest.mark.parametrize("transport", ["sse", "http"])
@pytest.mark.parametrize("slug", ["old", "old-12345678"])
async def test_a_client_uses_an_earlier_slug_like_the_present_one(
    hub: World, transport: Any, era: Any, slug: str
) -> None:
    """For all of its calls, and in the session of the workspace as it is called now."""
    rename(hub)
    async with connected(f"{hub.base}/mcp/{slug}", transport, era) as peer:
        for _ in range(3):  # the direct way learns the path at the first
            assert "result" in (await peer.request("tools/call", CALL)).answer
        if era == "legacy":
            assert [session.transport for session in hub.workspace("new").clients()] == [transport]


async def test_sessions_of_before_a_rename(hub: World) -> None:
    """Over SSE they are told that their workspace was removed; over Streamable HTTP, to open another session."""
    async with (
        connected(f"{hub.base}/mcp/old", "sse", "legacy") as sse,
        connected(f"{hub.base}/mcp/old", "http", "legacy") as http,
        httpx2.AsyncClient(timeout=100) as client,
    ):
        rename(hub)
        error = (await sse.request("tools/call", CALL)).answer["error"]
        assert error["data"]["code"] == "WORKSPACE_GONE"
        frame = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": CALL}
        response = await client.post(f"{hub.base}/mcp/old", json=frame, headers=http.headers)
        assert (response.status_code, "SESSION_UNKNOWN" in response.text) == (404, True)
    await until(lambda: not hub.hub.departed)


async def test_who_takes_a_slug_gets_its_requests(hub: World) -> None:
    """From then on the other workspace is served there."""
    rename(hub)
    hub.put(space("a", **RENAMED | {"aliases": ()}), space("a", name="old", template="other_{name}"))
    async with connected(f"{hub.base}/mcp/old", "http", "modern") as peer:
        tools = (await peer.request("tools/list")).result["tools"]
    assert {tool["name"].split("_")[0] for tool in tools} == {"other"}


async def test_status_tells_of_aliases(hub: World) -> None:
    """Beside the slug that counts, of which the URLs are made."""
    rename(hub)
    async with httpx2.AsyncClient(timeout=100) as client:
        (found,) = (await client.get(f"{hub.base}/status")).json()["workspaces"]
    assert (found["slug"], found["aliases"], found["http_url"].rsplit("/")[-1]) == ("new", ["old"], "new")


async def test_a_key_opens_by_an_alias_what_it_opens_anyway(short: Path) -> None:
    """And nothing else: for a key of another workspace, the alias leads nowhere."""
    server, keys = FakeServer(), KeyFile(short)
    inside, outside = keys.add("inside", ["new"]), keys.add("outside", ["other"])
    async with world(short, server, serve=True, token=HUB_TOKEN, runtime_dir=short / "run") as made:
        made.put(server.spec("a"), space("a", **RENAMED), space("a", name="other"))
        await made.settled()
        uds = made.settings.sidecar_socket
        async with connected("http://localhost/mcp/old", "http", "legacy", token=inside, uds=uds) as peer:
            assert "result" in (await peer.request("tools/call", CALL)).answer
        transport = httpx2.AsyncHTTPTransport(uds=str(uds))
        headers = {"authorization": f"Bearer {outside}"}
        async with httpx2.AsyncClient(
            timeout=100, transport=transport, base_url="http://localhost", headers=headers
        ) as client:
            for slug in ("old", "old-12345678", "nothing"):
                response = await client.get(f"/mcp/{slug}/sse")
                assert response.status_code == 404
                assert response.json()["error"]["data"]["workspaces"] == ["other"]
