"""When a process is taken for hung, and when not; what /proc says of one; the pipes of heartbeats."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bridge import heartbeat
from hubctl.errors import ProcessHung
from hubctl.run import heartbeats, watchdog
from hubctl.run.node import HEARTBEAT
from hubctl.run.watchdog import HELD_UP_SECONDS, START_SECONDS, Process, Watchdog, limit_of, look

LIMIT = 8.0
PID = 7


class World:
    """A process, a clock, and a watchdog that looks once a second."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.beats = False
        self.process: Process | None = Process("S", {"7": 0.0})
        self.watchdog = Watchdog(LIMIT, self._heard, lambda _: self.process, lambda: self.now)

    def _heard(self, pid: int) -> bool:
        assert pid == PID
        return self.beats

    def second(self, seconds: float = 1.0) -> bool:
        """Let time pass and look; return whether the process is hung."""
        self.now += seconds
        return [pid for pid, _ in self.watchdog.check(lambda: [PID])] == [PID]

    def hung_after(self, most: int = 100) -> int | None:
        """The seconds after which it is hung; None if it is not after `most`."""
        return next((n for n in range(1, most + 1) if self.second()), None)


@pytest.fixture
def world() -> World:
    """One whose process has written once."""
    made = World()
    made.beats = True
    assert not made.second()
    made.beats = False
    return made


@pytest.mark.parametrize("state", ["S", "T", "R"])
def test_a_silent_process_is_hung_after_the_limit(world: World, state: str) -> None:
    """Whether it sleeps (a deadlock), is stopped (SIGSTOP) or runs (a busy loop)."""
    world.process = Process(state, {"7": 5.0})
    assert world.hung_after() == LIMIT


def test_one_that_writes_now_and_then_is_not(world: World) -> None:
    """The silence ends with each heartbeat."""
    for _ in range(5):
        assert world.hung_after(7) is None
        world.beats = True
        assert not world.second()
        world.beats = False
    assert world.hung_after() == LIMIT


@pytest.mark.parametrize("state", ["D", "t", "Z"])
def test_one_that_cannot_write_is_not(world: World, state: str) -> None:
    """It waits for a disk, is held by a debugger, or has ended. What it is silent afterwards counts."""
    world.process = Process(state, {"7": 0.0})
    assert world.hung_after() is None
    world.process = Process("S", {"7": 0.0})
    assert world.hung_after() == LIMIT


def test_waiting_for_a_processor_does_not_count(world: World) -> None:
    """On a busy machine: of each second one thread waited 0.8 s, so 8 s of silence take about 36 s."""
    for second in range(1, 35):
        world.process = Process("R", {"7": 0.8 * second, "8": 0.1 * second})
        assert not world.second()
    assert world.hung_after() is not None


def test_time_in_which_the_supervisor_did_not_run_counts_for_nobody(world: World) -> None:
    """A frozen container, a suspended machine, SIGSTOP of the supervisor: what was counted before is forgotten."""
    assert world.hung_after(6) is None
    assert not world.second(3600)
    assert not world.second(HELD_UP_SECONDS + 0.1)
    assert world.hung_after() == LIMIT


def test_a_start_may_take_longer(world: World) -> None:
    """Until the first heartbeat."""
    fresh = World()
    assert fresh.hung_after() == START_SECONDS


def test_it_looks_at_most_once_a_second(world: World) -> None:
    """supervisord's loop runs for each line of output."""
    world.process = None
    for _ in range(70):
        assert not world.second(0.1)
    assert world.hung_after() == 1


def test_a_new_process_begins_anew(world: World) -> None:
    """What is not running any more is forgotten."""
    assert world.hung_after(7) is None
    world.now += 1
    assert list(world.watchdog.check(list)) == []
    assert world.hung_after() == START_SECONDS


