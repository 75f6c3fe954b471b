"""Two replicas of the hub behind nginx (docs/scaling.md): each request reaches the one that has its session."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.proxies.proxies import EXAMPLES, nginx_with, replaced, started
from tests.support.hub import Hub, free_port, running
from tests.support.raw_client import Way, connected, read
from tests.support.yamcp import mock

CLIENTS = 20
"""Of each way."""
CALLS = 3


@dataclass(frozen=True)
class Replicas:
    """Two hubs, and the port of nginx before them."""

    port: int
    hubs: tuple[Hub, Hub]


@contextlib.asynccontextmanager
async def replicas(root: Path) -> AsyncIterator[Replicas]:
    """r0 and r1 with the same servers, behind nginx with examples/proxy/replicas.nginx.conf."""
    port = free_port()
    async with contextlib.AsyncExitStack() as stack:
        hubs = [
            await stack.enter_async_context(running({"m": mock("m")}, {"dev": ["m"]}, front=True, HUB_REPLICA=name))
            for name in ("r0", "r1")
        ]
        first, second = (hub.env["HUB_PORT"] for hub in hubs)
        site = replaced((EXAMPLES / "replicas.nginx.conf").read_text(), {
            "10.0.0.10:8765": f"127.0.0.1:{first}", "10.0.0.11:8765": f"127.0.0.1:{second}",
            "listen 8080;": f"listen 127.0.0.1:{port};", "/var/log/nginx/yamcp-hub.log": str(root / "access.log"),
        })  # fmt: skip
        await stack.enter_async_context(started(nginx_with(root, site), root, port))
        yield Replicas(port, (hubs[0], hubs[1]))


async def use(port: int, way: Way, number: int) -> str:
    """Call a tool a few times, each time with another text that comes back; returns the id of the session."""
    async with connected(port, "dev", way) as client:
        for call in range(CALLS):
            nonce = f"{way} {number} {call}"
            answer = read(await client.ask("tools/call", {"name": "m_echo", "arguments": {"text": nonce}}))
            assert answer["result"]["content"][0]["text"] == nonce
        return client.session


@pytest.mark.parametrize("way", ["sse", "http", "modern"])
async def test_no_request_reaches_another_replica(way: Way, tmp_path: Path) -> None:
    """With as many requests as clients make at once; both replicas have sessions."""
    async with replicas(tmp_path) as both:
        sessions = await asyncio.gather(*(use(both.port, way, number) for number in range(CLIENTS)))
        assert {session.partition(".")[0] for session in sessions} == ({""} if way == "modern" else {"r0", "r1"})


async def test_a_session_of_a_replica_that_is_gone(tmp_path: Path) -> None:
    """The other one answers that it does not know the session, so that the client opens a new one; and serves that."""
    async with replicas(tmp_path) as both, contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connected(both.port, "dev", "http")) for _ in range(4)]
        lost = next(client for client in clients if client.session.startswith("r1."))
        kept = next(client for client in clients if client.session.startswith("r0."))
        for process in ("acceptor", "front", "sidecar"):
            await both.hubs[1].kill(process)
        call: dict[str, Any] = {"name": "m_echo", "arguments": {"text": "x"}}
        assert read(await lost.ask("tools/call", call))["error"]["data"]["code"] == "SESSION_UNKNOWN"
        assert read(await kept.ask("tools/call", call))["result"]["content"][0]["text"] == "x"
        assert (await use(both.port, "http", 1)).startswith("r0.")
