"""Watches the processes of a server with `placement: one`: two of them must never run at the same time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import psutil

KEY = "single"
POLL_SECONDS = 0.1


def running() -> int:
    """How many processes of it there are now on this machine."""
    found = 0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.name().startswith("python") and process.status() != psutil.STATUS_ZOMBIE:
                found += process.environ().get("TEST_SERVER") == KEY
    return found


class Watch:
    """What was seen since it began."""

    def __init__(self) -> None:
        self.now = self.most = self.looks = 0

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self.now = await asyncio.to_thread(running)
            self.most = max(self.most, self.now)
            self.looks += 1
            await asyncio.sleep(POLL_SECONDS)


@contextlib.asynccontextmanager
async def watched() -> AsyncIterator[Watch]:
    """Watch for the time of a block."""
    made = Watch()
    task = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
