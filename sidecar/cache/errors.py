"""The error of the cache. Clients never get it: their calls go to the servers."""

from __future__ import annotations

from bridge.errors import HubError


class CacheUnavailable(HubError):
    """The store of kept results (HUB_CACHE_URL) does not answer. Calls go to the servers meanwhile."""

    code = "CACHE_UNAVAILABLE"
    hint = "Check that Redis runs at HUB_CACHE_URL and takes its password; the hub tries again every 5 s."
