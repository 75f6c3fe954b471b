"""Waiting for servers that are in their first start, on behalf of a client that needs what they offer.

`start_timeout` is how long a server may take, which may be longer than the client waits for an answer: SDKs give a
request up after 60 s, unless they are told of progress. So whoever asked for progress is told of it while it waits, and
waits for `start_timeout`; anybody else is answered in time with what is known.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress

from sidecar.errors import SidecarError, StartTimeout, StillStarting
from sidecar.upstream.mux import Progress
from sidecar.upstream.upstream import RECONNECT_WAIT, Upstream

BEAT = 5.0
"""Seconds between two progress notifications to a client that waits for a server to start."""
UNTOLD = 45.0
"""Most seconds that a request waits which did not ask for progress."""
STEP = 1e-9
"""By which each of these notifications says more: progress has to increase, and the server's own is yet to come."""


async def first_tries(upstreams: Iterable[Upstream], tell: Progress | None = None, most: float | None = None) -> bool:
    """Wait until these servers were started once, well or badly, as long as each may take; whether there was one.

    `tell` sends progress to the client, if it asked for it; without it the wait is `most` (UNTOLD) seconds at most.
    """
    waiting = [upstream for upstream in upstreams if not upstream.first_attempt_over]
    if not waiting:
        return False
    longest = max(upstream.spec.settings.start_timeout for upstream in waiting)
    clock = asyncio.get_running_loop().time
    deadline, beats = clock() + (longest if tell else min(longest, UNTOLD if most is None else most)), 0
    while waiting and (left := deadline - clock()) > 0:
        with suppress(TimeoutError):
            async with asyncio.timeout(min(left, BEAT)):
                for upstream in waiting:
                    await upstream.wait_first_attempt()
        waiting = [upstream for upstream in waiting if not upstream.first_attempt_over and upstream.state != "stopped"]
        if waiting and tell:
            beats += 1
            names = ", ".join(repr(upstream.spec.key) for upstream in waiting)
            tell({"progress": beats * STEP, "message": f"Waiting for the start of {names}."})
    return True


async def started(upstream: Upstream, tell: Progress | None) -> None:
    """Wait until a server is ready: for its first start as long as that may take, else for a short time.

    Raises:
        StillStarting: its first start is not over.
        ServerUnavailable: it is not ready, and will not be shortly.
    """
    await first_tries([upstream], tell)
    if not upstream.first_attempt_over:
        raise still_starting([upstream])
    await upstream.ready(RECONNECT_WAIT)


def unknown(upstreams: Iterable[Upstream]) -> SidecarError | None:
    """Why it is not known what there is: that a server is starting whose lists were never read."""
    starting = [upstream for upstream in upstreams if upstream.state == "starting" and upstream.catalog is None]
    slow = [
        upstream
        for upstream in starting
        if upstream.reason is None or not upstream.first_attempt_over or upstream.reason.code == StartTimeout.code
    ]
    return still_starting(slow) if slow else None


def still_starting(upstreams: list[Upstream]) -> StillStarting:
    """The error for a client that asks for what these servers may offer."""
    first = upstreams[0].spec
    limits = f"may take {first.settings.start_timeout:g} s (`start_timeout`)"
    names = ", ".join(repr(upstream.spec.key) for upstream in upstreams)
    return StillStarting(
        f"What is asked for may be offered by a server that is still starting: {names}, which {limits}.",
        hint="Ask again in some seconds; `hubctl status` shows what it waits for.",
    )
