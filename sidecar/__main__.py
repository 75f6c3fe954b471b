"""The sidecar process: `python -m sidecar`."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import sys

import uvloop

from bridge.errors import HubError
from bridge.settings import load
from sidecar.app import App

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters of mallopt(3)."""
KEPT = 4 * 1024 * 1024
"""Bytes of freed memory at the end of the heap that glibc keeps."""
MAPPED = 1024 * 1024
"""Bytes from which on glibc maps an allocation by itself, and gives it back as soon as it is freed."""


async def _main() -> None:
    await App(load()).run()


def main() -> int:
    """Run until SIGTERM or SIGINT; 2 when a setting cannot be used."""
    keep_freed_memory()
    gc.collect()
    gc.freeze()  # what was imported stays: to look through it for garbage held every client up for 80 ms each time
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_main())
    except HubError as error:
        sys.stderr.write(f"{error.code}: {error.message} {error.advice}\n")
        return 2
    return 0


def keep_freed_memory() -> None:
    """Have glibc keep some freed memory; does nothing with a C library that has no `mallopt`.

    By default glibc gives the end of the heap back from 128 KiB on: each message of 64 kB takes new pages and gives
    them back, some 20 page faults, which costs as much as to parse it.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_TRIM_THRESHOLD, KEPT)
        mallopt(M_MMAP_THRESHOLD, MAPPED)


if __name__ == "__main__":
    sys.exit(main())
