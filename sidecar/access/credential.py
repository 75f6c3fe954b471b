"""What a token proves: a principal, for how long, and for which resources. Pure.

There are three kinds of holders of sessions and of calls in progress: a key (or the hub's token), an OAuth grant, and
the client of an external authorization server. Each may use only what it has opened itself.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import NamedTuple

from bridge.keys import Principal

SCOPE = "mcp"
"""The only scope of the hub's own authorization server."""


class Credential(NamedTuple):
    """A valid token."""

    principal: Principal
    until: float | None = None
    """When the token itself ends (Unix time); None if it does not. Its grant may have newer ones."""
    audiences: frozenset[str] | None = None
    """The resources that a JWT is for (RFC 8707), as URLs; None: `principal.workspaces` says what it is good for."""
    lacks: str = ""
    """The scopes that a request needs, if the token does not have them all; else empty."""

    @property
    def expired(self) -> bool:
        """Whether the token has ended by itself."""
        return self.until is not None and time.time() >= self.until


def holder_of(principal: Principal) -> str:
    """The name of the holder of what a principal opens: the id of its key or user, with the id of its grant."""
    return f"{principal.id}/{principal.grant}" if principal.grant else principal.id


def owner_of(principal: Principal) -> Principal:
    """The key or user that a principal acts for, whatever grant it has: the owner of processes and views."""
    if not principal.grant:
        return principal
    return replace(principal, grant="", client="", workspaces=None, valid_until=None)
