"""The capabilities that a workspace's endpoints declare, in `initialize` and `server/discover`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sidecar.workspace import Workspace

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


def of(workspace: Workspace, *, modern: bool) -> dict[str, Any]:
    """The capabilities of a workspace's endpoints as of now.

    Of the core protocol all that servers may bring, for they come and go; of extensions what its servers declare.
    """
    return {**CORE, **({} if modern else LEGACY), **workspace.declared().members()}
