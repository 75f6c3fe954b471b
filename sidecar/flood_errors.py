"""The errors of servers and clients that take more than their share."""

from __future__ import annotations

from sidecar.errors import SidecarError


class ServerBusy(SidecarError):
    """The limit for the requests of one client that wait, for one server or for all, is reached."""

    code = "SERVER_BUSY"
    status = 503
    retry_after = 5
    hint = "Wait for some of the answers before asking for more; `max_inflight` in hub.json is how many run at once."


class ServerFloods(SidecarError):
    """A server sent more messages than anybody waits for, without a break, and so its connection was closed."""

    code = "SERVER_FLOODS"
    hint = "Read what it sends in its log; restart it, or replace it."


class ServerSlowed(SidecarError):
    """A server sends more messages than anybody waits for, and is slowed down. Its calls are answered, but later."""

    code = "SERVER_SLOWED"
    hint = "Read what it sends in its log; it is cut off if this goes on for 60 s without a break."


class TooManySubscriptions(SidecarError):
    """The limit for the resource subscriptions of one session, or of one `subscriptions/listen`, is reached."""

    code = "SUBSCRIPTIONS_LIMIT"
    hint = "Unsubscribe from some first."
