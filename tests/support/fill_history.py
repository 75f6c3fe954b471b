"""Fills a hub's history before the recorder starts: `python -m tests.support.fill_history DATA_DIR ROWS`.

The newest call is a minute old, the oldest 20 days; every tenth failed.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from recorder.batch import Batch, NewCall
from recorder.engines import make_store

BATCH = 10_000
DAYS = 20


async def fill(file: Path, rows: int) -> None:
    """Store the calls."""
    store = make_store(file, None, "yamcp_hub")
    await store.open()
    try:
        now = time.time()
        for first in range(0, rows, BATCH):
            await store.append(Batch(calls=[call(number, rows, now) for number in range(first, first + BATCH)]))
    finally:
        await store.close()


def call(number: int, rows: int, now: float) -> NewCall:
    """One of them."""
    return NewCall(
        at=now - 60 - DAYS * 86400 * (1 - number / rows),
        seconds=(0.002, 0.02, 0.3)[number % 3],
        workspace="dev",
        principal=("ann", "bob")[number % 2],
        method="tools/call",
        server="mock",
        tool=f"tool{number % 7}",
        transport="http",
        era="modern",
        outcome="tool_error" if number % 10 == 0 else "ok",
    )


if __name__ == "__main__":
    directory = Path(sys.argv[1])
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    asyncio.run(fill(directory / "history.db", int(sys.argv[2])))
