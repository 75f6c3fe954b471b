"""Servers that take more than their limits are ended, as such and alone; enforced by control groups where possible."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bridge.models import ProcessLimits, ServerSettings, ServerSpec, StdioLaunch
from sidecar.channels.connections import Connections
from sidecar.channels.stdio import StdioChannel, open_stdio
from sidecar.errors import ConnectionLost, ServerExited, SidecarError
from sidecar.limits.groups import Unusable, claim
from sidecar.limits.limits import Limits
from sidecar.observe.metrics import Metrics
from sidecar.observe.redaction import Redactor
from sidecar.spawner.client import Spawner
from sidecar.upstream.connector import Connector
from sidecar.upstream.upstream import Upstream
from tests.integration.spawner.conftest import Token, until
from tests.integration.spawner.test_once import ONCE, Nobody, call

GREEDY = str(Path(__file__).with_name("greedy.py"))
MB = 1 << 20


def can_use_groups() -> bool:
    """Whether a control group is delegated to the tests: only then the tests may use some."""
    try:
        claim("test-").sweep()
    except Unusable:
        return False
    return True


@pytest.fixture(params=["off", *(["auto"] if can_use_groups() else [])])
async def spawner(runtime: Path, request: pytest.FixtureRequest) -> AsyncIterator[Spawner]:
    """A spawner that enforces limits without control groups and, where the tests may use them, with."""
    async with Spawner(runtime, control_groups=request.param) as spawner:
        yield spawner
    assert spawner.enforcement is None or bool(spawner.enforcement[0]) == (request.param == "auto")


class Greedy:
    """A greedy server and the channel to it."""

    def __init__(self, channel: StdioChannel, frames: asyncio.Queue) -> None:
        self.channel = channel
        self._frames = frames

    async def said(self) -> dict:
        """What it said next."""
        return (await self._frames.get())["params"]

    async def told(self, order: str) -> dict:
        """What it answers to an order."""
        await self.order(order)
        return await self.said()

    async def order(self, order: str) -> None:
        """Give it an order, without waiting for an answer."""
        await self.channel.send({"jsonrpc": "2.0", "method": order})

    async def end(self) -> SidecarError:
        """Why it ended."""
        async with asyncio.timeout(100):
            return await self.channel.wait_closed()


@asynccontextmanager
async def greedy(spawner: Spawner, token: Token, wait: bool = True, **limits: float) -> AsyncIterator[Greedy]:
    """A greedy server with limits; with `wait`, it has said that it is there."""
    frames: asyncio.Queue = asyncio.Queue()
    launch = StdioLaunch(command=sys.executable, args=("-S", GREEDY, token.text))
    async with open_stdio(
        spawner, launch, on_frame=frames.put_nowait, redact=str, limits=Limits(**limits), grace=0.2
    ) as channel:
        server = Greedy(channel, frames)
        if wait:
            server.first = await server.said()
        yield server


def group_file(pid: int, name: str) -> str:
    """A file of the control group that a process is in."""
    group = Path(f"/proc/{pid}/cgroup").read_text().strip().rpartition(":")[2]
    return Path(f"/sys/fs/cgroup{group}/{name}").read_text()


@pytest.mark.parametrize("order", ["leak 4000", "child 4000"])
async def test_a_leak_ends_at_the_limit(spawner: Spawner, token: Token, order: str) -> None:
    """A server, or a child of it, that takes memory for ever is ended with all its processes; others go on."""
    async with greedy(spawner, token) as other, greedy(spawner, token, memory=100 * MB) as server:
        await server.told("fork 2")
        await server.order(order)
        reason = await server.end()
        assert (reason.code, reason.data) == ("SERVER_MEMORY_LIMIT", {"limit": 100 * MB})
        assert reason.message == "It was ended: it exceeded its memory limit of 100 MB."
        await until(lambda: token.pids() == [other.first["pid"]])
        assert await other.told("leak 150") == {"done": "leak", "result": None}


async def test_below_the_limit_nothing_happens(spawner: Spawner, token: Token) -> None:
    """Memory that children share with their parent counts once."""
    async with greedy(spawner, token, memory=100 * MB, pids=20) as server:
        assert (await server.told("shared 60"))["done"] == "shared"
        await asyncio.sleep(0.7)  # some looks
        assert (await server.told("leak 1"))["done"] == "leak"


async def test_a_fork_bomb_ends_with_its_server(spawner: Spawner, token: Token) -> None:
    """A server that forks beyond its limit is ended with all its processes; others go on."""
    async with greedy(spawner, token, pids=4096) as other, greedy(spawner, token, pids=50) as server:
        assert (await server.told("fork 20"))["done"] == "fork"
        await server.order("fork 300")
        reason = await server.end()
        assert (reason.code, reason.data) == ("SERVER_PROCESS_LIMIT", {"limit": 50})
        assert reason.message == "It was ended: it exceeded its limit of 50 processes and threads."
        await until(lambda: token.pids() == [other.first["pid"]])
        assert (await other.told("fork 3"))["done"] == "fork"


async def test_300_forks_below_the_limit_end_with_their_server(spawner: Spawner, token: Token) -> None:
    """However many processes a server has, none is left when it is stopped."""
    async with greedy(spawner, token, pids=4096) as server:
        await server.told("fork 300")
        assert len(token.pids()) == 301
    assert token.pids() == []


async def test_open_files(spawner: Spawner, token: Token) -> None:
    """A server cannot open more files than its limit; it is not ended for it. Others have the hub's own limit."""
    async with greedy(spawner, token, open_files=40) as server, greedy(spawner, token) as other:
        assert 20 < (await server.told("open 100"))["result"] < 40
        assert (await other.told("open 100"))["result"] == 100


