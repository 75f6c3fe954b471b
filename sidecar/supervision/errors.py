"""Errors that the supervision of connected servers finds."""

from __future__ import annotations

from sidecar.errors import SidecarError


class ToolsVanished(SidecarError):
    """A connected server lists fewer tools than before, but sent no notification that its list changed."""

    code = "SERVER_TOOLS_VANISHED"
    hint = "Look for the cause in the server. If the new list is correct, `hubctl restart` makes the hub accept it."


class ServerUnresponsive(SidecarError):
    """A connected server without requests in progress did not answer a health check, so the hub reconnects to it."""

    code = "SERVER_UNRESPONSIVE"
    hint = "The server hung; see its last lines on stderr. If it was only busy, set `health_interval` to 0."
