"""What every body that crosses the bridge is, and those that belong to no side of it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """Immutable, and closed: an unknown field is an error, not a silent loss."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Done(Model):
    """Answer that says only: done."""


class Pong(Model):
    """Answer to `ping`, which every server of the bridge gives by itself."""

    pid: int
    serves: tuple[str, ...]
    """The kinds that it serves."""


class Event(Model):
    """A hint on a PUB socket that something changed; `status` is the truth (of topic `desired`: `desired` is).

    `joined` is made for one subscriber when its subscription is in force: from now on it misses nothing.
    """

    topic: Literal["applied", "server", "workspace", "sessions", "log", "desired", "joined"]
    subject: str = ""
    data: dict[str, Any] = {}
