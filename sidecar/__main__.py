"""The sidecar process: `python -m sidecar`."""

from __future__ import annotations

import gc

if __name__ == "__main__":
    gc.disable()  # until all modules are imported: collections that find nothing are a tenth of that time

import argparse
import asyncio
import ctypes
import sys

import uvloop

from bridge import heartbeat
from bridge.errors import HubError
from bridge.settings import load
from sidecar.app import App
from sidecar.errors import SuccessionFailed

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters of mallopt(3)."""
KEPT_HEAP_BYTES = 4 * 1024 * 1024
"""Bytes of freed memory at the end of the heap that glibc does not return to the system."""
MMAP_BYTES = 1024 * 1024
"""Size in bytes from which on glibc uses mmap for an allocation, and so returns it when it is freed."""


GIVEN_UP = 3
"""The exit status of a sidecar that is not to be started again: another one serves (ADR 35, supervisord.conf)."""


async def _main(options: argparse.Namespace) -> int:
    heartbeat.start()
    app = App(load(), take_over=options.take_over, slot=options.slot)
    await app.run()
    return GIVEN_UP if app.replaced else 0


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT, or until another sidecar has taken over.

    Returns the exit status: 2 if a setting is invalid or an address is in use, GIVEN_UP if another sidecar serves.
    """
    options = _arguments(arguments)
    keep_freed_memory()
    gc.collect()
    gc.freeze()  # exclude the imported modules: each full collection of them would block all clients for 80 ms
    gc.enable()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_main(options))
    except HubError as error:
        sys.stderr.write(f"{error.code}: {error.message} {error.advice}\n")
        return GIVEN_UP if isinstance(error, SuccessionFailed) else 2


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sidecar", description=__doc__)
    parser.add_argument("--take-over", action="store_true", help="take over from the sidecar that serves, if any")
    parser.add_argument("--slot", type=int, choices=(0, 1), default=0, help="another than that sidecar's")
    return parser.parse_args(arguments)


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
