"""Messages of clients for calls that the predecessor of this process still has (ADR 35)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple


class Forwarded(NamedTuple):
    """A message of a client that is passed to the process that has the session."""

    transport: str
    session: str
    """The session's id."""
    key: str
    """The holder of the sender's sessions: its access key, and its grant if it has one (`holder_of`)."""
    message: dict[str, Any]


Forward = Callable[[Forwarded], Awaitable[bool]]
"""Passes a message to the predecessor; returns whether that has delivered it."""


async def no_predecessor(_: Forwarded) -> bool:
    """Deliver nothing: this process has no predecessor, or it has ended."""
    return False
