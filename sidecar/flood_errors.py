"""The errors of servers and clients that take more than their share."""

from __future__ import annotations

from sidecar.errors import SidecarError


class ServerBusy(SidecarError):
    """The limit for the requests of one client that wait for a server is reached."""

    code = "SERVER_BUSY"
    status = 503
    retry_after = 5
    hint = "Wait for answers before sending more requests; `max_inflight` in hub.json limits how many run at once."


class ServerFloods(SidecarError):
    """A server kept sending far more messages than its requests need, so the hub closed the connection."""

    code = "SERVER_FLOODS"
    hint = "See its log for what it sends; restart or replace the server."


class ServerSlowed(SidecarError):
    """A server sends more messages than anybody waits for, and is slowed down. Its calls are answered, but later."""

    code = "SERVER_SLOWED"
    hint = "Read what it sends in its log; it is cut off if this goes on for 60 s without a break."


class TooManySubscriptions(SidecarError):
    """The limit for the resource subscriptions of one session, or of one `subscriptions/listen`, is reached."""

    code = "SUBSCRIPTIONS_LIMIT"
    hint = "Unsubscribe from some first."
