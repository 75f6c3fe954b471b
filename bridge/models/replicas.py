"""Messages about the replicas of a hub: how each is, and the end of one (docs/scaling.md)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bridge.errors import ErrorBody
from bridge.models.base import Model, Request
from bridge.models.desired import SnapshotId

ReplicaState = Literal["starting", "serving", "draining", "stopped", "lost"]
"""`starting`: it has no configuration yet. `draining`: it finishes what is in progress, and takes nothing new.
`stopped`: it has ended as it should. `lost`: it should have reported, and has not."""


class ReplicaReport(Model):
    """What a replica says of itself."""

    state: ReplicaState
    version: str = Field(max_length=100)
    uptime: float = Field(ge=0)
    """Seconds since its sidecar started."""
    accepted: SnapshotId | None = None
    """The configuration that it got last."""
    applied: SnapshotId | None = None
    """The configuration that it serves."""
    sessions: int = Field(0, ge=0)
    calls_in_flight: int = Field(0, ge=0)
    servers: int = Field(0, ge=0)
    """Its connections to servers, or processes of them."""
    servers_failing: int = Field(0, ge=0)
    troubles: tuple[str, ...] = Field((), max_length=20)
    """The codes of what is amiss with it."""


class ReplicaStatus(ReplicaReport):
    """A replica as another one knows it."""

    name: str
    age: float
    """Seconds since it reported."""
    up_to_date: bool
    """Whether it serves the configuration that the answering replica got last."""


class ReplicasState(Model):
    """The answer to `replicas`."""

    transport: Literal["off", "redis"] = "off"
    """How replicas tell each other of themselves; `off`: this hub is no replica, or no way is configured."""
    own: str = ""
    """The name of the answering replica."""
    error: ErrorBody | None = None
    """Why the other replicas are not known."""
    wanted: SnapshotId | None = None
    """The configuration that the answering replica got last."""
    replicas: tuple[ReplicaStatus, ...] = ()
    """By name."""
    live: int = 0
    """How many replicas report and have not stopped. The sums are about these."""
    up_to_date: int = 0
    """How many of them serve `wanted`."""
    sessions: int = 0
    calls_in_flight: int = 0


class ReadReplicas(Request[ReplicasState], kind="replicas", sockets=("actual",)):
    """Request the states of all replicas."""


class DrainState(Model):
    """How far a replica is that is to stop."""

    seconds: float = Field(ge=0)
    """Since when it drains."""
    busy: int = Field(ge=0)
    """Connections of clients with a request or a stream."""
    late: int = Field(0, ge=0)
    """Requests that came after HUB_DRAIN_SECONDS: the load balancer still sends some here."""
    done: bool
    """Whether it may be stopped: nothing is in progress any more, or HUB_DRAIN_TIMEOUT is over."""


class Drain(Request[DrainState], kind="drain", sockets=("actual",)):
    """Open no more sessions, and hand those that there are to other replicas; asked again, tell how far that is."""
