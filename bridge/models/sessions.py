"""Clients' sessions: requests to list them and to end one."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bridge.models.base import Done, Model, Request


class SessionStatus(Model):
    """A client's session at a workspace."""

    id: str
    """The first 12 characters of the session's id behind the name of its replica: they open nothing."""
    workspace: str
    transport: Literal["sse", "http"]
    era: Literal["legacy", "modern", ""]
    """Empty for an SSE stream on which nothing was requested yet."""
    protocol_version: str = ""
    client_name: str = ""
    """As the client says; empty for a session that an earlier process of the hub began, and that was resumed."""
    client_version: str = ""
    capabilities: tuple[str, ...] = ()
    """The names of the capabilities that the client declared."""
    principal: str = ""
    """The name of the key that opened it; empty in a hub that asks for none."""
    since: float
    """Unix time when it began, or was resumed."""
    requests: int = 0
    last_request: float | None = None
    """Unix time."""
    resumed: bool = False


class Sessionless(Model):
    """The requests of modern clients over Streamable HTTP to a workspace. They have no session."""

    workspace: str
    principal: str = ""
    """The name of the key that they came with; empty for the hub's own token, and in a hub that asks for none."""
    requests: int
    last_request: float | None = None
    """Unix time."""
    listening: int = 0
    """How many streams of `subscriptions/listen` are open, those on SSE sessions included."""


class Sessions(Model):
    """The answer to `sessions`: the newest ones first, and how many there are."""

    total: int
    sessions: tuple[SessionStatus, ...]
    sessionless: tuple[Sessionless, ...] = ()


class ListSessions(Request[Sessions], kind="sessions", sockets=("actual",)):
    """Request the newest sessions of a workspace, by name or slug; without one, of all."""

    workspace: str | None = None
    limit: int = Field(100, ge=1, le=1000)


class EndSession(Request[Done], kind="end_session", sockets=("actual",), repeatable=False):
    """End a session, with all that is under way for it."""

    id: str = Field(min_length=12, max_length=12)
