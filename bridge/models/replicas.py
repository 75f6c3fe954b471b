"""Messages about this hub as one of several replicas (docs/scaling.md)."""

from __future__ import annotations

from pydantic import Field

from bridge.models.base import Model, Request


class DrainState(Model):
    """How far a replica is that is to stop."""

    seconds: float = Field(ge=0)
    """Since when it drains."""
    busy: int = Field(ge=0)
    """Connections of clients with a request or a stream."""
    done: bool
    """Whether it may be stopped: nothing is in progress any more, or HUB_DRAIN_TIMEOUT is over."""


class Drain(Request[DrainState], kind="drain", sockets=("actual",)):
    """Open no more sessions, and hand those that there are to other replicas; asked again, tell how far that is."""
