"""Stopping one server ends all its processes, and nobody else's."""

import asyncio
import os
import shutil
import signal
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from bridge.models import StdioLaunch
from sidecar.channels.stdio import open_stdio
from sidecar.errors import SpawnerLost
from sidecar.spawner import proc
from sidecar.spawner.client import Spawner
from tests.integration.spawner.conftest import Token, open_fds, until


@asynccontextmanager
async def running(spawner: Spawner, launch: StdioLaunch, grace: float = 0.2):
    """An open channel whose server has said that it is ready."""
    frames: asyncio.Queue = asyncio.Queue()
    async with open_stdio(spawner, launch, on_frame=frames.put_nowait, redact=str, grace=grace) as channel:
        assert (await frames.get())["method"] == "ready"
        channel.frames = frames
        yield channel


HABITS = [
    (),
    ("kid",),
    ("deaf",),
    ("deaf", "kid", "loner", "daemon"),
    ("daemon",),
    ("loner",),
    ("storm",),
    ("deaf", "storm"),
    ("late_comet", "deaf"),
    ("comet",),
]


@pytest.mark.parametrize("habits", HABITS, ids=" ".join)
async def test_leaves_nothing(spawner: Spawner, token: Token, habits: tuple[str, ...]) -> None:
    """Whatever a server's habits, nothing of it is left when its channel is closed."""
    async with running(spawner, token.launch(*habits)):
        assert token.pids()
    assert token.pids() == []
    for _ in range(50):  # a comet is hard to see, but someone has to adopt it
        assert children_of(spawner.pid) == ""


def children_of(pid: int | None) -> str:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text()


async def test_crash_leaves_nothing(spawner: Spawner, token: Token) -> None:
    """What a server that was killed leaves is ended when its channel is closed."""
    async with running(spawner, token.launch("kid", "loner", "daemon")) as channel:
        os.kill(channel.pids[0], signal.SIGKILL)
        reason = await channel.wait_closed()
        assert reason.message == "It was killed by SIGKILL (out of memory?)."
        assert len(token.pids()) == 3
    assert token.pids() == []


async def test_spares_others(spawner: Spawner, token: Token) -> None:
    """Stopping one server touches no process of another, its daemons included."""
    async with running(spawner, token.launch("kid", "daemon")):
        before = token.pids()
        async with running(spawner, token.launch("deaf", "kid", "loner", "daemon")):
            assert len(token.pids()) == len(before) + 4
        assert token.pids() == before


async def test_prompt(spawner: Spawner, token: Token) -> None:
    """A server that ends with its input is gone at once, however long the grace."""
    async with running(spawner, token.launch(), grace=1000):
        pass


async def test_buries_adopted(spawner: Spawner, token: Token) -> None:
    """A daemon that ends while its server goes on leaves no zombie."""
    async with running(spawner, token.launch("daemon")) as channel:
        (daemon,) = set(token.pids()) - {channel.pids[0]}
        os.kill(daemon, signal.SIGKILL)
        await until(lambda: proc.read(daemon) is None)


async def test_many_at_once(spawner: Spawner, token: Token) -> None:
    """Sixty servers start and stop side by side, and no descriptor stays open."""
    async with running(spawner, token.launch()):
        pass
    before = open_fds()
    async with asyncio.timeout(100), AsyncExitStack() as stack:
        launch = StdioLaunch(command="cat", args=("-", f"/dev/null/{token.text}"))
        opened = [open_stdio(spawner, launch, on_frame=print, redact=str) for _ in range(60)]
        channels = [await stack.enter_async_context(one) for one in opened]
        assert len({channel.pids for channel in channels}) == 60
        children = [await spawner.spawn(["sleep", "600"], os.environ, None, f"i{n}") for n in range(4)]
        await asyncio.gather(*(child.stop(0) for child in children))
        for child in children:
            for fd in (child.stdin, child.stdout, child.stderr):
                os.close(fd)
    assert token.pids() == []
    assert open_fds() <= before


async def test_cancelled_start(spawner: Spawner, token: Token) -> None:
    """A start that is cancelled, before or after the process is there, leaves no process and no descriptor."""
    async with running(spawner, token.launch()):
        before = open_fds()
        command = [sys.executable, "-S", "-c", "import time; time.sleep(600)", token.text]
        for turns in range(6):
            start = asyncio.create_task(spawner.spawn(command, os.environ, None, f"c{turns}"))
            for _ in range(turns):
                await asyncio.sleep(0.001 if turns > 3 else 0)
            start.cancel()
            try:
                child = await start
            except asyncio.CancelledError:
                continue
            child.abandon()
        await until(lambda: len(token.pids()) == 1 and open_fds() <= before)


CHAINS = {
    "shell": ["sh", "-c", '"$0" -S "$@" & wait', sys.executable],
    "shells": ["sh", "-c", 'sh -c \'"$0" -S "$@"; true\' "$0" "$@"; true', sys.executable],
    "node": [
        "node",
        "-e",
        "require('child_process').spawn(process.argv[1], ['-e', \"require('child_process').spawn(process.argv[1], "
        "['-S', ...process.argv.slice(2)], {stdio: 'inherit'})\", ...process.argv.slice(2)], {stdio: 'inherit'})",
        "node",
        sys.executable,
    ],
}


@pytest.mark.parametrize("chain", CHAINS)
async def test_launcher(spawner: Spawner, token: Token, chain: str) -> None:
    """A server behind launchers, as npx and uvx are, goes with them, even if it hears neither the end nor SIGTERM."""
    command, *args = CHAINS[chain]
    if not shutil.which(command):
        pytest.skip(f"no {command} here")
    if chain == "shell":  # a shell's background job reads no stdin of its own: give it ours
        args[1] = '"$0" -S "$@" <&3 3<&- & wait'
        args = ["-c", f"exec 3<&0; {args[1]}", *args[2:]]
    nasty = token.launch("deaf", "kid")
    launch = StdioLaunch(command=command, args=(*args, *nasty.args[1:]))
    async with running(spawner, launch) as channel:
        await channel.send({"jsonrpc": "2.0", "id": 1})
        assert await channel.frames.get() == {"jsonrpc": "2.0", "id": 1}
        os.kill(channel.pids[0], signal.SIGKILL)
        await channel.wait_closed()
    assert token.pids() == []


async def test_leaving_ends_all(runtime: Path, token: Token) -> None:
    """When the spawner is left, children that were not stopped are ended, and later starts are refused."""
    async with Spawner(runtime) as spawner:
        child = await spawner.spawn([sys.executable, "-S", "-c", "input()", token.text], os.environ, None, "x")
    for fd in (child.stdin, child.stdout, child.stderr):
        os.close(fd)
    assert token.pids() == []
    with pytest.raises(SpawnerLost):
        await child.wait()
    await child.stop()
    with pytest.raises(SpawnerLost):
        await spawner.spawn(["true"], {}, None, "y")
    assert spawner.pid is None
