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
UNHURRIED_SECONDS = 2.0
"""For a command that no request waits for."""
STEPS = 5
"""Timers in which the time of a command is counted (`in_time`)."""
DRIVER_SECONDS = 10.0
"""The driver's own limits, which `in_time` is always ahead of; they hold for the end of a connection."""
PAUSE_SECONDS = 5.0
"""Between two attempts to reach a Redis that did not answer. Requests make none: a task does it for them."""


def connect(url: str) -> Redis:
    """Return a client, which connects with its first command. The caller closes it with its pool."""
    pool = BlockingConnectionPool.from_url(
        url,
        socket_timeout=DRIVER_SECONDS,
        socket_connect_timeout=DRIVER_SECONDS,
        retry=None,
        max_connections=CONNECTIONS,
        timeout=DRIVER_SECONDS,
    )
    return Redis(connection_pool=pool)


async def in_time(command: Callable[[], Awaitable[T]], seconds: float | None = None) -> T:
    """Run a command. Raises RedisError or OSError (TimeoutError among them) if Redis does not answer in time.

    `seconds` are TIMEOUT_SECONDS if not given. They are counted in steps, one timer after the other. While the loop is
    too busy to look whether an answer has come, its timers are late, too, so that a long pause counts as one step only:
    it is not Redis that is slow.
    """
    loop = asyncio.get_running_loop()
    step = (TIMEOUT_SECONDS if seconds is None else seconds) / STEPS
    timer: asyncio.TimerHandle

    def count(left: int) -> None:
        nonlocal timer
        if left:
            timer = loop.call_later(step, count, left - 1)
        else:
            limit.reschedule(loop.time())

    timer = loop.call_later(step, count, STEPS - 1)
    try:
        async with asyncio.timeout(None) as limit:
            return await command()
    finally:
        timer.cancel()


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
