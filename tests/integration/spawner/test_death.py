"""However sidecar and spawner die, no process of any server outlives them."""

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sidecar.errors import SpawnerLost
from sidecar.spawner import client, proc
from sidecar.spawner.client import Spawner
from tests.integration.spawner.conftest import Token, eventually
from tests.integration.spawner.test_stop import running

CREW_SIZE = 4 + 3 + 1
BARE = 1
NPX_SIZE = 2  # npm may put a shell between itself and the server
ROOT = Path(__file__).parents[3]
REAL = ROOT / "tests" / "real"


@contextmanager
def standin(runtime: Path, token: Token, *npx: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A stand-in for the sidecar whose servers are all running, and the pid of its spawner."""
    command = [sys.executable, "-m", "tests.integration.spawner.standin", str(runtime), token.text, *npx]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            assert process.stdout
            spawner = int(process.stdout.readline())
            assert len(token.pids()) >= (NPX_SIZE if npx else CREW_SIZE)
            yield process, spawner
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
def test_sidecar_dies(runtime: Path, token: Token, number: int) -> None:
    """SIGTERM, Ctrl-C and kill -9 of the sidecar end all servers, those with the worst manners included."""
    with standin(runtime, token) as (process, spawner):
        process.send_signal(number)
        process.wait()
        assert token.gone()
        assert eventually(lambda: not alive(spawner))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_spawner_dies(runtime: Path, token: Token, number: int) -> None:
    """When the spawner is ended or killed, its servers end, those without an environment too; the sidecar goes on."""
    with standin(runtime, token) as (process, spawner):
        os.kill(spawner, number)
        assert token.gone()
        assert process.poll() is None
        assert eventually(lambda: zombies(process.pid) == [])


@pytest.mark.skipif(not (REAL / "node_modules").exists(), reason="tests/real/setup.sh was not run")
@pytest.mark.parametrize("victim", ["sidecar", "spawner", "both"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_npx(runtime: Path, token: Token, victim: str, number: int) -> None:
    """A real server behind npx goes with sidecar or spawner, however these end."""
    with standin(runtime, token, str(REAL)) as (process, spawner):
        if victim != "spawner":
            process.send_signal(number)
        if victim != "sidecar":
            os.kill(spawner, number)
        if (victim, number) == ("both", signal.SIGKILL):
            process.wait()
            asyncio.run(start_once(runtime))
        assert token.gone()


async def start_once(runtime: Path, slot: int = 0) -> None:
    """Start a spawner, and end it when it is ready."""
    async with Spawner(runtime, slot) as spawner:
        (await spawner.spawn(["true"], os.environ, None, "x")).abandon()


@pytest.mark.parametrize("slot", [0, 1])
async def test_both_die(runtime: Path, token: Token, slot: int) -> None:
    """When sidecar and spawner are killed at once, the next start ends what they left before it starts anything.

    Also where that is one of the other slot: after a reload, the hub's sidecar is not of the slot that a start uses.
    """
    with standin(runtime, token) as (process, spawner):
        os.kill(spawner, signal.SIGSTOP)  # or it would be quicker than our second kill
        os.kill(process.pid, signal.SIGKILL)
        os.kill(spawner, signal.SIGKILL)
        process.wait()
        assert eventually(lambda: not alive(spawner))
        assert len(token.pids()) >= CREW_SIZE - BARE - 1  # a polite one ends with its input
    await start_once(runtime, slot)
    left = token.pids()
    for pid in left:  # neither mark nor parent tells whose it is: the one limit, see the ADR
        os.kill(pid, signal.SIGKILL)
    assert token.gone()
    assert len(left) <= BARE


async def test_children_fail(spawner: Spawner, token: Token) -> None:
    """When the spawner is killed, its children fail with that reason, a new one starts, and nothing is left."""
    before = spawner.pid
    async with running(spawner, token.launch("deaf", "kid", "loner", "daemon", "bare")) as channel:
        assert spawner.pid
        os.kill(spawner.pid, signal.SIGKILL)
        assert isinstance(await channel.wait_closed(), SpawnerLost)
        async with running(spawner, token.launch()) as successor:
            assert token.pids() == list(successor.pids)
    assert spawner.pid != before
    assert zombies(os.getpid()) == []


async def test_lost_while_starting(spawner: Spawner, token: Token) -> None:
    """A start that is under way when the spawner dies fails; it can be tried again at once."""
    async with running(spawner, token.launch()):
        assert spawner.pid
        os.kill(spawner.pid, signal.SIGSTOP)
        start = asyncio.create_task(spawner.spawn(["true"], os.environ, None, "x"))
        await asyncio.sleep(0)
        os.kill(spawner.pid, signal.SIGKILL)
        with pytest.raises(SpawnerLost):
            await start
    async with running(spawner, token.launch()):
        pass


async def test_waits_for_older(runtime: Path, token: Token) -> None:
    """Nothing is started while an older spawner is there; the wait is told, and leaving does not hang."""
    with (runtime / client.LOCK_FILES[0]).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        async with Spawner(runtime) as spawner:
            start = asyncio.create_task(spawner.spawn(["true"], os.environ, None, "x"))
            assert not (await asyncio.wait([start], timeout=0.1))[0]
            fcntl.flock(lock, fcntl.LOCK_UN)
            (await start).abandon()
        fcntl.flock(lock, fcntl.LOCK_EX)
        async with Spawner(runtime) as spawner:
            pass
    assert spawner.pid is None


async def test_restores_subreaper(runtime: Path) -> None:
    """A process adopts orphans only while it has a spawner."""
    before = client.set_subreaper(False)
    async with Spawner(runtime):
        assert client.set_subreaper(True) is True
    assert client.set_subreaper(before) is False


def alive(pid: int) -> bool:
    process = proc.read(pid)
    return process is not None and process.alive


def zombies(pid: int) -> list[int]:
    return [process.pid for process in proc.Table().children(pid) if not process.alive]


async def test_cannot_be_started(runtime: Path, monkeypatch: pytest.MonkeyPatch, token: Token) -> None:
    """A spawner that the system refuses to start is tried again; starts wait for it."""
    real, refusals = subprocess.Popen, iter([True, False])

    def popen(*args: object, **options: object) -> subprocess.Popen[bytes]:
        if next(refusals):
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return real(*args, **options)

    monkeypatch.setattr(client.subprocess, "Popen", popen)
    async with Spawner(runtime) as spawner, running(spawner, token.launch()):
        pass


async def test_stuck_spawner(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A spawner that does not end with its socket is killed."""
    monkeypatch.setattr(client, "END_TIMEOUT", 0.05)
    async with Spawner(runtime) as spawner:
        (await spawner.spawn(["true"], os.environ, None, "x")).abandon()
        assert spawner.pid
        os.kill(spawner.pid, signal.SIGSTOP)
    assert spawner.pid is None


async def test_vanished_directory(spawner: Spawner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub whose own directory was removed starts servers in the root directory."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    child = await spawner.spawn(["pwd"], os.environ, None, "x")
    assert await child.wait() == 0
    assert os.read(child.stdout, 100) == b"/\n"
    child.abandon()
    await child.stop()
    monkeypatch.chdir(tmp_path)


async def test_hung_spawner_is_replaced(runtime: Path, token: Token, caplog: pytest.LogCaptureFixture) -> None:
    """A stopped spawner is killed after `hang_limit` seconds of silence, whether or not something is asked of it.

    Its servers fail with that reason; a start that waits for it fails, too, and the next one has another spawner.
    """
    async with Spawner(runtime, hang_limit=0.3) as spawner:
        async with running(spawner, token.launch("deaf", "kid")) as channel:
            assert spawner.pid
            os.kill(before := spawner.pid, signal.SIGSTOP)
            start = asyncio.create_task(spawner.spawn(["true"], os.environ, None, "x"))
            closed = await channel.wait_closed()
            assert isinstance(closed, SpawnerLost)
            assert "did nothing for" in str(closed)
            with pytest.raises(SpawnerLost):
                await start
            async with running(spawner, token.launch()) as successor:
                assert token.pids() == list(successor.pids)
        assert spawner.pid != before
        assert zombies(os.getpid()) == []
    [record] = [each for each in caplog.records if "hung" in each.getMessage()]
    assert (record.__dict__["code"], record.levelname) == ("PROCESS_HUNG", "ERROR")


async def test_a_spawner_that_waits_is_not_hung(runtime: Path, token: Token) -> None:
    """One that waits for an older spawner answers nothing meanwhile, and is left alone."""
    with (runtime / client.LOCK_FILES[0]).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        async with Spawner(runtime, hang_limit=0.1) as spawner:
            start = asyncio.create_task(spawner.spawn(["true"], os.environ, None, "x"))
            await asyncio.sleep(0)
            before = spawner.pid
            assert before
            assert not (await asyncio.wait([start], timeout=0.5))[0]
            assert spawner.pid == before
            fcntl.flock(lock, fcntl.LOCK_UN)
            (await start).abandon()
            assert spawner.pid == before
