"""Heartbeats of the acceptor: the supervisor ends it if its event loop stops writing them (bridge/heartbeat.py)."""

from __future__ import annotations

import os
from collections.abc import MutableMapping

from acceptor.loop import Loop

VARIABLE = "YAMCP_HUB_HEARTBEAT_FD"
INTERVAL = 2.0
BEAT = b"."


def start(loop: Loop, environment: MutableMapping[str, str] = os.environ) -> None:
    """Write heartbeats from the loop for as long as it runs; does nothing without the variable."""
    if (value := environment.pop(VARIABLE, None)) is not None:
        _beat(loop, int(value))


def _beat(loop: Loop, descriptor: int) -> None:
    try:
        os.write(descriptor, BEAT)
    except BlockingIOError:  # full: the supervisor has been stopped for hours
        pass
    except OSError:  # the supervisor has ended
        return
    loop.later(INTERVAL, lambda: _beat(loop, descriptor))
