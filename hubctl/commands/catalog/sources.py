"""`hubctl catalog sources`: list the sources of the catalogue; add, remove and refresh registries."""

from __future__ import annotations

import argparse
import asyncio
import time

from bridge.client import BridgeClient
from bridge.models.catalog.entries import (
    CatalogSource,
    PutCatalogSource,
    ReadCatalogSources,
    RefreshCatalogSource,
    RemoveCatalogSource,
)
from hubctl.context import Context
from hubctl.render import clean, table

LOOK_SECONDS = 0.2
"""Between two looks at a registry that is being copied."""
WAIT_SECONDS = 120.0
"""The copying goes on after that."""
UNITS = ((86_400, "days"), (3600, "hours"), (60, "minutes"), (1, "seconds"))


async def sources(context: Context, arguments: argparse.Namespace) -> int:
    """Run `hubctl catalog sources` with its action."""
    async with context.desired() as adapter:
        if arguments.sources in ("list", None):
            _list(context, (await adapter.request(ReadCatalogSources())).sources)
            return 0
        if arguments.sources == "remove":
            await adapter.request(RemoveCatalogSource(id=arguments.id))
            context.say(f"Removed {arguments.id}. Servers that were added from it stay.")
            return 0
        if arguments.sources == "add":
            await adapter.request(PutCatalogSource(id=arguments.id, url=arguments.url, title=arguments.title))
        else:
            await adapter.request(RefreshCatalogSource(id=arguments.id))
        copied = await _copied(adapter, arguments.id)
    if copied is not None:
        _list(context, (copied,))
    return 1 if copied is not None and copied.error is not None else 0


async def _copied(adapter: BridgeClient, id_: str) -> CatalogSource | None:
    """Wait until a registry is copied, or WAIT_SECONDS; None if it is gone."""
    late = time.monotonic() + WAIT_SECONDS
    while True:
        listed = (await adapter.request(ReadCatalogSources())).sources
        found = next((each for each in listed if each.id == id_), None)
        if found is None or not found.refreshing or time.monotonic() > late:
            return found
        await asyncio.sleep(LOOK_SECONDS)


def _list(context: Context, found: tuple[CatalogSource, ...]) -> None:
    if context.json:
        context.emit(found)
        return
    rows = [(each.id, clean(each.title), str(each.entries), _state(each), clean(each.url or "-")) for each in found]
    context.say(*table(("ID", "TITLE", "ENTRIES", "COPY", "URL"), rows, context.paint, context.columns))
    for each in found:
        if each.error is not None:
            context.say(f"{each.id}: {clean(each.error.message)}")


def _state(source: CatalogSource) -> str:
    if source.refreshing:
        return "being copied"
    if source.url is None:
        return "on this machine"
    failed = ", failed since" if source.error is not None else ""
    return f"{_age(source.fetched)}{failed}"


def _age(fetched: float | None) -> str:
    if fetched is None:
        return "none"
    seconds = max(1, int(time.time() - fetched))
    size, unit = next((size, unit) for size, unit in UNITS if seconds >= size)
    return f"{seconds // size} {unit} old"
