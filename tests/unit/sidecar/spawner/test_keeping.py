"""The door at which a spawner without a sidecar waits; tests/integration/spawner/test_kept.py has real ones."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import time
from pathlib import Path

import pytest

from sidecar.spawner.keep import keeping
from sidecar.spawner.keep.keeping import KEEP_TIME, Door, Kept, hand_over
from sidecar.spawner.keep.kept import Inherited, knock

DOOR = "spawner.sock"
pytestmark = pytest.mark.outside


def test_private(tmp_path: Path) -> None:
    """Nobody else may even connect, and a file that was left there does not matter."""
    path = tmp_path / DOOR
    path.write_text("left")
    door = Door(str(path))
    door.open()
    door.open()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    door.close()
    assert not path.exists()
    assert knock(tmp_path / DOOR) is None


def test_same_user_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The uid of the other side decides, for both."""
    door = Door(str(tmp_path / DOOR))
    assert door.accept() is None
    door.open()
    assert door.accept() is None
    found = knock(tmp_path / DOOR)
    assert found
    assert found[1].pid == os.getpid()
    link = door.accept()
    assert link
    monkeypatch.setattr(keeping.os, "getuid", lambda: 4711)
    assert knock(tmp_path / DOOR) is None
    with socket.socket(socket.AF_UNIX) as other:
        other.connect(str(tmp_path / DOOR))
        assert [door.accept(), door.accept()] == [None, None]  # the first is the one that knocked in vain
        assert other.recv(1) == b""
    for end in (*found[:1], link):
        end.close()
    door.close()


def test_waits_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No longer than KEEP_TIME, while who starts sidecars is there."""
    door = Door(str(tmp_path / DOOR))
    assert not door.in_vain()
    now = time.monotonic()
    monkeypatch.setattr(keeping.time, "monotonic", lambda: now)
    door.begin_to_wait()
    assert not door.in_vain()
    now += KEEP_TIME
    assert door.in_vain()
    now = 0.0
    door.note_sidecar(os.getpid())
    assert not door.in_vain()


def test_hand_over() -> None:
    """Messages arrive whole with their descriptors; a side that does not take them is given up."""
    ours, theirs = socket.socketpair()
    readable, writable = os.pipe()
    hand_over(ours, [(("kept", 1), [readable, writable]), (("ready", "m", 2), [])])
    data, fds, _, _ = socket.recv_fds(theirs, 1000, 8)
    assert len(fds) == 2
    assert b"kept" in data
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keeping, "SEND_TIMEOUT", 0.01)
        with pytest.raises(OSError, match="timed out"):
            hand_over(ours, [(("kept", "x" * 10_000_000), [])])
    kept = Kept("k", "i", fds)
    kept.close()
    kept.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fds[0] if fds else -1)
    for fd in (readable, writable):
        os.close(fd)
    ours.close()
    theirs.close()


def test_inherited() -> None:
    """Its end is seen, though it is no child; it can be killed."""
    with subprocess.Popen(["sleep", "600"]) as child:
        process = Inherited(child.pid)
        assert process.poll() is None
        process.kill()
        child.wait()
        assert process.poll() == -1
        process.kill()
