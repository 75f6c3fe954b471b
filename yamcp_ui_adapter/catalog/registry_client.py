"""Reads a registry of servers by its API (registry API v0.1, `GET /v0.1/servers`). All limits guard against a hostile
one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from yamcp_ui_adapter.activation.target import Json
from yamcp_ui_adapter.catalog.entry import REGISTRY_META
from yamcp_ui_adapter.catalog.errors import RegistryFailed

if TYPE_CHECKING:
    import httpx2

PAGE = 100
"""Entries asked for at once, the most that the API allows."""
MAX_PAGES = 1000
MAX_PAGE_BYTES = 8_000_000
MAX_FETCH_BYTES = 128_000_000
"""Of all pages of one fetch."""
MAX_ENTRY_BYTES = 64_000
"""Larger entries are left out."""
MAX_NAME = 200
MAX_CURSOR = 2000
PAGE_SECONDS = 30.0
"""For one page, from the request to its last byte."""
VERSION_SECONDS = 4.0
"""For one version of an entry: somebody waits for it."""
PAUSES = (1.0, 4.0)
"""Seconds before a page that failed for a passing reason is asked for again."""


class Passing(RegistryFailed):
    """A failure that may pass: the registry was out of reach, slow, or answered 429 or 5xx."""


class NotThere(RegistryFailed):
    """The registry answered 404."""


async def entries(url: str, since: str | None, page_seconds: float = PAGE_SECONDS) -> AsyncIterator[list[Json]]:
    """Yield pages of the newest version of each entry, with its status in `_meta`; since a time (RFC 3339) only those
    that changed, deleted ones among them.

    Raises RegistryFailed.
    """
    import httpx2  # noqa: PLC0415 (a hub without registries needs no HTTP client here)

    query = {"limit": str(PAGE), "version": "latest"}
    if since is not None:
        query |= {"updated_since": since, "include_deleted": "true"}
    address, cursors, size = f"{url.rstrip('/')}/v0.1/servers", set[str](), 0
    async with httpx2.AsyncClient(timeout=page_seconds, follow_redirects=False) as client:
        for _ in range(MAX_PAGES):
            content = await _patiently(client, address, query, page_seconds)
            size += len(content)
            if size > MAX_FETCH_BYTES:
                raise RegistryFailed(f"The registry at {url} sent more than {MAX_FETCH_BYTES:,} bytes in all.")
            page = _parsed(content, address)
            yield _entries_of(page, url)
            cursor = _cursor_of(page)
            if not cursor:
                return
            if cursor in cursors:
                raise RegistryFailed(f"The registry at {url} gave the same `nextCursor` twice.")
            cursors.add(cursor)
            query["cursor"] = cursor
    raise RegistryFailed(f"The registry at {url} has more than {MAX_PAGES} pages.")


async def version_of(url: str, name: str, version: str, seconds: float = VERSION_SECONDS) -> Json | None:
    """Return one version of an entry; None if the registry does not have it. Raises RegistryFailed."""
    import httpx2  # noqa: PLC0415 (see above)

    address = f"{url.rstrip('/')}/v0.1/servers/{quote(name, safe='')}/versions/{quote(version, safe='')}"
    async with httpx2.AsyncClient(timeout=seconds, follow_redirects=False) as client:
        try:
            entry = _entry_of(_parsed(await _page(client, address, {}, seconds), address))
        except NotThere:
            return None
    if entry is None or (entry["name"], entry["version"]) != (name, version):
        raise RegistryFailed(f"{address} did not answer with version {version!r} of {name!r}.")
    return entry


async def _patiently(client: httpx2.AsyncClient, address: str, query: dict[str, str], seconds: float) -> bytes:
    for pause in PAUSES:
        try:
            return await _page(client, address, query, seconds)
        except Passing:
            await asyncio.sleep(pause)
    return await _page(client, address, query, seconds)


async def _page(client: httpx2.AsyncClient, address: str, query: dict[str, str], seconds: float) -> bytes:
    import httpx2  # noqa: PLC0415 (see above)

    content = bytearray()
    try:
        async with asyncio.timeout(seconds), client.stream("GET", address, params=query) as response:
            status = response.status_code
            if status != 200:
                raise _kind_of(status)(f"{address} answered with status {status}.")
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > MAX_PAGE_BYTES:
                    raise RegistryFailed(f"{address} sent a page of more than {MAX_PAGE_BYTES:,} bytes.")
    except (TimeoutError, httpx2.TimeoutException):
        raise Passing(f"{address} did not answer within {seconds:g} s.") from None
    except httpx2.HTTPError as error:
        raise Passing(f"{address} cannot be read: {type(error).__name__}.") from None
    return bytes(content)


def _kind_of(status: int) -> type[RegistryFailed]:
    if status == 404:
        return NotThere
    return Passing if status == 429 or status >= 500 else RegistryFailed


def _parsed(content: bytes, address: str) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise RegistryFailed(f"{address} did not answer with JSON.") from None


def _entries_of(page: Any, url: str) -> list[Json]:
    servers = page.get("servers") if isinstance(page, dict) else None
    if not isinstance(servers, list):
        raise RegistryFailed(f"The answer of the registry at {url} has no list `servers`.")
    return [entry for each in servers if (entry := _entry_of(each)) is not None]


def _entry_of(item: Any) -> Json | None:
    """The entry with what the registry says of it; None if it is not one, or too large."""
    entry = item.get("server") if isinstance(item, dict) else None
    if not isinstance(entry, dict):
        return None
    name, version = entry.get("name"), entry.get("version")
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME or not isinstance(version, str):
        return None
    official = item["_meta"].get(REGISTRY_META) if isinstance(item.get("_meta"), dict) else None
    # the publisher's own `_meta` is left out: it could claim what the hub says of entries that it has checked
    kept = {**entry, "_meta": {REGISTRY_META: official} if isinstance(official, dict) else {}}
    return kept if len(json.dumps(kept)) <= MAX_ENTRY_BYTES else None


def _cursor_of(page: Any) -> str | None:
    metadata = page.get("metadata")
    cursor = metadata.get("nextCursor") if isinstance(metadata, dict) else None
    return cursor if isinstance(cursor, str) and 0 < len(cursor) <= MAX_CURSOR else None
