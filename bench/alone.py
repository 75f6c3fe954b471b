"""What is measured of one way at a time: how soon it answers after its start, and what an idle session costs it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence

from bench.load import open_sessions
from bench.session import SessionError
from bench.stats import median
from bench.ways import BARE, HUB, OWN_PORT, PROTECTED, Way, missing, started

FIRST = 20
"""Sessions that are there before any is counted."""
MANY, FEW = 1000, 200
PATIENCE = 60.0


async def first_answers(names: Sequence[str], rounds: int) -> dict[str, float | str]:
    """Process start -> the first call answered, in seconds, medians of interleaved rounds; or why not."""
    taken: dict[str, list[float]] = {name: [] for name in names}
    failed: dict[str, float | str] = dict(missing())
    for _ in range(rounds):
        for name in names:
            if name not in failed:
                try:
                    taken[name].append(await _first_answer(name))
                except Exception as error:  # whatever a peer does, the others are measured
                    failed[name] = f"{type(error).__name__}: {error}"[:120]
    return {name: failed[name] if name in failed else median(taken[name]) for name in names}


async def _first_answer(name: str) -> float:
    begin = time.perf_counter()
    async with asyncio.timeout(PATIENCE), started(name) as way:
        while True:  # some listen before they can be called, and one serves its second transport only
            for mode in way.started.urls:
                with contextlib.suppress(SessionError, OSError):
                    await way.call(mode)
                    return time.perf_counter() - begin
            await asyncio.sleep(0.01)


async def session_kb(way: Way, quick: bool) -> float | str:
    """What an idle SSE session costs in memory, in KB (PSS), or why that is not known."""
    if "sse" not in way.tools:
        return way.notes.get("sse", "no SSE")
    count = 20 if quick else MANY if way.name in (HUB, OWN_PORT, PROTECTED, BARE) else FEW
    url, bearer = way.started.urls["sse"], way.started.bearer
    try:
        async with asyncio.timeout(PATIENCE), open_sessions(url, FIRST, bearer=bearer):
            before = way.memory()
            async with open_sessions(url, count, bearer=bearer):
                return (way.memory() - before) * 1e3 / count
    except Exception as error:  # as above
        return f"{count} sessions: {type(error).__name__}: {error}"[:120]
