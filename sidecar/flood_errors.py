"""The errors of servers and clients that take more than their share."""

from __future__ import annotations

from sidecar.errors import SidecarError


class ServerFloods(SidecarError):
    """A server kept sending far more messages than its requests need, so the hub closed the connection."""

    code = "SERVER_FLOODS"
    hint = "See its log for what it sends; restart or replace the server."


class TooManySubscriptions(SidecarError):
    """The limit for the resource subscriptions of one session, or of one `subscriptions/listen`, is reached."""

    code = "SUBSCRIPTIONS_LIMIT"
    hint = "Unsubscribe from some first."
