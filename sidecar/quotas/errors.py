"""The errors of a principal that has reached one of its limits: over Streamable HTTP, HTTP status 429 (RFC 6585, 4)."""

from __future__ import annotations

import math
from typing import Any

from bridge.errors import HubError
from sidecar.errors import LIMIT_REACHED, SidecarError


class LimitsUnavailable(HubError):
    """The Redis that counts for several hubs (HUB_LIMITS_URL or HUB_REDIS_URL) does not answer. Until it does, each hub
    counts for itself. Clients never get it."""

    code = "LIMITS_UNAVAILABLE"
    hint = "Check that Redis runs at that address and accepts the password; the hub tries again every 5 s."


class LimitReached(SidecarError):
    """A principal has reached one of its limits. `retry_after` is the time until it may try again, in seconds."""

    rpc_code = LIMIT_REACHED
    kind = ""
    """What is limited, in metrics and lists: `rate`, `concurrent`, `calls_per_day`, `bytes_per_day`, `sessions`."""

    def __init__(self, message: str, seconds: float = 1.0, server: str = "", tool: str = "") -> None:
        self.retry_after = max(1, math.ceil(seconds))
        about: dict[str, Any] = {"server": server} if server else {}
        about |= {"tool": tool} if tool else {}
        super().__init__(message, data={"retry_after": self.retry_after, **about})


class RateLimited(LimitReached):
    """A principal sends more requests per second than its limit allows (`requests_per_second` in access.json)."""

    code = "RATE_LIMITED"
    status = 429
    retry_after = 1
    kind = "rate"
    hint = "Wait `data.retry_after` seconds, and send requests more slowly; an administrator sets the limit."


class TooManyCalls(LimitReached):
    """A principal has as many calls in progress as its limit allows (`concurrent` in access.json)."""

    code = "TOO_MANY_CALLS"
    status = 429
    retry_after = 1
    kind = "concurrent"
    hint = "Wait for the answer to a call before sending another; an administrator sets the limit."


class DailyLimit(LimitReached):
    """A principal has made as many calls today as its limit allows (`calls_per_day` in access.json)."""

    code = "DAILY_LIMIT"
    status = 429
    retry_after = 1
    kind = "calls_per_day"
    hint = "The count begins anew at midnight UTC, in `data.retry_after` seconds; an administrator sets the limit."


class BytesLimit(LimitReached):
    """The requests and answers of a principal today are as large as its limit allows (`bytes_per_day`)."""

    code = "BYTES_LIMIT"
    status = 429
    retry_after = 1
    kind = "bytes_per_day"
    hint = "The count begins anew at midnight UTC, in `data.retry_after` seconds; an administrator sets the limit."


class TooManyOwnSessions(LimitReached):
    """A principal has as many sessions open as its limit allows (`sessions` in access.json)."""

    code = "TOO_MANY_SESSIONS"
    status = 429
    retry_after = 1
    kind = "sessions"
    hint = "Close a session (DELETE over Streamable HTTP); one that is idle for a minute makes room for another."
