"""The error of what replicas tell each other. Clients never get it."""

from __future__ import annotations

from bridge.errors import HubError


class ReplicasUnknown(HubError):
    """The Redis in which replicas tell each other of themselves (HUB_REDIS_URL) does not answer."""

    code = "REPLICAS_UNKNOWN"
    hint = "Check that Redis runs at HUB_REDIS_URL and accepts the password; the hub tries again every 5 s."
