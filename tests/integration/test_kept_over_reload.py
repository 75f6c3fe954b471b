"""A kept server over reloads (ADR 34, ADR 35): sidecars in the test's loop, with a real spawner and a real server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.client import BridgeClient
from bridge.models import Snapshot
from hubctl.run.kept_servers import end_kept_servers
from sidecar.app import App
from sidecar.upstream.upstream import Upstream
from tests.integration.spawner.conftest import Token
from tests.integration.spawner.kept_standin import COUNTER
from tests.integration.test_succession import Sidecars
from tests.support.as_it_was import process_as_it_was  # noqa: F401 - a fixture
from tests.support.fake_server import until, within
from tests.support.inprocess import space
from tests.support.raw_client import Client, Way, read
from tests.support.sidecar import stdio

WAYS: list[Way] = ["http", "modern", "http", "modern"]
RELOADS = 3


class KeptSidecars(Sidecars):
    """Sidecars with a server of their own that counts in memory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.token = Token()
        self.prepare(root)

    async def begin(self) -> App:
        """Start the first sidecar, with the server ready."""
        app, _ = self.start()
        server = stdio("c", sys.executable, "-S", COUNTER, self.token.text, keep=True)
        async with BridgeClient(self.settings.actual_address, transport=self.transport) as bridge:
            await bridge.request(Snapshot.of(1, 1, (server,), (space("c"),)), timeout=100)
        await until(lambda: app.predecessor.waiting and app.hub.snapshot is not None)
        await until(lambda: upstream_of(app).state == "ready")
        return app


@pytest.fixture
async def sidecars() -> AsyncIterator[KeptSidecars]:
    """Ended at the end, with their server."""
    with tempfile.TemporaryDirectory(prefix="hub") as root:
        made = KeptSidecars(Path(root))
        try:
            yield made
        finally:
            await made.end()
            await asyncio.to_thread(end_kept_servers, made.settings.runtime)
            assert await asyncio.to_thread(made.token.gone)


def upstream_of(app: App) -> Upstream:
    """The sidecar's upstream of the server."""
    (found,) = app.hub.pool
    return found


async def count(client: Client, n: str, **arguments: Any) -> int:
    """Have the server count; what it has counted to."""
    message = read(await client.ask("tools/call", {"name": "c_count", "arguments": {"n": n, **arguments}}))
    assert "result" in message, message
    said, number = message["result"]["content"][0]["text"].split()
    assert said == n
    return int(number)


async def state(client: Client) -> dict[str, Any]:
    """What the server knows."""
    found: dict[str, Any] = json.loads(read(await client.call("c_state"))["result"]["content"][0]["text"])
    return found


async def test_it_counts_on(sidecars: KeptSidecars) -> None:
    """Reloads under calls of both eras: each call is carried out once and answered, by the same process."""
    await sidecars.begin()
    counted: list[int] = []
    over = asyncio.Event()

    async def call_on(client: Client, name: str) -> None:
        last = number = 0
        while not over.is_set():
            number += 1
            before, last = last, await count(client, f"{name}-{number}")
            assert last > before
            counted.append(last)
            await asyncio.sleep(0.002)

    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(sidecars.client(way)) for way in WAYS]
        before = await state(clients[0])
        async with asyncio.TaskGroup() as tasks:
            for number, client in enumerate(clients):
                tasks.create_task(call_on(client, str(number)))
            for _ in range(RELOADS):
                goal = len(counted) + 20
                await until(lambda: len(counted) >= goal)  # noqa: B023 - awaited here
                await sidecars.next()
                await within(sidecars.runs[-2][1])
            goal = len(counted) + 20
            await until(lambda: len(counted) >= goal)
            over.set()
        assert await state(clients[1]) == {**before, "count": len(counted)}
        assert sorted(counted) == list(range(1, len(counted) + 1))
    assert sidecars.token.pids() == [before["pid"]]


async def test_calls_wait_for_those_in_flight(sidecars: KeptSidecars) -> None:
    """Until the call that the old sidecar has is answered, the new one lists the tools, and lets calls wait."""
    first = await sidecars.begin()
    door = sidecars.root / "door"
    async with sidecars.client("http") as busy, sidecars.client("modern") as idle:
        before = await state(idle)
        slow = asyncio.create_task(count(busy, "slow", until=str(door)))
        await until(Path(f"{door}.waits").exists)
        second = await sidecars.next()
        await until(lambda: len(first.http.connections) == 1)
        async with sidecars.client("http") as newcomer:
            listed = read(await newcomer.ask("tools/list", {}))["result"]["tools"]
            assert [tool["name"] for tool in listed] == ["c_count", "c_hold", "c_state"]
        waiting = asyncio.create_task(count(idle, "waiting"))
        await until(lambda: upstream_of(second).in_flight)
        assert (upstream_of(second).state, upstream_of(second).opening.delayed) == ("sleeping", True)
        assert not slow.done()
        door.touch()
        assert (await within(slow), await within(waiting)) == (1, 2)
        await within(sidecars.runs[0][1])
        assert await state(busy) == {**before, "count": 2}


async def test_an_old_sidecar_without_patience(sidecars: KeptSidecars) -> None:
    """A call that does not end in time is given up, and cancelled by the next sidecar, where the server goes on."""
    sidecars.settings = sidecars.settings.model_copy(update={"drain_timeout": 0.2})
    await sidecars.begin()
    async with sidecars.client("http") as busy, sidecars.client("modern") as idle:
        before = await state(idle)
        held = asyncio.create_task(busy.ask("tools/call", {"name": "c_hold", "arguments": {}}))
        await until(lambda: upstream_of(sidecars.runs[0][0]).in_flight)
        await sidecars.next()
        await within(sidecars.runs[0][1])
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            assert "error" in read(await within(held))
        after = await state(idle)
        assert after == {**before, "held": 1, "cancelled": after["cancelled"]}
        assert after["cancelled"] >= 1


async def test_a_failed_reload(sidecars: KeptSidecars) -> None:
    """A sidecar that gives up before it serves leaves the server where it is."""
    first = await sidecars.begin()
    async with sidecars.client("http") as client:
        before = await state(client)
        app, task = sidecars.start()
        await until(lambda: app.hub._pool is not None and any(each.opening.delayed for each in app.hub.pool))
        app.leave.set()
        await within(task)
        assert not first.replaced
        assert await count(client, "on") == 1
        assert await state(client) == {**before, "count": 1}
