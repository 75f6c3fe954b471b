"""When servers are looked at, and what is found; tests/integration/spawner/test_limits.py has real processes."""

import os

import pytest

from sidecar.limits.limits import MEMORY, PIDS, Limits
from sidecar.spawner import proc, watch
from sidecar.spawner.server import CLOSING, Server
from sidecar.spawner.watch import MEMORY_INTERVAL, PIDS_INTERVAL, Watch

pytestmark = pytest.mark.outside
MB = 1 << 20


class World:
    """A machine with a table of processes that tests make, and counts how often it is read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.last_pid = 100
        self.tables = 0
        self.threads = 1
        self.memory = self.shared = 0
        self.watch = Watch(lambda: self.last_pid)
        monkeypatch.setattr(proc, "Table", self._table)
        monkeypatch.setattr(proc, "memory", lambda process: self.memory)
        monkeypatch.setattr(proc, "shared_memory", lambda process: self.shared)
        monkeypatch.setattr(Server, "family", lambda one, table, roots: [self._process()])

    def server(self, **limits: int) -> Server:
        """A server with limits."""
        return Server(1, 10, "x", Limits(**limits), None)

    def _table(self) -> None:
        self.tables += 1

    def _process(self) -> proc.Process:
        found = proc.read(os.getpid())
        assert found
        found.threads = self.threads
        return found


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A machine of its own."""
    return World(monkeypatch)


def test_nothing_to_watch(world: World) -> None:
    """Servers without limits, or that are being stopped, cost nothing."""
    stopping = world.server(pids=1)
    stopping.phase = CLOSING
    assert world.watch.timeout([world.server(open_files=3, cpus=1), stopping], 0) is None
    assert world.watch.look([stopping], set(), 9) == []
    assert world.tables == 0


def test_the_table_is_read_only_if_a_limit_can_be_exceeded(world: World) -> None:
    """That needs as many forks on the machine as are left to the server."""
    one = world.server(pids=50)
    world.threads = 10
    assert world.watch.look([one], set(), 0) == []
    assert world.watch.timeout([one], 0) == PIDS_INTERVAL
    for forks, tables in ((39, 1), (40, 1), (41, 2)):
        world.last_pid = 100 + forks
        assert world.watch.look([one], set(), forks) == []
        assert world.tables == tables, forks
    world.last_pid, world.threads = 5, 51  # pids began anew
    assert world.watch.look([one], set(), 100) == [(one, PIDS)]


def test_memory_is_read_at_each_look(world: World) -> None:
    """And the table only after forks. What processes share counts once."""
    one = world.server(memory=100 * MB)
    assert world.watch.look([one], set(), 0) == []
    assert world.watch.timeout([one], 0) == MEMORY_INTERVAL
    world.memory, world.shared = 101 * MB, 99 * MB
    assert world.watch.look([one], set(), 1) == []
    assert world.watch.look([one], set(), 1.05) == []
    world.shared = 101 * MB
    assert world.watch.look([one], set(), 1.09) == [], "not yet time"
    assert world.watch.look([one], set(), 1.2) == [(one, MEMORY)]
    assert world.tables == 1
    world.last_pid += 1
    world.watch.look([one], set(), 2)
    assert world.tables == 2


def test_a_new_server_shortens_the_time(world: World) -> None:
    """One with a memory limit beside one without."""
    slow = world.server(pids=50)
    world.watch.look([slow], set(), 0)
    assert world.watch.timeout([slow, world.server(memory=MB)], 0) == MEMORY_INTERVAL


def test_real_figures() -> None:
    """Of this process: /proc has all that the watch needs."""
    me = proc.read(os.getpid())
    assert me
    assert proc.last_pid() > 0
    assert me.threads >= 1
    assert 0 < proc.shared_memory(me) <= proc.memory(me) + 4 * MB
    gone = proc.read(os.getpid())
    assert gone
    gone.pid = 1 << 30
    assert (proc.memory(gone), proc.shared_memory(gone)) == (0, 0)
    assert watch.MEMORY_INTERVAL < watch.PIDS_INTERVAL
