"""Errors that the supervision of connected servers finds."""

from __future__ import annotations

from sidecar.errors import SidecarError


class ToolsVanished(SidecarError):
    """A server that is connected lists fewer tools than before, and announced no change of its list."""

    code = "SERVER_TOOLS_VANISHED"
    hint = "Look for the cause at the server; if it is right so, `hubctl restart` makes the list the new normal."


class ServerUnresponsive(SidecarError):
    """A connected server without requests in progress answered nothing to a health check, so it is connected anew."""

    code = "SERVER_UNRESPONSIVE"
    hint = "It hung; its last lines on stderr may say why. If it was only busy, set `health_interval` to 0."
