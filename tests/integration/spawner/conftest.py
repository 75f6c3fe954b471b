"""Real processes, all of which carry a token in their command line; no test may leave one behind."""

import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import uvloop

from bridge.models import StdioLaunch
from sidecar.spawner import client, proc
from sidecar.spawner.client import Spawner

NASTY = str(Path(__file__).with_name("nasty.py"))


def pytest_asyncio_loop_factories() -> dict[str, object]:
    """Both event loops."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under coverage, let the spawner load what coverage needs."""
    if "COVERAGE_PROCESS_CONFIG" in os.environ:
        monkeypatch.setattr(client, "COMMAND", (sys.executable, "-I", "-u", "-m"))
        monkeypatch.setattr(client, "PROGRAM", "sidecar.spawner.process")


class Token:
    """Finds processes by a word in their command line, which forks keep even without an environment."""

    def __init__(self) -> None:
        self.text = f"token-{uuid4().hex}"

    def pids(self) -> list[int]:
        """Living processes with the token, other than ourselves and stand-ins."""
        return [process.pid for process in proc.Table().by_pid.values() if process.alive and self._has(process.pid)]

    def _has(self, pid: int) -> bool:
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False
        return self.text.encode() in line and b"standin" not in line

    def launch(self, *habits: str) -> StdioLaunch:
        """A nasty server."""
        return StdioLaunch(command=sys.executable, args=("-S", NASTY, self.text, *habits))

    def gone(self) -> bool:
        """Wait until none is left."""
        return eventually(lambda: not self.pids())


def eventually(condition: Callable[[], object]) -> bool:
    """Whether the condition holds before the time is over."""
    deadline = time.monotonic() + 100
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


async def until(condition: Callable[[], object]) -> None:
    """Wait until the condition holds; the test's own timeout ends it."""
    while not condition():  # noqa: ASYNC110 - ends of processes that are not ours: there is no event
        await asyncio.sleep(0.005)


def open_fds() -> int:
    """How many descriptors this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def token() -> Iterator[Token]:
    """A token of this test's own; afterwards no process may have it."""
    token = Token()
    yield token
    left = token.pids()
    for pid in left:
        os.kill(pid, 9)
    assert not left


@pytest.fixture
def runtime() -> Iterator[Path]:
    """A runtime directory; afterwards no process may carry its mark."""
    path = Path(tempfile.mkdtemp(prefix="hub-"))
    yield path
    lock = path / client.LOCK_FILES[0]
    mark = lock.read_text() if lock.exists() else "none"
    left = [p.pid for p in proc.Table().by_pid.values() if p.alive and proc.marks(p)[0] == mark]
    shutil.rmtree(path)
    assert not left


@pytest.fixture
async def spawner(runtime: Path) -> AsyncIterator[Spawner]:
    """A spawner in this process, as the sidecar has it."""
    async with Spawner(runtime) as spawner:
        yield spawner
