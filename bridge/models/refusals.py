"""Requests for MCP endpoints that the front refused itself, of which the sidecar's observers are told."""

from __future__ import annotations

from pydantic import Field

from bridge.models.base import Done, Model, Request

MAX_REFUSALS = 500
"""Refusals in one message."""


class FrontRefusal(Model):
    """One refused request: what its head says, without any header that may be a credential."""

    code: str = Field(max_length=64)
    """The code of the front's error."""
    path: str = Field(max_length=1024)
    """The path without its query, cut to this length."""
    address: str = Field(max_length=64)
    """The client's address."""
    method: str = Field("", max_length=128)
    """The header Mcp-Method; empty without one."""
    version: str = Field("", max_length=32)
    """The header MCP-Protocol-Version; empty without one."""


class NoteRefusals(Request[Done], kind="note_refusals", sockets=("actual",), repeatable=False):
    """Tell of requests that were refused since the last message. `omitted` ones were too many to be told of."""

    refusals: tuple[FrontRefusal, ...] = Field(max_length=MAX_REFUSALS)
    omitted: int = Field(0, ge=0)
