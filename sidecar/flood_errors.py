"""The errors of servers and clients that take more than their share."""

from __future__ import annotations

from sidecar.errors import SidecarError


class ServerFloods(SidecarError):
    """A server sent more messages than anybody waits for, without a break, and so its connection was closed."""

    code = "SERVER_FLOODS"
    hint = "Read what it sends in its log; restart it, or replace it."


class TooManySubscriptions(SidecarError):
    """The limit for the resource subscriptions of one session, or of one `subscriptions/listen`, is reached."""

    code = "SUBSCRIPTIONS_LIMIT"
    hint = "Unsubscribe from some first."
