"""Connections to Redis or Valkey, and how long requests wait for it. Imported only where a Redis is configured."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import RedisError

T = TypeVar("T")

CONNECTIONS = 16
"""Most connections; further commands wait for one of them, which a Redis that answers frees in a millisecond."""
TIMEOUT_SECONDS = 0.25
"""For one command. A request waits so long at most for a Redis that does not answer."""
PAUSE_SECONDS = 5.0
"""Between two attempts to reach a Redis that did not answer. Requests make none: a task does it for them."""


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


class Circuit:
    """Whether a Redis is asked. It is open after a failure, until the task `run` gets an answer."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._failed = asyncio.Event()

    @property
    def closed(self) -> bool:
        """Whether Redis may be asked."""
        return not self._failed.is_set()

    def fail(self) -> None:
        """Redis did not answer: nothing asks it from now on."""
        self._failed.set()

    async def run(self) -> None:
        """Try to reach a Redis that did not answer, every PAUSE_SECONDS, until cancelled."""
        while True:
            await self._failed.wait()
            await asyncio.sleep(PAUSE_SECONDS)
            with contextlib.suppress(RedisError, OSError):
                await in_time(self._client.ping)
                self._failed.clear()
