"""How the sidecar's process is set up."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from sidecar import __main__ as program


def test_freed_memory_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The C library is told not to give back at once what the next message needs again."""
    told: dict[int, int] = {}
    monkeypatch.setattr("ctypes.CDLL", lambda _: SimpleNamespace(mallopt=told.__setitem__))
    program.keep_freed_memory()
    assert told == {program.M_TRIM_THRESHOLD: program.KEPT_HEAP_BYTES, program.M_MMAP_THRESHOLD: program.MMAP_BYTES}


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only glibc has `mallopt`."""
    monkeypatch.setattr("ctypes.CDLL", lambda _: SimpleNamespace())
    program.keep_freed_memory()
