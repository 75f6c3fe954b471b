"""Decides by the first bytes of a connection whether the sidecar or the front serves it. Pure."""

from __future__ import annotations

from typing import Literal

Owner = Literal["sidecar", "front"]

ENDPOINTS = (b"POST /mcp/", b"GET /mcp/", b"DELETE /mcp/")
"""The beginnings of requests that the sidecar may serve; it gives a connection back if it does not serve it."""
MAX_PEEK = max(map(len, ENDPOINTS))
"""The number of bytes that suffice to decide in any case."""


def owner(first: bytes) -> Owner | None:
    """The process that serves a connection beginning with these bytes; None if more bytes are needed."""
    if first.startswith(ENDPOINTS):
        return "sidecar"
    return None if any(line.startswith(first) for line in ENDPOINTS) else "front"
