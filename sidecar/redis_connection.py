"""Connections to Redis or Valkey, and how long requests wait for it. Imported only where a Redis is configured."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.asyncio import BlockingConnectionPool, Redis

T = TypeVar("T")

CONNECTIONS = 16
"""Most connections; further commands wait for one of them, which a Redis that answers frees in a millisecond."""
TIMEOUT_SECONDS = 0.25
"""For one command. A request waits so long at most for a Redis that does not answer."""
PAUSE_SECONDS = 5.0
"""After a failure, requests do not ask Redis for so long."""


def connect(url: str) -> Redis:
    """Return a client, which connects with its first command. The caller closes it with its pool."""
    pool = BlockingConnectionPool.from_url(
        url,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        retry=None,
        max_connections=CONNECTIONS,
        timeout=TIMEOUT_SECONDS,
    )
    return Redis(connection_pool=pool)


async def in_time(command: Callable[[], Awaitable[T]]) -> T:
    """Run a command. Raises RedisError or OSError (TimeoutError among them) if Redis does not answer in time."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        return await command()
