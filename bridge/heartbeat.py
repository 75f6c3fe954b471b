"""Heartbeats of the hub's processes on asyncio: a process whose event loop stops writing them is hung.

The supervisor (`hubctl/run/watchdog.py`) gives each process a pipe and ends one that has not written for HUB_WATCHDOG
seconds. The acceptor (`acceptor/heartbeat.py`) and the programs on Node (`front/server/heartbeat.mjs`) do the same.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import MutableMapping

VARIABLE = "YAMCP_HUB_HEARTBEAT_FD"
"""Environment variable with the descriptor of the pipe; it is not set if nobody listens."""
INTERVAL = 2.0
"""Seconds between two heartbeats."""
BEAT = b"."


def start(environment: MutableMapping[str, str] = os.environ) -> None:
    """Write heartbeats from the running event loop for as long as it runs; does nothing without the variable.

    Processes that this one starts inherit neither the variable nor the pipe.
    """
    if (value := environment.pop(VARIABLE, None)) is not None:
        descriptor = int(value)
        os.set_inheritable(descriptor, False)
        _beat(asyncio.get_running_loop(), descriptor)


def _beat(loop: asyncio.AbstractEventLoop, descriptor: int) -> None:
    try:
        os.write(descriptor, BEAT)
    except BlockingIOError:  # full: the supervisor has been stopped for hours
        pass
    except OSError:  # the supervisor has ended
        return
    loop.call_later(INTERVAL, _beat, loop, descriptor)
