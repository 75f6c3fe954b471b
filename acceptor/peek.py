"""Whose a connection is, by the first bytes of its first request. Pure."""

from __future__ import annotations

from typing import Literal

Owner = Literal["sidecar", "front"]

ENDPOINTS = (b"POST /mcp/", b"GET /mcp/", b"DELETE /mcp/")
"""How requests begin that may be the sidecar's; it gives back what turns out not to be."""
LONGEST = max(map(len, ENDPOINTS))
"""Bytes that tell it in any case."""


def owner(first: bytes) -> Owner | None:
    """Who is to serve a connection that begins with these bytes; None: more of them are needed."""
    if first.startswith(ENDPOINTS):
        return "sidecar"
    return None if any(line.startswith(first) for line in ENDPOINTS) else "front"
