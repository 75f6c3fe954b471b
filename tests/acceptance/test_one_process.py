"""A shared server is one process however many use it; what a client had is freed when it goes, however it goes."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator

import httpx2
import psutil
import pytest
import pytest_asyncio

from tests.acceptance.steps import ask, call, code, mocks, pids, tools, until
from tests.support import peers, sidecar
from tests.support.peers import Era, HttpPeer, SsePeer, Transport
from tests.support.sidecar import Sidecar
from tests.support.yamcp import ROOT

pytestmark = pytest.mark.asyncio(loop_scope="module")

KINDS: list[tuple[Transport, Era]] = [("sse", "legacy"), ("http", "legacy"), ("sse", "modern"), ("http", "modern")]
IDLE = 2.0
"""Seconds after which a Streamable HTTP session without a request ends here."""
GROWTH = 4 * 2**20
"""Bytes that 200 sessions may leave behind: 20 KB each would be a leak that nobody could overlook in a day."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub() -> AsyncIterator[Sidecar]:
    """A sidecar for all of these tests; each has workspaces of its own."""
    async with sidecar.running(HUB_SESSION_IDLE_TIMEOUT=str(IDLE)) as running:
        yield running


class Vanished(Exception):
    """The client is gone without a word."""


@contextlib.asynccontextmanager
async def vanishing(url: str, transport: Transport, era: Era) -> AsyncIterator[SsePeer | HttpPeer]:
    """A client that says hello, and never goodbye."""
    with contextlib.suppress(Vanished):
        async with peers.connected(url, transport, era) as peer:
            yield peer
            raise Vanished


async def sessions(hub: Sidecar) -> tuple[int, float]:
    """How many sessions there are, as the status and as the metrics have it."""
    told = sum(workspace.sessions for workspace in (await hub.status()).workspaces)
    async with httpx2.AsyncClient(timeout=100) as http:
        lines = (await http.get(f"{hub.base}/metrics")).text.splitlines()
    return told, sum(float(line.split()[-1]) for line in lines if line.startswith("yamcp_hub_sessions{"))


async def no_sessions(hub: Sidecar) -> None:
    """Wait until there are none."""
    await until(lambda: sessions(hub), lambda found: found == (0, 0))


async def test_shared(hub: Sidecar) -> None:
    """A server in three workspaces, used by twenty sessions of every kind, is one process."""
    spec = sidecar.mock("one")
    names = ["x", "y", "z"]
    await hub.put(spec, *(sidecar.workspace(name, spec) for name in names))
    async with contextlib.AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(peers.connected(hub.http(names[number % 3]), *KINDS[number % 4]))
            for number in range(20)
        ]
        found = set(await asyncio.gather(*(call(client, "one_pid") for client in clients)))
        status = await hub.server("one")
        assert (status.instances, {str(pid) for pid in status.pids}) == (1, found)
        assert mocks(hub).keys() == {*status.pids}
        await until(lambda: sessions(hub), lambda found: found == (15, 15))  # modern Streamable HTTP has none
    await no_sessions(hub)
    assert (await pids(hub))["one"] == status.pids
    await hub.remove(*names)
    await until(lambda: asyncio.to_thread(mocks, hub), lambda left: not left)


async def test_per_client(hub: Sidecar) -> None:
    """A `per_client` server runs once a session, up to its limit; a place is free again when a session ends."""
    spec = sidecar.mock("own", session="per_client", max_instances=3)
    shared = sidecar.mock("shared")
    await hub.put(spec, shared, sidecar.workspace("w", spec, shared))
    assert ((await hub.server("own")).state, (await hub.server("own")).pids) == ("stopped", ())
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(vanishing(hub.http("w"), *KINDS[number % 3])) for number in range(3)]
        found = await asyncio.gather(*(call(client, "own_pid") for client in clients))
        assert len(set(found)) == 3
        assert [await call(client, "own_pid") for client in clients] == found
        assert {str(pid) for pid in (await pids(hub))["own"]} == set(found)
        assert len({await call(client, "shared_pid") for client in clients}) == 1

        async with peers.connected(hub.http("w"), "sse", "legacy") as late:
            assert code(await ask(late, "own_pid")) == "SERVER_INSTANCES"
            assert {name.partition("_")[0] for name in await tools(late)} == {"shared"}
            assert await call(late, "shared_echo", text="still") == "still"
            await stack.aclose()
            await until(lambda: pids(hub), lambda running: running["own"] == ())
            assert await call(late, "own_pid") not in found
            assert "own_pid" in await tools(late)
    await until(lambda: pids(hub), lambda running: running["own"] == ())
    assert not any(psutil.pid_exists(int(pid)) for pid in found)
    await no_sessions(hub)
    await hub.remove("w")


async def test_killed_client(hub: Sidecar) -> None:
    """What a client had that died of kill -9 is freed, with its servers."""
    spec = sidecar.mock("own", session="per_client")
    await hub.put(spec, sidecar.workspace("w", spec))
    words = [sys.executable, "-m", "bench.load", hub.sse("w"), "--clients", "3", "--tool", "own_pid", "--seconds", "60"]
    client = await asyncio.create_subprocess_exec(*words, "--arguments", "{}", cwd=ROOT)
    await until(lambda: pids(hub), lambda running: len(running["own"]) == 3)
    client.send_signal(signal.SIGKILL)
    await client.wait()
    await no_sessions(hub)
    await until(lambda: pids(hub), lambda running: running["own"] == ())
    await hub.remove("w")


async def test_vanished_http_client(hub: Sidecar) -> None:
    """A Streamable HTTP session whose client went without DELETE ends after the idle time; one in use does not."""
    spec = sidecar.mock("own", session="per_client")
    await hub.put(spec, sidecar.workspace("w", spec))
    async with httpx2.AsyncClient(timeout=100) as http:
        peer = HttpPeer(http, hub.http("w"), "legacy")  # no GET stream: nothing tells that it is there
        await peer.greet()
        assert await call(peer, "own_slow", seconds=1.5 * IDLE) == f"slept {1.5 * IDLE} s"
        pid = await call(peer, "own_pid")
    async with vanishing(hub.http("w"), "http", "legacy") as peer:
        await call(peer, "own_pid")
        await asyncio.sleep(1.5 * IDLE)
        assert await call(peer, "own_echo", text="its stream is open") == "its stream is open"
    await no_sessions(hub)
    await until(lambda: pids(hub), lambda running: running["own"] == ())
    assert not psutil.pid_exists(int(pid))
    await hub.remove("w")


async def test_memory_of_gone_sessions(hub: Sidecar) -> None:
    """Two hundred sessions opened, used and dropped leave next to nothing in memory."""
    spec = sidecar.mock("one")
    await hub.put(spec, sidecar.workspace("w", spec))
    process = psutil.Process(hub.pid("sidecar"))

    async def use(transport: Transport, era: Era) -> None:
        async with vanishing(hub.http("w"), transport, era) as peer:
            await peer.request("tools/list")
            assert await call(peer, "one_echo", text="hello") == "hello"

    async def use_many(count: int) -> int:
        for start in range(0, count, 10):
            await asyncio.gather(*(use(*KINDS[number % 3]) for number in range(start, start + 10)))
        await no_sessions(hub)
        return int(process.memory_full_info().uss)

    await use_many(30)
    before, descriptors = await use_many(10), process.num_fds()
    assert await use_many(200) - before < GROWTH
    few = descriptors + 3  # of two hundred; connections close a moment after their sessions
    await until(lambda: asyncio.to_thread(process.num_fds), lambda left: left <= few)
    await hub.remove("w")
