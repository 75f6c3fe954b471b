"""Results in Redis or Valkey, which several hubs may share. Imported only where one is configured."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.exceptions import RedisError

from sidecar import redis_connection
from sidecar.cache.errors import CacheUnavailable

T = TypeVar("T")

PREFIX = "yamcp-hub:result:"


class RedisStore:
    """Keeps results under keys that begin with PREFIX. How long each is kept is measured by Redis alone, so that the
    clocks of the hubs may differ."""

    def __init__(self, url: str) -> None:
        self._redis = redis_connection.connect(url)
        self._circuit = redis_connection.Circuit(self._redis)

    @property
    def reachable(self) -> bool:
        """Whether Redis answered when it was asked last."""
        return self._circuit.closed

    async def get(self, key: str) -> tuple[bytes, float] | None:
        """The bytes under a key, and for how many seconds more they are kept. Raises CacheUnavailable."""
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.get(PREFIX + key)
        pipeline.pttl(PREFIX + key)
        value, left = await self._run(pipeline.execute)
        return (value, left / 1000) if isinstance(value, bytes) and isinstance(left, int) else None

    async def put(self, key: str, value: bytes, seconds: float) -> None:
        """Keep bytes under a key; Redis removes them. Raises CacheUnavailable."""
        await self._run(lambda: self._redis.set(PREFIX + key, value, px=max(1, round(seconds * 1000))))

    async def run(self) -> None:
        """Try to reach a Redis that did not answer, until cancelled."""
        await self._circuit.run()

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose(close_connection_pool=True)

    async def _run(self, command: Callable[[], Awaitable[T]]) -> T:
        if not self._circuit.closed:
            raise CacheUnavailable("Redis did not answer a moment ago.")
        try:
            return await redis_connection.in_time(command)
        except (RedisError, OSError) as error:
            self._circuit.fail()
            raise CacheUnavailable(f"Redis does not answer: {type(error).__name__}.") from None
