"""`hubctl drain`: have this replica hand its sessions to the others, and finish its calls, before it is stopped."""

from __future__ import annotations

import asyncio

from bridge.models import Drain, DrainState
from hubctl.context import Context
from hubctl.render import count

POLL_SECONDS = 0.2
STILL_BUSY = 1
"""The exit status where calls are in progress when the time is over."""


async def drain(context: Context) -> int:
    """Run `hubctl drain`: wait until the replica may be stopped.

    Raises:
        RemoteError: `REPLICAS_OFF`: this hub has no other replicas.
    """
    async with context.actual() as hub:
        state = await hub.request(Drain())
        while not state.done:
            await asyncio.sleep(POLL_SECONDS)
            state = await hub.request(Drain())
    if context.json:
        context.emit(state)
    elif state.busy:
        context.say(*_in_use(state))
    else:
        context.say(f"This replica has nothing in progress after {state.seconds:.1f} s: stop it now.")
    return STILL_BUSY if state.busy else 0


def _in_use(state: DrainState) -> tuple[str, ...]:
    """What to say where calls are in progress when the time is over: why, and what to do."""
    left = f"{count(state.busy, 'connection')} still in use after {state.seconds:.1f} s (HUB_DRAIN_TIMEOUT)."
    if not state.late:
        return (left, "A stop ends these calls, which have begun before; a longer HUB_DRAIN_TIMEOUT lets them finish.")
    return (
        left,
        f"{count(state.late, 'request')} came after HUB_DRAIN_SECONDS, so the load balancer still sends requests here.",
        "The sessions are handed over; a stop ends only what is in progress just then. Have the load balancer check",
        "/healthz?probe=readiness and send nothing to a replica that fails it, or set HUB_DRAIN_SECONDS to the time",
        "that it takes to notice.",
    )
