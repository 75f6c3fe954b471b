"""Lets a client's request wait for servers that are starting for the first time.

A server may take `start_timeout` seconds, which may be longer than the client waits: SDKs cancel a request after 60 s
without progress. So a client that asked for progress gets notifications and may wait for `start_timeout`; any other
gets an answer in time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress

from sidecar.errors import SidecarError, StartTimeout, StillStarting
from sidecar.upstream.mux import Progress
from sidecar.upstream.upstream import RECONNECT_WAIT, Upstream

PROGRESS_SECONDS = 5.0
"""Seconds between two progress notifications to a client that waits for a server to start."""
WAIT_WITHOUT_PROGRESS = 45.0
"""Longest wait in seconds of a request without a progress token."""
PROGRESS_STEP = 1e-9
"""The difference between the progress values of these notifications: progress must increase (MCP, Progress), and the
server's own values must be able to follow."""


async def wait_first_attempts(
    upstreams: Iterable[Upstream], tell: Progress | None = None, most: float | None = None
) -> bool:
    """Wait until the first start of each server has succeeded or failed. Returns False if none was starting.

    `tell` sends progress to the client, if it asked for it; without it the wait is limited to `most` seconds, by
    default `WAIT_WITHOUT_PROGRESS`.
    """
    waiting = [upstream for upstream in upstreams if not upstream.first_attempt_over]
    if not waiting:
        return False
    longest = max(upstream.spec.settings.start_timeout for upstream in waiting)
    clock = asyncio.get_running_loop().time
    deadline, beats = clock() + (longest if tell else min(longest, WAIT_WITHOUT_PROGRESS if most is None else most)), 0
    while waiting and (left := deadline - clock()) > 0:
        with suppress(TimeoutError):
            async with asyncio.timeout(min(left, PROGRESS_SECONDS)):
                for upstream in waiting:
                    await upstream.wait_first_attempt()
        waiting = [upstream for upstream in waiting if not upstream.first_attempt_over and upstream.state != "stopped"]
        if waiting and tell:
            beats += 1
            names = ", ".join(repr(upstream.spec.key) for upstream in waiting)
            tell({"progress": beats * PROGRESS_STEP, "message": f"Waiting for the start of {names}."})
    return True


async def started(upstream: Upstream, tell: Progress | None) -> None:
    """Wait until a server is ready: for its first start as `wait_first_attempts`, else `RECONNECT_WAIT` seconds.

    Raises:
        StillStarting: its first start has not ended in time.
        ServerUnavailable: the server is not ready.
    """
    await wait_first_attempts([upstream], tell)
    if not upstream.first_attempt_over:
        raise still_starting([upstream])
    await upstream.ready(RECONNECT_WAIT)


def unknown(upstreams: Iterable[Upstream]) -> SidecarError | None:
    """The error for an unknown item if a server whose lists were never read is starting, else None."""
    starting = [upstream for upstream in upstreams if upstream.state == "starting" and upstream.catalog is None]
    slow = [
        upstream
        for upstream in starting
        if upstream.reason is None or not upstream.first_attempt_over or upstream.reason.code == StartTimeout.code
    ]
    return still_starting(slow) if slow else None


def still_starting(upstreams: list[Upstream]) -> StillStarting:
    """The error for a client that asks for an item that these servers may have."""
    first = upstreams[0].spec
    limits = f"may take {first.settings.start_timeout:g} s (`start_timeout`)"
    names = ", ".join(repr(upstream.spec.key) for upstream in upstreams)
    return StillStarting(
        f"What is asked for may be offered by a server that is still starting: {names}, which {limits}.",
        hint="Ask again in some seconds; `hubctl status` shows what it waits for.",
    )
