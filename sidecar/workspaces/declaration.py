"""The capabilities that a workspace's endpoints declare, in `initialize` and `server/discover`."""

from __future__ import annotations

from typing import Any

from sidecar.protocol.extensions import Declared

CORE: dict[str, Any] = {
    "tools": {"listChanged": True},
    "prompts": {"listChanged": True},
    "resources": {"listChanged": True, "subscribe": True},
    "completions": {},
    "logging": {},
}
"""The capabilities of both eras. Both have log messages, so both declare `logging` (MCP, Logging)."""
LEGACY: dict[str, Any] = {"tasks": {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}}}
"""The additional core capabilities of revision 2025-11-25."""


def of(declared: Declared, *, modern: bool) -> dict[str, Any]:
    """The capabilities of a workspace's endpoints; `declared` are the extensions of its servers.

    All core capabilities are declared, whatever the servers have, since servers may be added while a client is
    connected. Extensions are declared if a server declares them.
    """
    return {**CORE, **({} if modern else LEGACY), **declared.members()}
