"""The faults: what each does, and what it is about. A fault returns when its cause is gone. Times in seconds."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from itertools import zip_longest

import psutil

from bench.session import HttpSession, SessionError
from tests.acceptance.steps import pids, until
from tests.faults import remote_server, stdio_server
from tests.faults.clients import CLIENT_FAULTS
from tests.faults.scene import BACK_WITHIN, CALL_TIMEOUT, FAULTY, FAULTY_REMOTE, SLACK, Fault, Scene

SECONDS = float(os.environ.get("HUB_FAULTS_SECONDS", "0.5"))
"""How long a fault lasts, at least."""
LONGER = CALL_TIMEOUT + 0.5
"""How long those last that are over only when a call has timed out."""
_TIMES_OUT = {"never", "for_another", "late", "half_a_frame", "does_not_read", "stall", "drip", "endless_head"}


def _seconds(kind: str) -> float:
    return max(SECONDS, LONGER) if kind in _TIMES_OUT else SECONDS


async def _tell(kind: str, seconds: float, at: Scene) -> None:
    """Tell the stdio server, by a call, to have the fault."""
    session = HttpSession(at.hub.http("w"))
    await session.open()
    try:
        arguments = {"kind": kind, "seconds": seconds}
        with contextlib.suppress(SessionError):  # it may end before its answer is read
            await session.request("tools/call", {"name": f"{FAULTY}_misbehave", "arguments": arguments})
    finally:
        await session.close()


async def _misbehave(kind: str, at: Scene) -> None:
    """Let the stdio server have the fault."""
    await _tell(kind, _seconds(kind), at)
    await asyncio.sleep(_seconds(kind))


async def _misbehave_remotely(kind: str, at: Scene) -> None:
    """Let the remote server have the fault."""
    seconds = _seconds(kind)
    await asyncio.to_thread(at.remote.misbehave, kind, seconds)
    await asyncio.sleep(seconds)


async def _exceed(kind: str, code: str, at: Scene) -> None:
    """Let the stdio server exceed a limit: it alone is ended for it, with all its processes, and started again."""
    before, logged = await pids(at.hub), len(at.hub.log("sidecar"))
    await _tell(kind, 60, at)
    after = await until(
        lambda: pids(at.hub), lambda now: now[FAULTY] and now[FAULTY] != before[FAULTY], BACK_WITHIN + SLACK
    )
    assert {key for key in before if sorted(before[key]) != sorted(after[key])} == {FAULTY}
    await until(lambda: _processes_of(at, FAULTY), lambda left: left == set(after[FAULTY]), BACK_WITHIN + SLACK)
    assert code in at.hub.log("sidecar")[logged:]


async def _processes_of(at: Scene, server: str) -> set[int]:
    """The processes that a server and its descendants are."""
    found = set()
    for process in psutil.Process(at.hub.pid("sidecar")).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if process.environ().get("TEST_SERVER") == server and process.status() != psutil.STATUS_ZOMBIE:
                found.add(process.pid)
    return found


async def _killed(at: Scene) -> None:
    """`kill -9` of the server."""
    for pid in (await at.hub.server(FAULTY)).pids:
        os.kill(pid, signal.SIGKILL)
    await asyncio.sleep(SECONDS)


async def _stopped(at: Scene) -> None:
    """SIGSTOP of the server, then SIGCONT."""
    stopped = (await at.hub.server(FAULTY)).pids
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(LONGER)
    for pid in stopped:
        with contextlib.suppress(ProcessLookupError):  # the hub may have ended it meanwhile
            os.kill(pid, signal.SIGCONT)


def _of_stdio(what: str, kinds: Collection[str]) -> Iterator[Fault]:
    for kind in kinds:
        yield Fault(f"stdio: {what}{kind}", FAULTY, _seconds(kind), partial(_misbehave, kind))


FAULTS: Mapping[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault("kill -9 of a server", FAULTY, SECONDS, _killed),
        Fault("SIGSTOP of a server", FAULTY, LONGER, _stopped),
        *_of_stdio("flood of ", stdio_server.FLOODS),
        Fault("stdio: leaks", FAULTY, SECONDS, partial(_exceed, "leaks", "SERVER_MEMORY_LIMIT")),
        Fault("stdio: forks", FAULTY, SECONDS, partial(_exceed, "forks", "SERVER_PROCESS_LIMIT")),
        *_of_stdio("", stdio_server.STOPS),
        *_of_stdio("answer ", stdio_server.ANSWERS),
        *(
            Fault(f"remote: {kind}", FAULTY_REMOTE, _seconds(kind), partial(_misbehave_remotely, kind))
            for kind in remote_server.KINDS
        ),
        *(Fault(name, "", SECONDS, do) for name, do in CLIENT_FAULTS.items()),
    )
}


def rounds() -> list[tuple[Fault, ...]]:
    """All faults, up to three at a time: of the stdio server, the remote server, and a client. Long ones come first."""
    lanes: dict[str, list[Fault]] = {FAULTY: [], FAULTY_REMOTE: [], "": []}
    for fault in sorted(FAULTS.values(), key=lambda fault: -fault.seconds):
        lanes[fault.about].append(fault)
    return [tuple(filter(None, faults)) for faults in zip_longest(*lanes.values())]
