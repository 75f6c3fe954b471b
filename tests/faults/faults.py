"""The faults: what each does, and what it is about. A fault returns when its cause is gone. Times in seconds."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from bench.session import HttpSession, SessionError
from tests.faults import remote_server, stdio_server
from tests.faults.clients import CLIENT_FAULTS
from tests.faults.scene import CALL_TIMEOUT, FAULTY, FAULTY_REMOTE, Scene

Fault = Callable[[Scene], Awaitable[None]]

SECONDS = float(os.environ.get("HUB_FAULTS_SECONDS", "0.5"))
"""How long a fault lasts, at least."""
LONGER = CALL_TIMEOUT + 0.5
"""How long those last that are over only when a call has timed out."""
_TIMES_OUT = {"never", "for_another", "late", "half_a_frame", "does_not_read", "stall", "drip", "endless_head"}


def _seconds(kind: str) -> float:
    return max(SECONDS, LONGER) if kind in _TIMES_OUT else SECONDS


async def _misbehave(kind: str, at: Scene) -> None:
    """Tell the stdio server, by a call, to have the fault."""
    seconds = _seconds(kind)
    session = HttpSession(at.hub.http("w"))
    await session.open()
    try:
        arguments = {"kind": kind, "seconds": seconds}
        with contextlib.suppress(SessionError):  # it may end before its answer is read
            await session.request("tools/call", {"name": f"{FAULTY}_misbehave", "arguments": arguments})
    finally:
        await session.close()
    await asyncio.sleep(seconds)


async def _misbehave_remotely(kind: str, at: Scene) -> None:
    """Tell the remote server to have the fault."""
    seconds = _seconds(kind)
    await asyncio.to_thread(at.remote.misbehave, kind, seconds)
    await asyncio.sleep(seconds)


async def _killed(at: Scene) -> None:
    """`kill -9` of the server."""
    for pid in (await at.hub.server(FAULTY)).pids:
        os.kill(pid, signal.SIGKILL)
    await asyncio.sleep(SECONDS)


async def _stopped(at: Scene) -> None:
    """SIGSTOP of the server, then SIGCONT."""
    pids = (await at.hub.server(FAULTY)).pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(LONGER)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # the hub may have ended it meanwhile
            os.kill(pid, signal.SIGCONT)


FAULTS: Mapping[str, tuple[str, Fault]] = {
    "kill -9 of a server": (FAULTY, _killed),
    "SIGSTOP of a server": (FAULTY, _stopped),
    **{f"stdio: flood of {kind}": (FAULTY, partial(_misbehave, kind)) for kind in stdio_server.FLOODS},
    **{f"stdio: answer {kind}": (FAULTY, partial(_misbehave, kind)) for kind in stdio_server.ANSWERS},
    **{f"stdio: {kind}": (FAULTY, partial(_misbehave, kind)) for kind in stdio_server.STOPS},
    **{f"remote: {kind}": (FAULTY_REMOTE, partial(_misbehave_remotely, kind)) for kind in remote_server.KINDS},
    **{name: ("", fault) for name, fault in CLIENT_FAULTS.items()},
}
"""The server that each is about (empty: it is about a client), and the fault."""
