"""Finds tools of a view by words (routing/search.py) without blocking the event loop."""

from __future__ import annotations

import asyncio

from sidecar.routing.search import Found
from sidecar.routing.view import View


async def search(view: View, text: str, limit: int, server: str | None = None) -> list[Found]:
    """The tools of a view that fit best. The index is made in a thread, so that calls go on meanwhile."""
    index = await asyncio.to_thread(view.tool_index)
    return index.find(text, limit, server)
