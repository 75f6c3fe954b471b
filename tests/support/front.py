"""The front as a process of its own, beside a sidecar in this process."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator

import httpx2

from bridge.front_settings import VARIABLE, FrontSettings
from bridge.settings import Settings
from tests.support.hub import COMMANDS


@contextlib.asynccontextmanager
async def front_of(settings: Settings, http: httpx2.AsyncClient) -> AsyncIterator[str]:
    """A front with these settings; yields its base URL once it answers `http`."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    given = {"HUB_PORT": str(settings.port), "HUB_RUNTIME_DIR": str(settings.runtime_dir)}
    env |= {**given, "HUB_DATA_DIR": str(settings.data_dir), VARIABLE: FrontSettings.of(settings).value()}
    settings.runtime_dir.mkdir(mode=0o700, exist_ok=True)
    front = await asyncio.create_subprocess_exec(*COMMANDS["front"], env=env, stderr=asyncio.subprocess.DEVNULL)
    base = f"http://127.0.0.1:{settings.port}"
    try:
        async with asyncio.timeout(100):
            while True:
                with contextlib.suppress(Exception):
                    await http.get(f"{base}/healthz")
                    break
                await asyncio.sleep(0.05)
        yield base
    finally:
        front.terminate()
        await front.wait()
