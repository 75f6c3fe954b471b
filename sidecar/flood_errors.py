"""The errors of servers and clients that take more than their share."""

from __future__ import annotations

from sidecar.errors import SidecarError


class ServerBusy(SidecarError):
    """The limit for the requests of one client that wait or are in progress is reached."""

    code = "SERVER_BUSY"
    status = 503
    retry_after = 5
    hint = "Wait for answers before sending more requests; `max_inflight` in hub.json limits how many run at once."


class ServerFloods(SidecarError):
    """A server kept sending far more messages than its requests need, so the hub closed the connection."""

    code = "SERVER_FLOODS"
    hint = "See its log for what it sends; restart or replace the server."


class ServerSlowed(SidecarError):
    """A server sends unsolicited messages faster than the rate limit allows, so the hub slows it down."""

    code = "SERVER_SLOWED"
    hint = "See its log for what it sends; if the flood continues for 60 s, the hub closes the connection."


class TooManySubscriptions(SidecarError):
    """One session, or one `subscriptions/listen`, has reached the limit of 1,000 resource subscriptions."""

    code = "SUBSCRIPTIONS_LIMIT"
    hint = "Unsubscribe from some first."
