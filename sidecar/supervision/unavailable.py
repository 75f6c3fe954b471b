"""Makes the error for a request to a server that is not ready."""

from __future__ import annotations

import time
from typing import Any, Protocol

from bridge.errors import ErrorBody
from bridge.models import ServerSpec, UpstreamState
from sidecar.errors import ServerUnavailable, SidecarError
from sidecar.placement.errors import PlacedElsewhere, PlacementUnavailable
from sidecar.sign_in_errors import SignInRequired
from sidecar.supervision.backoff import Backoff


class NotReady(Protocol):
    """A server that is not ready. `Upstream` implements this."""

    spec: ServerSpec
    state: UpstreamState
    reason: ErrorBody | None
    retry_due: float | None
    backoff: Backoff

    @property
    def is_down(self) -> bool:
        """Whether requests do not wait for it."""


def error(server: NotReady) -> SidecarError:
    """The error: why the server is not ready, and when it is tried next; or that somebody has to sign in.

    Its data has `server`, `state`, `reason` (the code of the reason, or null) and `retry_in` (seconds until the next
    attempt; 0 during an attempt; null if there is none).
    """
    reason = server.reason
    if server.state == "sign_in_required" and reason:
        return SignInRequired(reason.message, hint=reason.hint, data=dict(reason.data))
    if server.state == "elsewhere" and reason:
        kind = PlacedElsewhere if reason.code == PlacedElsewhere.code else PlacementUnavailable
        return kind(reason.message, hint=reason.hint, data=dict(reason.data))
    why = f" ({reason.message.rstrip('.')})" if reason else ""
    data: dict[str, Any] = {"server": server.spec.key, "state": server.state, "reason": reason and reason.code}
    data["retry_in"] = _retry_in(server)
    message = f"The server {server.spec.key!r} is not ready{why}."
    if server.is_down and data["retry_in"] is not None:
        starts = "start has" if server.backoff.attempts == 1 else "starts in a row have"
        when = f"in {data['retry_in']:.0f} s" if data["retry_in"] else "now"
        message += f" {server.backoff.attempts} {starts} failed; it is tried again {when}."
    return ServerUnavailable(message, data=data)


def _retry_in(server: NotReady) -> float | None:
    if server.retry_due is not None:
        return max(round(server.retry_due - time.monotonic(), 1), 0.0)
    return None if server.state == "stopped" else 0.0
