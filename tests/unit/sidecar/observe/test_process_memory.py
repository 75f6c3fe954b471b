"""Memory of process trees, from a /proc of our own and from the real one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sidecar.observe import process_memory


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty /proc."""
    monkeypatch.setattr(process_memory, "PROC", tmp_path)
    return tmp_path


def process(proc: Path, pid: int, parent: int, kilobytes: int, name: bytes = b"name") -> None:
    """Adds a process."""
    (proc / str(pid)).mkdir()
    (proc / str(pid) / "stat").write_bytes(b"%d (%s) S %d 0 0" % (pid, name, parent))
    (proc / str(pid) / "smaps_rollup").write_text(f"00-ff ---p\nRss: 9 kB\nPss:  {kilobytes} kB\nPss_Dirty: 1 kB\n")


def test_trees(proc: Path) -> None:
    """A process counts with all its descendants, whatever their names."""
    process(proc, 1, 0, 1000)
    process(proc, 10, 1, 5, b"a) (b")
    process(proc, 11, 10, 7, b"\xff\xfe")
    process(proc, 12, 11, 11)
    (proc / "self").mkdir()
    (proc / "99").mkdir()
    assert process_memory.trees([10, 11, 77]) == {10: 23 * 1024, 11: 18 * 1024, 77: 0}


def test_nested_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that nests more processes than Python nests calls is measured, too."""
    monkeypatch.setattr(process_memory, "_children", lambda: {pid: [pid + 1] for pid in range(1, 5000)})
    monkeypatch.setattr(process_memory, "_pss", lambda pid: 1)
    assert process_memory.trees([1]) == {1: 5000}


def test_nothing_to_measure(proc: Path) -> None:
    """Without processes nothing is read; one without figures counts nothing."""
    assert process_memory.trees([]) == {}
    process(proc, 10, 1, 5)
    (proc / "10" / "smaps_rollup").write_text("nothing here\n")
    assert process_memory.trees([10]) == {10: 0}


def test_this_process() -> None:
    """The real /proc gives a likely figure."""
    assert process_memory.trees([os.getpid()])[os.getpid()] > 10_000_000
