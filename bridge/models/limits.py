"""What principals have used of their limits (access.json), and what was refused to them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bridge.models.base import Model, Request

LimitKind = Literal["rate", "concurrent", "sessions", "calls_per_day", "bytes_per_day"]


class LimitUse(Model):
    """One limit of a principal, and how much of it is used."""

    kind: LimitKind
    servers: tuple[str, ...] | None = None
    """The patterns of the servers that it is about; null for all."""
    tools: tuple[str, ...] | None = None
    """The patterns of the tools that it is about; null for all calls."""
    limit: float
    """Requests per second for `rate`, else a number."""
    burst: int = 0
    """Of `rate`: how many requests may come at once."""
    used: float
    """Of `rate`: how many of the burst are used now. Of the others: calls in progress, open sessions, calls or bytes
    of the day."""


class PrincipalLimits(Model):
    """The limits of a principal that has made requests."""

    id: str
    name: str
    kind: Literal["key", "user"]
    uses: tuple[LimitUse, ...]
    refused: dict[str, int] = Field(default_factory=dict)
    """How many requests and sessions were refused since the sidecar started, by kind of limit."""
    last_refused: float | None = None
    """Unix time of the last refusal."""
    last_code: str = ""
    """The code of its error."""
    last_server: str = ""
    last_tool: str = ""
    """Where the limit was one of a server or tool: which one was called."""


class LimitsState(Model):
    """The answer to `limits_state`. The principals with the newest refusals come first, then those that use most."""

    store: Literal["off", "memory", "shared", "shared_away"] = "off"
    """Where is counted: nowhere, as there are no limits; in this process; in the Redis of HUB_LIMITS_URL; or in this
    process because that Redis does not answer."""
    principals: tuple[PrincipalLimits, ...] = ()
    total: int = 0
    """The number of principals with limits that have made requests."""


class ReadLimits(Request[LimitsState], kind="limits_state", sockets=("actual",)):
    """Request what principals have used of their limits."""

    limit: int = Field(200, ge=1, le=2000)
    """Most principals in the answer."""
