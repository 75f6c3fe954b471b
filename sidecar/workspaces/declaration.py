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
"""What both eras have. A client may be sent log messages in either, so both declare `logging` (MCP, Logging)."""
LEGACY: dict[str, Any] = {"tasks": {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}}}
"""What only revision 2025-11-25 has in its core."""


def of(declared: Declared, *, modern: bool) -> dict[str, Any]:
    """The capabilities of the endpoints of a workspace whose servers have `declared` these extensions.

    Of the core protocol all that servers may bring, for they come and go; of extensions what its servers declare.
    """
    return {**CORE, **({} if modern else LEGACY), **declared.members()}
