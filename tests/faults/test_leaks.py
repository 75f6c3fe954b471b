"""What is over leaves nothing: processes, descriptors, sessions and memory are what they were (issue 14)."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable

import psutil
import pytest
import pytest_asyncio

from bench.session import HttpSession, Session, SseSession
from bridge.models import Call
from tests.acceptance.steps import until
from tests.faults.results import record
from tests.faults.scene import stdio
from tests.support import sidecar
from tests.support.sidecar import Sidecar

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(1800)]

SCALE = float(os.environ.get("HUB_LEAKS_SCALE", "0.05"))
"""1: as many as issue 14 names."""
IDLE = 2
"""HUB_SESSION_IDLE_TIMEOUT, in seconds."""
MEMORY, SPARE = 0.10, 4.0
"""By which memory may have grown: a share, and MB for the short form, in which a single arena of malloc shows."""


def scaled(count: int, share: float = 1) -> int:
    """How many of something there are in this run, or in this share of it."""
    return max(3, int(count * SCALE * share))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub() -> AsyncIterator[Sidecar]:
    """One with a shared server and one that each session has for itself, at the public port."""
    shared, own = stdio("a"), stdio("own", session="per_client", max_instances=400)
    spaces = sidecar.workspace("w", shared), sidecar.workspace("own", own)
    async with sidecar.running(shared, own, *spaces, public=True, HUB_SESSION_IDLE_TIMEOUT=str(IDLE)) as running:
        yield running


async def session_of(hub: Sidecar, kind: str, workspace: str = "w") -> Session:
    """An open session that has called."""
    if kind == "sse":
        session: Session = SseSession(hub.sse(workspace))
    else:
        session = HttpSession(hub.http(workspace), "modern" if kind == "modern" else "legacy")
    await session.open()
    tool = f"{'a' if workspace == 'w' else 'own'}_echo"
    result = await session.request("tools/call", {"name": tool, "arguments": {"text": "x"}})
    assert result["content"][0]["text"] == "x"
    return session


async def killed_sessions(hub: Sidecar, kind: str, count: int, workspace: str = "w") -> None:
    """Sessions that are not ended: their connections are reset. At most 50 at once."""
    for start in range(0, count, 50):
        opened = await asyncio.gather(*(session_of(hub, kind, workspace) for _ in range(min(50, count - start))))
        for session in opened:
            for connection in (session._post, getattr(session, "_stream", None)):
                if connection is not None and connection.transport is not None:
                    connection.transport.abort()


async def crashes(hub: Sidecar, count: int) -> None:
    """kill -9 of the shared server, as often, each time after a call, without which it is started ever more rarely."""
    for _ in range(count):
        await hub.actual.request(Call(workspace="w", tool="a_echo", arguments={"text": "x"}, timeout=60), timeout=100)
        before = await until(lambda: hub.server("a"), lambda server: server.state == "ready" and server.pids)
        os.kill(before.pids[0], signal.SIGKILL)
        await until(
            lambda: hub.server("a"),
            lambda server, old=before.pids: server.state == "ready" and server.pids and server.pids != old,  # type: ignore[misc]
        )


async def toggles(hub: Sidecar, count: int) -> None:
    """The workspace with the shared server goes, and comes back."""
    shared = stdio("a")
    for _ in range(count):
        await hub.remove("w", settle=False)
        await hub.put(shared, sidecar.workspace("w", shared))


ROUNDS: dict[str, tuple[int, Callable[[Sidecar, int], Awaitable[None]]]] = {
    "sessions over SSE": (1000, lambda hub, count: killed_sessions(hub, "sse", count)),
    "sessions over Streamable HTTP": (1000, lambda hub, count: killed_sessions(hub, "http", count)),
    "modern clients": (500, lambda hub, count: killed_sessions(hub, "modern", count)),
    "per_client sessions": (300, lambda hub, count: killed_sessions(hub, "http", count, "own")),
    "crashes of a server": (100, crashes),
    "enable and disable": (100, toggles),
}
TOGETHER = [list(ROUNDS)] if SCALE < 1 else [[name] for name in ROUNDS]
"""What is done before one looks at what is left: in the long form one kind at a time, which tells whose it is."""


def held(hub: Sidecar) -> tuple[int, int]:
    """The descriptors of the sidecar, and its processes."""
    process = psutil.Process(hub.pid("sidecar"))
    return process.num_fds(), len(process.children(recursive=True))


def memory(hub: Sidecar) -> float:
    """The sidecar's resident memory, in MB."""
    return float(psutil.Process(hub.pid("sidecar")).memory_info().rss) / 1e6


async def settled(hub: Sidecar, most: tuple[int, int]) -> tuple[int, int]:
    """Wait until no session is left, and what is held is back at `most`; returns what was held then."""
    await hub.wait_status(lambda status: not any(each.sessions for each in status.workspaces), "no session", 60)
    async with asyncio.timeout(100):
        while not _within(now := held(hub), most):  # noqa: ASYNC110 (no event tells when a descriptor is closed)
            await asyncio.sleep(0.1)
    return now


def _within(now: tuple[int, int], most: tuple[int, int]) -> bool:
    return now[0] <= most[0] and now[1] <= most[1]


async def do(hub: Sidecar, names: list[str], share: float) -> None:
    """So much of what these rounds do."""
    for name in names:
        count, work = ROUNDS[name]
        await work(hub, scaled(count, share))


@pytest.mark.parametrize("names", TOGETHER, ids=", ".join)
async def test_nothing_is_left(hub: Sidecar, names: list[str]) -> None:
    """After a first few, as many again as there are leave nothing."""
    gc.collect()
    await settled(hub, (10_000, 10_000))
    await do(hub, names, 0.25)
    await settled(hub, (10_000, 10_000))
    await until(lambda: _held_later(hub), lambda now: now == held(hub), 60)
    before, used = held(hub), memory(hub)
    await do(hub, names, 1)
    after = await settled(hub, before)
    grown = memory(hub)
    record(
        {
            "leak": ", ".join(names),
            "count": sum(scaled(ROUNDS[name][0]) for name in names),
            "descriptors": [before[0], after[0]],
            "processes": [before[1], after[1]],
            "memory": [round(used, 1), round(grown, 1)],
        }
    )
    assert _within(after, before)
    assert grown <= used * (1 + MEMORY) + SPARE


async def _held_later(hub: Sidecar) -> tuple[int, int]:
    """What is held, a while later: idle connections end by then."""
    now = held(hub)
    await asyncio.sleep(0.3)
    return now
