"""Two replicas with a real Redis: what they share, while it is there, while it is away, and when it is back."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from bridge.client import BridgeClient
from bridge.models import Drain, ReadStatus
from bridge.models.replicas import ReadReplicas, ReplicasState
from sidecar import redis_connection
from sidecar.app import App
from sidecar.cluster import replicas as heartbeats
from tests.support.fake_server import text as answered
from tests.support.fake_server import until, within
from tests.support.raw_client import connected
from tests.support.redis import redis
from tests.support.replicas import Replicas, text


@pytest.fixture
async def made(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Replicas, Path]]:
    """Two replicas that are not started yet, and the directory of their Redis."""
    monkeypatch.setattr(heartbeats, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(redis_connection, "PAUSE_SECONDS", 0.05)
    with tempfile.TemporaryDirectory(prefix="hub") as name:
        root = Path(name)
        replicas = Replicas(root, monkeypatch)
        url = {"redis_url": SecretStr(f"unix://{root}/redis.sock")}
        replicas.settings = [each.model_copy(update=url) for each in replicas.settings]
        try:
            yield replicas, root
        finally:
            for number in range(len(replicas.apps)):
                await replicas.end(number)


async def state(app: App) -> ReplicasState:
    """What a replica knows of all."""
    async with BridgeClient(app.settings.actual_address, transport=app.bridge._transport) as bridge:
        return await bridge.request(ReadReplicas(), timeout=100)


async def sees(app: App, **states: str) -> ReplicasState:
    """Wait until a replica knows that the replicas are so."""
    async with asyncio.timeout(100):
        while True:
            found = await state(app)
            if {each.name: each.state for each in found.replicas} == states:
                return found
            await asyncio.sleep(0.02)


async def test_what_two_replicas_share(made: tuple[Replicas, Path]) -> None:
    """Results, changes of lists and their states; calls go on without Redis, and one that leaves says so."""
    replicas, root = made
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(redis(root))
        await replicas.start_both(cache={"who": 600})
        r0, r1 = replicas.apps
        clients = [await stack.enter_async_context(connected(port, "w", "http")) for port in replicas.ports]
        found = await sees(r0, r0="serving", r1="serving")
        assert (found.live, found.up_to_date, found.own) == (2, 2, "r0")
        assert (await sees(r1, r0="serving", r1="serving")).sessions == 2

        assert [text(await client.call("a_who")) for client in clients] == ["r0", "r0"], "the result of r0 is kept"
        replicas.server.tools["more"] = lambda: answered("more")
        replicas.server.channels[0].notify("notifications/tools/list_changed")
        await until(lambda: "a_more" in str(r1.hub.workspaces["w"].view.tools))

        server.kill()
        await server.wait()
        answers = await within(asyncio.gather(*(client.call("a_more") for client in clients)), 100)
        assert [text(each) for each in answers] == ["more", "more"]
        assert [text(await client.call("a_who")) for client in clients] == ["r0", "r1"], "each asks its own server"
        codes = set()
        async with BridgeClient(r0.settings.actual_address, transport=r0.bridge._transport) as bridge:
            async with asyncio.timeout(100):
                while codes != {"CACHE_UNAVAILABLE", "REPLICAS_UNKNOWN"}:
                    codes = {each.code for each in (await bridge.request(ReadStatus(), timeout=100)).troubles}
            (root / "redis.sock").unlink(missing_ok=True)
            await stack.enter_async_context(redis(root))
            await sees(r0, r0="serving", r1="serving")
            await until(lambda: r0.hub.cache.trouble() is None and r1.hub.cache.trouble() is None)
            assert [text(await client.call("a_who")) for client in clients] == ["r0", "r0"], "they share again"
            await bridge.request(Drain(), timeout=100)
        await sees(r1, r0="draining", r1="serving")
        await replicas.end(0)
        found = await sees(r1, r0="stopped", r1="serving")
        assert (found.live, found.up_to_date) == (1, 1)
