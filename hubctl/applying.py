"""Wait until the sidecar has applied a change of the configuration, and until the affected servers have started."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from bridge.errors import PeerUnavailable
from bridge.models import ReadStatus, ServerStatus, SnapshotId, Status
from hubctl.context import Context
from hubctl.errors import NotApplied
from hubctl.render import by_key

APPLY_TIMEOUT = 10
"""How long the sidecar has to apply a change, in seconds."""
START_TIMEOUT = 10
"""How long to wait for servers that a change starts, in seconds."""
POLL_SECONDS = 0.05
"""Seconds between two requests for the status."""


async def wait_applied(context: Context, wanted: SnapshotId, otherwise: str) -> Status:
    """Wait for this snapshot, or a newer one, to be applied, and return the status at that time.

    Raises:
        NotApplied: the sidecar did not apply it within `APPLY_TIMEOUT`; `otherwise` becomes the error's message.
    """
    try:
        async with asyncio.timeout(APPLY_TIMEOUT), context.actual() as hub:
            while True:
                status = await hub.request(ReadStatus())
                if status.applied and not wanted.newer_than(status.applied):
                    return status
                await asyncio.sleep(POLL_SECONDS)
    except (TimeoutError, PeerUnavailable):
        raise NotApplied(otherwise) from None


async def wait_started(context: Context, keys: Iterable[str]) -> Status:
    """Return the status once none of these servers is in its first start, or after `START_TIMEOUT`."""
    deadline, wanted = time.monotonic() + START_TIMEOUT, set(keys)
    async with context.actual() as hub:
        while True:
            status = await hub.request(ReadStatus())
            if time.monotonic() > deadline or not any(is_starting(by_key(status).get(key)) for key in wanted):
                return status
            await asyncio.sleep(POLL_SECONDS)


def is_starting(server: ServerStatus | None) -> bool:
    """Return whether the server is starting and no attempt has failed yet."""
    return server is not None and server.state == "starting" and not server.attempts
