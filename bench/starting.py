"""How soon the sidecar is ready, and whether what it imports is what it needs."""

from __future__ import annotations

import asyncio
import sys
import time
import urllib.error
import urllib.request

from bench.figure import Figure
from bench.stats import median
from bench.unneeded import loaded, needless
from tests.support.hub import Hub, running
from tests.support.yamcp import ROOT

IMPORT = "import sidecar.__main__"
POLL = 0.005


async def started(quick: bool) -> list[Figure]:
    """Process start -> /readyz of a hub without servers, less what it takes to import the sidecar's modules.

    The adapter runs already; alternating rounds. And how many modules the running sidecar has that nothing uses.
    """
    rounds = 1 if quick else 7
    ready, importing = [], []
    async with running({}, {}, settle=False) as hub:
        await hub.wait_settled()
        for _ in range(rounds):
            await hub.stop("sidecar")
            importing.append(await _importing())  # while no sidecar runs that has just started, too
            ready.append(await _until_ready(hub))
    more = median(ready) - median(importing)
    note = f"{median(ready):.2f} s to /readyz, {median(importing):.2f} s of imports; medians of {rounds}"
    modules = await loaded(IMPORT)
    found = needless(modules)
    named = ", ".join(found) or f"none of {len(modules)}"
    return [
        Figure("sidecar: process start -> /readyz, beyond its imports", more, "s", "<=", 1.0, note),
        Figure("sidecar: packages imported that it does not need", len(found), "", "==", 0, named),
    ]


async def _until_ready(hub: Hub) -> float:
    begin = time.perf_counter()
    await hub.start("sidecar")
    while not await asyncio.to_thread(_is_ready, f"{hub.base}/readyz"):  # noqa: ASYNC110 - it is another process
        await asyncio.sleep(POLL)
    return time.perf_counter() - begin


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


async def _importing() -> float:
    begin = time.perf_counter()
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", f"{IMPORT}, os; os._exit(0)", cwd=ROOT)
    await process.wait()
    return time.perf_counter() - begin