def test_what_proc_says(tmp_path: Path) -> None:
    """The state stands after the name, which may hold anything; each thread's second number is its waiting in ns."""
    directory = tmp_path / "9"
    for thread, text in (("9", "100 2500000000 3\n"), ("10", "0 0 0\n"), ("11", "")):
        (directory / "task" / thread).mkdir(parents=True)
        (directory / "task" / thread / "schedstat").write_text(text)
    (directory / "stat").write_text("9 (a) R (b) T 1 9 9 0\n")
    assert look(9, tmp_path) == Process("T", {"9": 2.5, "10": 0.0})
    assert look(10, tmp_path) is None
    own = look(os.getpid())
    assert own is not None
    assert own.state == "R"


@pytest.mark.outside
def test_a_pipe_for_each_child() -> None:
    """What a child writes is heard once; nothing is heard of one that ended, and no descriptor is left."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    pipes = heartbeats.Heartbeats()
    pid = pipes.fork()
    if not pid:
        os.write(pipes.own or -1, b"..")
        signal.pause()
    while not pipes.heard(pid):
        pass
    assert not pipes.heard(pid)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert not pipes.heard(pid)
    pipes.forget(pid)
    assert not pipes.heard(pid)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.outside
def test_what_each_kind_of_program_writes() -> None:
    """At once, in Python and on Node; what they start inherits neither variable nor pipe."""
    main = "async def main():\n    heartbeat.start()\nasyncio.run(main())"
    python = f"import asyncio, os\nfrom bridge import heartbeat\n{main}"
    acceptor = "from acceptor import heartbeat, loop; import os; heartbeat.start(loop.Loop())"
    programs = (
        [sys.executable, "-c", f"{python}\nassert {heartbeats.VARIABLE!r} not in os.environ"],
        [sys.executable, "-c", f"{acceptor}; assert {heartbeats.VARIABLE!r} not in os.environ"],
        ["node", "--import", HEARTBEAT.as_uri(), "-e", f"process.exit({heartbeats.VARIABLE!r} in process.env ? 1 : 0)"],
    )
    for argv in programs:
        reader, writer = os.pipe()
        environment = {**os.environ, heartbeats.VARIABLE: str(writer)}
        subprocess.run(argv, env=environment, pass_fds=[writer], check=True, timeout=100)
        os.close(writer)
        assert os.read(reader, 10) == b".", argv
        os.close(reader)


async def test_a_heartbeat_goes_on_until_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full pipe does not end it; one without a reader does."""
    monkeypatch.setattr(heartbeat, "INTERVAL", 0.0)
    reader, writer = os.pipe2(os.O_NONBLOCK)
    heartbeat.start({heartbeat.VARIABLE: str(writer)})
    heartbeat.start({})
    while len(os.read(reader, 100)) < 3:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, bytes(4096))
    for _ in range(3):
        await asyncio.sleep(0)
    os.read(reader, 65536)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert os.read(reader, 100).startswith(b".")
    os.close(reader)
    os.close(writer)


def test_the_setting() -> None:
    """What `hubctl run` exports."""
    assert [limit_of(value) for value in ("off", "", "5.0")] == [None, watchdog.DEFAULT_SECONDS, 5.0]


def test_one_name_for_one_thing() -> None:
    """supervisord imports none of the hub's packages, so it has copies."""
    assert heartbeats.VARIABLE == heartbeat.VARIABLE
    assert ProcessHung.code == watchdog.CODE


def test_each_python_program_writes_heartbeats() -> None:
    """The watchdog ends one that does not, a minute after its start: all in supervisord.conf but one have to."""
    root = Path(__file__).parents[4]
    commands = re.findall(r"^command = .* -m (\w+)(?: .*)?$", (root / "supervisord.conf").read_text(), re.MULTILINE)
    packages = set(commands) - {"hubctl"}  # `hubctl watch`: supervise.UNWATCHED
    assert {"yamcp_ui_adapter", "sidecar", "recorder"} <= packages
    silent = [
        package
        for package in sorted(packages)
        if not any("heartbeat.start(" in path.read_text() for path in (root / package).glob("*.py"))
    ]
    assert silent == []
