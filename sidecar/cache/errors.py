"""The error of the cache. Clients never get it: their calls go to the servers."""

from __future__ import annotations

from bridge.errors import HubError


class CacheUnavailable(HubError):
    """The cache of results (HUB_CACHE_URL or HUB_REDIS_URL) does not answer. Until it does, all calls go to the
    servers."""

    code = "CACHE_UNAVAILABLE"
    hint = "Check that Redis runs at that address and accepts the password; the hub tries again every 5 s."
