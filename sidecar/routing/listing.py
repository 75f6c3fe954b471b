"""Which tools of a workspace with `tools: search` are listed: the hub's own, and pinned ones. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from sidecar.protocol.catalog import Item
from sidecar.routing.offer import Offer, Route
from sidecar.routing.search import Entry

SEARCH_TOOL = "hub_search_tools"
"""The hub's tool with which clients find the others."""


def listed(tools: Sequence[Item], routes: Mapping[str, Route], pinned: Sequence[str]) -> tuple[Item, ...]:
    """The tools to list. As long as there is no search tool, all are: else nobody could find the others."""
    hub = _hub(routes)
    if hub is None:
        return tuple(tools)
    return tuple(item for item in tools if routes[item["name"]].offer is hub or _is_pinned(item["name"], pinned))


def searched(tools: Sequence[Item], routes: Mapping[str, Route]) -> Iterator[Entry]:
    """The tools to search: all but the hub's own."""
    hub = _hub(routes)
    for item in tools:
        route = routes[item["name"]]
        if route.offer is not hub:
            yield Entry(item, route.offer.spec.key, route.offer.spec.namespace, route.name)


def _hub(routes: Mapping[str, Route]) -> Offer | None:
    found = routes.get(SEARCH_TOOL)
    return None if found is None else found.offer


def _is_pinned(name: str, pinned: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in pinned)
