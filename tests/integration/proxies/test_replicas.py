"""Two replicas of the hub behind load balancers (docs/scaling.md): each request reaches the one with its session."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from tests.integration.proxies.balancers import BALANCERS
from tests.integration.proxies.proxies import started
from tests.support.hub import Hub, free_port, running
from tests.support.raw_client import Client, Way, connected, read
from tests.support.yamcp import mock

pytestmark = pytest.mark.asyncio(loop_scope="module")
WAYS: tuple[Way, ...] = ("sse", "http", "modern")
CLIENTS = 20
"""Of each way."""
CALLS = 3
GONE_REPLICA = "r1"
CALL: dict[str, Any] = {"name": "m_echo", "arguments": {"text": "x"}}


@dataclass(frozen=True)
class Replicas:
    """Two hubs with the same servers, r0 and r1. One test ends r1."""

    hubs: tuple[Hub, Hub]

    @contextlib.asynccontextmanager
    async def behind(self, name: str, root: Path) -> AsyncIterator[int]:
        """A load balancer before them, as its example sets it up; its port."""
        port = free_port()
        words = BALANCERS[name](root, port, (int(self.hubs[0].env["HUB_PORT"]), int(self.hubs[1].env["HUB_PORT"])))
        async with started(words, root, port), httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            while "MESSAGE_INVALID" not in (await client.get("/mcp/dev")).text:  # noqa: ASYNC110 (Traefik listens early)
                await asyncio.sleep(0.02)
            yield port


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def replicas() -> AsyncIterator[Replicas]:
    """Both hubs, which all tests share."""
    async with contextlib.AsyncExitStack() as stack:
        first, second = [
            stack.enter_async_context(running({"m": mock("m")}, {"dev": ["m"]}, front=True, HUB_REPLICA=name))
            for name in ("r0", GONE_REPLICA)
        ]
        yield Replicas(await asyncio.gather(first, second))


async def use(port: int, way: Way, number: int) -> str:
    """Call a tool a few times, each time with another text that comes back; returns the id of the session."""
    async with connected(port, "dev", way) as client:
        for call in range(CALLS):
            nonce = f"{way} {number} {call}"
            answer = read(await client.ask("tools/call", {"name": "m_echo", "arguments": {"text": nonce}}))
            assert answer["result"]["content"][0]["text"] == nonce
        return client.session


@pytest.mark.parametrize("balancer", BALANCERS)
async def test_no_request_reaches_another_replica(balancer: str, replicas: Replicas, tmp_path: Path) -> None:
    """With as many requests as clients make at once; both replicas have sessions."""
    async with replicas.behind(balancer, tmp_path) as port:
        for way in WAYS:
            sessions = await asyncio.gather(*(use(port, way, number) for number in range(CLIENTS)))
            owners = {session.partition(".")[0] for session in sessions}
            assert owners == ({""} if way == "modern" else {"r0", GONE_REPLICA}), way


async def test_a_session_of_a_replica_that_is_gone(replicas: Replicas, tmp_path: Path) -> None:
    """Another one answers that it does not know the session, so that the client opens a new one; and serves that."""
    async with contextlib.AsyncExitStack() as stack:
        lost: dict[str, Client] = {}
        kept: dict[str, Client] = {}
        for name in BALANCERS:
            (root := tmp_path / name).mkdir()
            with contextlib.suppress(pytest.skip.Exception):
                port = await stack.enter_async_context(replicas.behind(name, root))
                lost[name] = await session_of(GONE_REPLICA, port, stack)
                kept[name] = await session_of("r0", port, stack)
        for process in ("acceptor", "front", "sidecar"):
            await replicas.hubs[1].kill(process)
        for name, client in lost.items():
            assert await answered(client) == "SESSION_UNKNOWN", name
            assert await answered(kept[name]) == "x", name


async def session_of(replica: str, port: int, stack: contextlib.AsyncExitStack) -> Client:
    """A client whose session that replica has; the balancer may need several tries until it chooses it."""
    for _ in itertools.count():
        client = await stack.enter_async_context(connected(port, "dev", "http"))
        if client.session.startswith(f"{replica}."):
            return client
    raise AssertionError


async def answered(client: Client) -> str:
    """The echo, or the code of the hub's error. What the balancer says itself does not count: it is asked again."""
    while True:
        with contextlib.suppress(ValueError):  # Bad Gateway, until the balancer has found that the replica is gone
            answer = read(await client.ask("tools/call", CALL))
            return str(answer["error"]["data"]["code"] if "error" in answer else answer["result"]["content"][0]["text"])
