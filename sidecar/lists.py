"""A server's lists: read whole, page by page, and again when the server says that they changed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any

from sidecar.catalog import LIST_METHODS, RESULT_KEYS, Catalog, Kind
from sidecar.channel import Frame
from sidecar.errors import METHOD_NOT_FOUND, HandshakeFailed
from sidecar.frames import as_dict, as_list, told

MAX_PAGES = 1000
QUIET = 0.05
"""Seconds without a further notice after which a list that changes again and again is read."""
LONGEST_UNREST = 0.5
"""Seconds after which it is read in any case; and after a reading, in which the next notice is no single one."""

Ask = Callable[[str, dict[str, Any]], Awaitable[Frame]]
"""Asks the server: method and params to the response frame. Raises SidecarError."""


class Changes:
    """The lists that a server said have changed. A single change is heeded at once, a burst when it is over."""

    def __init__(self) -> None:
        self._kinds: set[Kind] = set()
        self._event = asyncio.Event()
        self._taken_at = -LONGEST_UNREST

    def add(self, kinds: Iterable[Kind]) -> None:
        """The server announced a change."""
        self._kinds.update(kinds)
        self._event.set()

    async def take(self) -> tuple[Kind, ...]:
        """Wait for a change; the lists to read."""
        clock = asyncio.get_running_loop().time
        await self._event.wait()
        if clock() - self._taken_at < LONGEST_UNREST:
            await self._calm()
        self._event.clear()
        self._taken_at = clock()
        kinds, self._kinds = tuple(self._kinds), set()
        return kinds

    async def _calm(self) -> None:
        """Wait until the server has stopped announcing, but not for long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_UNREST):
                while self._event.is_set():
                    self._event.clear()
                    await asyncio.sleep(QUIET)


async def read(ask: Ask, catalog: Catalog, kinds: Iterable[Kind]) -> Catalog:
    """The catalog with these lists read anew, where the server has them.

    Raises:
        HandshakeFailed: a list was answered with an error, or has no end.
        SidecarError: the server could not be asked.
    """
    for kind in kinds:
        if catalog.greeting.offers(kind):
            catalog = catalog.with_list(kind, await _read_one(ask, kind))
    return catalog


async def _read_one(ask: Ask, kind: Kind) -> tuple[dict[str, Any], ...]:
    """All pages of a list; none where the server does not know the method after all."""
    method = LIST_METHODS[kind]
    items: list[dict[str, Any]] = []
    cursor: str | None = None
    for _ in range(MAX_PAGES):
        frame = await ask(method, {"cursor": cursor} if cursor else {})
        if "error" in frame:
            if as_dict(frame["error"]).get("code") == METHOD_NOT_FOUND:
                return ()
            raise HandshakeFailed(f"`{method}` was answered with {told(frame)}.")
        page = as_dict(frame.get("result"))
        items.extend(item for item in as_list(page.get(RESULT_KEYS[kind])) if isinstance(item, dict))
        following = page.get("nextCursor")
        if not isinstance(following, str) or following in ("", cursor):
            return tuple(items)
        cursor = following
    raise HandshakeFailed(f"`{method}` does not end: {MAX_PAGES} pages were read.")