async def test_processor_time(spawner: Spawner, token: Token) -> None:
    """A limit of processor time is one in the control group, or else a low priority."""
    async with greedy(spawner, token, cpus=0.5) as server, greedy(spawner, token) as other:
        controllers, _ = spawner.enforcement
        own, others = (os.getpriority(os.PRIO_PROCESS, each.first["pid"]) for each in (server, other))
        assert own == (others if "cpu" in controllers else max(others, 10))
        if "cpu" in controllers:
            assert group_file(server.first["pid"], "cpu.max") == "50000 100000\n"


async def test_other_ends_are_no_excess(spawner: Spawner, token: Token) -> None:
    """A server with limits that is killed by somebody else was killed by a signal."""
    async with greedy(spawner, token, memory=100 * MB, pids=50) as server:
        os.kill(server.first["pid"], 9)
        assert isinstance(await server.end(), ServerExited)


async def test_what_callers_and_the_status_have(spawner: Spawner, token: Token, tmp_path: Path) -> None:
    """A call that makes its server exceed a limit fails with that reason, and the server is started again."""
    launch = StdioLaunch(command=sys.executable, args=("-S", ONCE, str(tmp_path / "notes"), "leak", token.text))
    settings = ServerSettings(limits=ProcessLimits(memory="64m"))
    spec = ServerSpec(key="o", namespace="o", launch=launch, settings=settings)
    async with Connections() as connections:
        upstream = Upstream("f", spec, Connector(spawner, connections, Redactor(), ())(spec), Nobody(), Metrics())
        task = asyncio.create_task(upstream.run())
        await until(lambda: upstream.state == "ready")
        with pytest.raises(ConnectionLost, match="It was ended: it exceeded its memory limit of 64 MB"):
            await call(upstream, 1)
        await until(lambda: upstream.state != "ready")
        assert upstream.reason.code == "SERVER_MEMORY_LIMIT"
        await until(lambda: upstream.state == "ready")
        assert upstream.restarts == 1
        upstream.stop()
        await task


@pytest.mark.parametrize("limits", [{"memory": MB}, {"pids": 1}])
async def test_small_limits_harm_only_their_server(spawner: Spawner, token: Token, limits: dict[str, int]) -> None:
    """A limit below what the program itself needs ends it, and never the spawner or another server."""
    async with greedy(spawner, token) as other:
        before = spawner.pid
        async with greedy(spawner, token, wait="pids" in limits, **limits) as server:
            if "pids" in limits:
                await server.order("fork 1")
            assert (await server.end()).code in ("SERVER_MEMORY_LIMIT", "SERVER_PROCESS_LIMIT")
        assert (await other.told("leak 1"))["done"] == "leak"
        assert spawner.pid == before
