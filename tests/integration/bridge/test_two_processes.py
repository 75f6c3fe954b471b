"""The bridge between two real processes: what is asked is answered, in order, whatever happens to the server."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from bridge.client import BridgeClient, Subscriber
from bridge.errors import PeerUnavailable
from bridge.models import Accepted, ListTools, Ping, Restart, Snapshot
from bridge.runtime import socket_path


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory with a short name, for sockets."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture
def address(directory: Path) -> str:
    """Where the peer serves."""
    return f"ipc://{directory}/run/x.sock"


@pytest.fixture
def log(directory: Path) -> Path:
    """What the peer has accepted."""
    return directory / "accepted"


@asynccontextmanager
async def peer(address: str, log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A peer that serves; killed at the end, if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.bridge.peer", address, str(log), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def apply(client: BridgeClient, revision: int, timeout: float = 100) -> Accepted:
    return await client.request(Snapshot.of(1, revision, (), ()), timeout)


def accepted(log: Path) -> list[int]:
    return [int(line) for line in log.read_text().split()]


async def test_10_000_requests_arrive_in_order_and_all_are_answered(address: str, log: Path) -> None:
    """Pipelined requests of one client are handled in the order in which they were made, each exactly once."""
    async with peer(address, log), BridgeClient(address) as client:
        answers = await asyncio.gather(*(apply(client, n) for n in range(10_000)))
    assert [answer.id.revision for answer in answers] == list(range(10_000))
    assert accepted(log) == list(range(10_000))


async def test_nothing_is_lost_when_the_server_is_killed_and_restarted(address: str, log: Path) -> None:
    """Every snapshot is acknowledged, those under way at each kill -9 by the next server, still in order."""
    count = 3000
    async with BridgeClient(address) as client, asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(apply(client, n, timeout=50)) for n in range(count)]
        for fraction in (0.25, 0.5):
            async with peer(address, log) as process:
                await asked[int(count * fraction)]
                process.kill()
                await process.wait()
        async with peer(address, log):
            answers = [await task for task in asked]
    assert [answer.id.revision for answer in answers] == list(range(count))
    handled = accepted(log)
    assert list(dict.fromkeys(handled)) == list(range(count))
    assert len(handled) - count <= 2 * 512


async def test_a_killed_server_is_noticed_at_once_and_again_when_it_is_back(address: str, log: Path) -> None:
    """What must not be repeated fails at the kill, not at its deadline; the next server is met without asking."""
    async with BridgeClient(address) as client:
        async with peer(address, log) as process:
            first = await client.peer()
            asked = asyncio.create_task(client.request(Restart(key="x"), timeout=50))
            await client.request(Ping())
            process.kill()
            with pytest.raises(PeerUnavailable, match="connection ended"):  # at the deadline, it would say so
                await asked
        async with peer(address, log):
            assert await client.peer(other_than=first) != first


async def test_a_slow_handler_holds_up_nobody_else(address: str, log: Path) -> None:
    """While 100 requests wait for slow handlers, others of the same client are answered."""
    async with peer(address, log), BridgeClient(address) as client, asyncio.TaskGroup() as tasks:
        await client.peer()
        slow = [tasks.create_task(client.request(Restart(key="a"), timeout=100)) for _ in range(100)]
        for n in range(200):
            await apply(client, n)
        assert not any(task.done() for task in slow)
        for task in slow:
            task.cancel()


async def test_a_server_that_stands_still_costs_its_clients_bounded_memory(address: str, log: Path) -> None:
    """A stopped server keeps connections open: requests fail on their deadlines, and it answers when it goes on."""
    async with peer(address, log) as process, BridgeClient(address) as client:
        await client.peer()
        os.kill(process.pid, signal.SIGSTOP)
        before = psutil.Process().memory_info().rss
        failures = await asyncio.gather(*(apply(client, n, timeout=0.3) for n in range(20_000)), return_exceptions=True)
        grown = psutil.Process().memory_info().rss - before
        assert all(isinstance(failure, PeerUnavailable) for failure in failures)
        assert sum(bool(failure.data["sent"]) for failure in failures if isinstance(failure, PeerUnavailable)) == 512
        assert grown < 200 * 2**20
        os.kill(process.pid, signal.SIGCONT)
        assert (await apply(client, 20_000)).id.revision == 20_000
    assert accepted(log)[-1] == 20_000


async def test_a_client_that_reads_nothing_does_not_hold_up_the_others(address: str, log: Path) -> None:
    """One client is stopped in the middle of its requests; another's are answered all the same."""
    program = (
        "import asyncio, sys; from bridge.client import BridgeClient\n"
        "async def main():\n"
        "    async with BridgeClient(sys.argv[1]) as client:\n"
        "        await client.peer(); print('ready', flush=True)\n"
        "        while True: await asyncio.gather(*(client.request(Ping()) for _ in range(500)))\n"
        "asyncio.run(main())\n"
    )
    async with peer(address, log), BridgeClient(address) as client:
        other = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, address, stdout=asyncio.subprocess.PIPE
        )
        try:
            assert other.stdout is not None
            assert await other.stdout.readline() == b"ready\n"
            os.kill(other.pid, signal.SIGSTOP)
            for n in range(500):
                await apply(client, n)
        finally:
            other.kill()
            await other.wait()


async def test_several_clients_share_a_server(address: str, log: Path) -> None:
    """Four clients' requests are all answered, and each client's are handled in its order."""
    async with peer(address, log):

        async def ask(first: int) -> None:
            async with BridgeClient(address) as client:
                await asyncio.gather(*(apply(client, first + n) for n in range(250)))

        await asyncio.gather(*(ask(1000 * n) for n in range(4)))
    handled = accepted(log)
    for n in range(4):
        assert [r for r in handled if r // 1000 == n] == list(range(1000 * n, 1000 * n + 250))


async def test_events_are_rejoined_after_a_kill(address: str, log: Path) -> None:
    """A subscriber gets `joined` from each server, and every event published after it."""
    async with BridgeClient(address) as client, Subscriber(f"{address}.events") as events:
        stream = aiter(events)
        sessions = set()
        for _ in range(2):
            async with peer(address, log):
                joined = await anext(stream)
                assert joined.topic == "joined"
                sessions.add(joined.subject)
                for n in range(100):
                    await client.request(ListTools(workspace=str(n)))
                assert [(await anext(stream)).subject for _ in range(100)] == [str(n) for n in range(100)]
        assert len(sessions) == 2


async def test_a_second_hub_does_not_take_the_first_ones_place(address: str, log: Path) -> None:
    """A second server at the address ends with an error; what a killed one leaves is no hindrance."""
    async with peer(address, log), BridgeClient(address) as client:
        second = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.integration.bridge.peer", address, str(log), stderr=asyncio.subprocess.PIPE
        )
        _, stderr = await second.communicate()
        assert second.returncode == 1
        assert b"AddressTaken" in stderr
        await client.request(Ping())
    assert socket_path(address).is_socket()
    async with peer(address, log), BridgeClient(address) as client:
        await client.request(Ping())
