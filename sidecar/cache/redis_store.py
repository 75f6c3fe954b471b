"""Results in Redis or Valkey, which several hubs may share. Imported only where HUB_CACHE_URL is set."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.exceptions import RedisError

from sidecar import redis_connection
from sidecar.cache.errors import CacheUnavailable

T = TypeVar("T")

PREFIX = "yamcp-hub:result:"


class RedisStore:
    """Keeps results under keys that begin with PREFIX."""

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis_connection.connect(url)
        self._clock = clock
        self._away_until = 0.0

    async def get(self, key: str) -> bytes | None:
        """The bytes under a key. Raises CacheUnavailable."""
        value = await self._run(lambda: self._redis.get(PREFIX + key))
        return value if isinstance(value, bytes) else None

    async def put(self, key: str, value: bytes, seconds: float) -> None:
        """Keep bytes under a key; Redis removes them. Raises CacheUnavailable."""
        await self._run(lambda: self._redis.set(PREFIX + key, value, px=max(1, round(seconds * 1000))))

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose(close_connection_pool=True)

    async def _run(self, command: Callable[[], Awaitable[T]]) -> T:
        if self._clock() < self._away_until:
            raise CacheUnavailable("Redis did not answer a moment ago.")
        try:
            return await redis_connection.in_time(command)
        except (RedisError, OSError) as error:
            self._away_until = self._clock() + redis_connection.PAUSE_SECONDS
            raise CacheUnavailable(f"Redis does not answer: {type(error).__name__}.") from None
