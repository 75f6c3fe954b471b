"""Who asks for an edit of the configuration: sent in the envelope of a request, for the history of changes."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field


class Author(BaseModel):
    """Who makes a request on the bridge, as the process says that sends it for them."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    principal: str = Field("", max_length=128)
    """The name of the key or user; empty if unknown."""
    source: Literal["console", "hubctl", "api", "yamcp-ui", "tool"]
    """Where they made it."""


class Asked(NamedTuple):
    """The request that is being handled."""

    kind: str = ""
    author: Author | None = None


_NOBODY = Asked()
ASKED: ContextVar[Asked] = ContextVar("ASKED", default=_NOBODY)
"""The request that the current task handles; empty outside of the handlers of a `BridgeServer`."""
