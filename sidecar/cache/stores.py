"""Chooses the store of kept results."""

from __future__ import annotations

from bridge.settings import Settings
from sidecar.cache.store import CacheStore, MemoryStore


def make_store(settings: Settings) -> CacheStore:
    """Redis if HUB_CACHE_URL or HUB_REDIS_URL is set, else memory. The client of Redis is imported only then."""
    if not settings.cache_redis:
        return MemoryStore(settings.cache_max_mb * 1024 * 1024)
    from sidecar.cache.redis_store import RedisStore  # noqa: PLC0415

    return RedisStore(settings.cache_redis)
