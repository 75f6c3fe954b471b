"""Processes as /proc shows them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from sidecar.spawner import proc

pytestmark = pytest.mark.outside


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process in a session of its own, named so that its stat line is hard to read."""
    code = "import sys; open('/proc/self/comm', 'w').write('a) Z (b'); print(flush=True); sys.stdin.read()"
    pipe = subprocess.PIPE
    env = {proc.HUB_MARK: "hub", proc.INSTANCE_MARK: "one=1"}
    with subprocess.Popen(
        [sys.executable, "-S", "-c", code], stdin=pipe, stdout=pipe, start_new_session=True, env=env
    ) as process:
        assert process.stdout
        process.stdout.readline()
        yield process
        process.kill()


def test_read(sleeper: subprocess.Popen[bytes]) -> None:
    """Parent, group, session and state are read whatever the process's name; of no process, nothing."""
    process = proc.read(sleeper.pid)
    assert process
    assert (process.ppid, process.group, process.session) == (os.getpid(), sleeper.pid, sleeper.pid)
    assert process.alive
    assert proc.read(0) is None


def test_marks(sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """The marks are read from the environment; processes without, or without any, have empty ones."""
    process = proc.read(sleeper.pid)
    assert process
    assert proc.marks(process) == ("hub", "one=1")
    kernel = proc.read(2) or process
    kernel.pid = 2 if kernel is not process else 0
    assert proc.marks(kernel) == ("", "")


def test_table(sleeper: subprocess.Popen[bytes]) -> None:
    """Descendants and ancestors are found; a group is whole only if all its members are meant."""
    table = proc.Table()
    assert sleeper.pid in {process.pid for process in table.descendants(os.getpid())}
    assert {os.getpid(), sleeper.pid} <= table.ancestors(sleeper.pid)
    process, me = table.by_pid[sleeper.pid], table.by_pid[os.getpid()]
    assert table.whole_groups([process]) == {sleeper.pid}
    me.group = sleeper.pid
    assert table.whole_groups([process]) == set()


def test_torn_table(sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """A process whose parent went away while the table was read is read again."""
    real, first = proc.read, []

    def read(pid: int) -> proc.Process | None:
        process = real(pid)
        if process and pid == sleeper.pid and not first:
            first.append(pid)
            process.ppid = 4_000_000
        return process

    monkeypatch.setattr(proc, "read", read)
    assert proc.Table().by_pid[sleeper.pid].ppid == os.getpid()


@pytest.mark.parametrize("pidfd", [True, False])
def test_signal(sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch, pidfd: bool) -> None:
    """A signal reaches its process, never another that has the pid now; without pidfd, too."""
    if not pidfd:
        monkeypatch.setattr(os, "pidfd_open", refuse)
    process = proc.read(sleeper.pid)
    assert process
    process.start += 1
    proc.send_signal(process, signal.SIGKILL)
    process.start -= 1
    assert sleeper.poll() is None
    proc.terminate([process])
    assert sleeper.wait() == -signal.SIGTERM
    proc.send_signal(process, signal.SIGKILL)
    proc.kill(proc.Table(), [process])


def refuse(pid: int) -> int:
    raise OSError(38, "Function not implemented")


def test_children_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the kernel does not list children, that is told apart from having none."""
    assert proc.own_children() is not None
    monkeypatch.setattr(os, "getpid", lambda: 4_000_000)
    assert proc.own_children() is None
