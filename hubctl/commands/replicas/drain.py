"""`hubctl drain`: have this replica hand its sessions to the others, and finish its calls, before it is stopped."""

from __future__ import annotations

import asyncio

from bridge.models import Drain
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
        left = count(state.busy, "connection")
        context.say(f"{left} still in use after {state.seconds:.1f} s; a stop ends the calls.")
    else:
        context.say(f"This replica has nothing in progress after {state.seconds:.1f} s: stop it now.")
    return STILL_BUSY if state.busy else 0
