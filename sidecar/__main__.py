"""The sidecar process: `python -m sidecar`."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import sys

import uvloop

from bridge import heartbeat
from bridge.errors import HubError
from bridge.settings import load
from sidecar.app import App

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters of mallopt(3)."""
KEPT_HEAP_BYTES = 4 * 1024 * 1024
"""Bytes of freed memory at the end of the heap that glibc does not return to the system."""
MMAP_BYTES = 1024 * 1024
"""Size in bytes from which on glibc uses mmap for an allocation, and so returns it when it is freed."""


async def _main() -> None:
    heartbeat.start()
    await App(load()).run()


def main() -> int:
    """Run until SIGTERM or SIGINT. Returns the exit status: 2 if a setting is invalid or an address is in use."""
    keep_freed_memory()
    gc.collect()
    gc.freeze()  # exclude the imported modules: each full collection of them would block all clients for 80 ms
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_main())
    except HubError as error:
        sys.stderr.write(f"{error.code}: {error.message} {error.advice}\n")
        return 2
    return 0


def keep_freed_memory() -> None:
    """Make glibc keep some freed memory; does nothing with a C library without `mallopt`.

    By default glibc returns free memory at the end of the heap from 128 KiB on. Then each message of 64 kB causes about
    20 page faults, which take as long as parsing it.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_TRIM_THRESHOLD, KEPT_HEAP_BYTES)
        mallopt(M_MMAP_THRESHOLD, MMAP_BYTES)


if __name__ == "__main__":
    sys.exit(main())
