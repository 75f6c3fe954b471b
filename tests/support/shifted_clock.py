"""Runs a program of the hub with a time of day that a test sets: `python -m tests.support.shifted_clock MODULE`.

TEST_CLOCK names a file with the seconds by which that time is ahead of the real one (`set_clock`). As when the
clock of a machine is set, `time.time` jumps and `time.monotonic` does not.
"""

from __future__ import annotations

import mmap
import os
import runpy
import struct
import sys
import time
from pathlib import Path

VARIABLE = "TEST_CLOCK"
_AHEAD = struct.Struct("=q")


def set_clock(path: Path, ahead: int) -> None:
    """Set the time of day of the programs that were started with this file, which it makes at the first time."""
    with path.open("r+b" if path.exists() else "w+b") as file:
        file.write(_AHEAD.pack(ahead))


def shift(path: Path) -> None:
    """Let this process's time of day be ahead as the file says."""
    with path.open("rb") as file:
        ahead = mmap.mmap(file.fileno(), _AHEAD.size, prot=mmap.PROT_READ)
    real, real_ns = time.time, time.time_ns

    def now() -> float:
        return real() + float(_AHEAD.unpack_from(ahead)[0])

    def now_ns() -> int:
        return real_ns() + int(_AHEAD.unpack_from(ahead)[0]) * 10**9

    time.time, time.time_ns = now, now_ns


if __name__ == "__main__":
    shift(Path(os.environ[VARIABLE]))
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
