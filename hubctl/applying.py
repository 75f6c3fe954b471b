"""Waiting until a change of the desired state is in force, and until the servers that it concerns have started."""

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
"""Seconds that a change is given to be applied."""
START_TIMEOUT = 10
"""Seconds that servers that a change starts are waited for."""
POLL = 0.05
"""Seconds between two looks at whether it is so."""


async def in_force(context: Context, wanted: SnapshotId, otherwise: str) -> Status:
    """The status once the sidecar has carried out this snapshot or a newer one.

    Raises:
        NotApplied: it has not within `APPLY_TIMEOUT`; the message is `otherwise`.
    """
    try:
        async with asyncio.timeout(APPLY_TIMEOUT), context.actual() as hub:
            while True:
                status = await hub.request(ReadStatus())
                if status.applied and not wanted.newer_than(status.applied):
                    return status
                await asyncio.sleep(POLL)
    except (TimeoutError, PeerUnavailable):
        raise NotApplied(otherwise) from None


async def started(context: Context, keys: Iterable[str]) -> Status:
    """The status once none of these servers starts for the first time, or after `START_TIMEOUT`."""
    deadline, wanted = time.monotonic() + START_TIMEOUT, set(keys)
    async with context.actual() as hub:
        while True:
            status = await hub.request(ReadStatus())
            if time.monotonic() > deadline or not any(starts(by_key(status).get(key)) for key in wanted):
                return status
            await asyncio.sleep(POLL)


def starts(server: ServerStatus | None) -> bool:
    """Whether a server is being started, and no start of it has failed yet."""
    return server is not None and server.state == "starting" and not server.attempts
