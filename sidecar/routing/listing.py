"""How a view lists tools: which ones with `tools: search`, their forms, and the instructions beside them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from bridge.models import WorkspaceSpec
from sidecar.features import schemas
from sidecar.protocol.catalog import Item
from sidecar.routing.offer import Offer, Route
from sidecar.routing.search import Entry

SEARCH_TOOL = "hub_search_tools"
"""The hub's tool with which clients find the others."""


def pinned(spec: WorkspaceSpec) -> tuple[str, ...] | None:
    """What is listed beside the hub's own tools, by name or pattern; None if all tools are."""
    return spec.pinned_tools if spec.tools == "search" else None


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


def instructions(servers: Sequence[tuple[str, str]]) -> str:
    """The workspace's `instructions`, from each server's namespace and instructions."""
    texts = [(namespace, text) for namespace, text in servers if text]
    if len(servers) == 1 and texts:
        return texts[0][1]
    return "\n\n".join(f"# {namespace}\n\n{text}" for namespace, text in texts)


def is_read_only(tool: Item) -> bool:
    """Whether a tool declares that it changes nothing, and that a repeated call has no further effect."""
    hints = tool.get("annotations")
    return isinstance(hints, dict) and hints.get("readOnlyHint") is True and hints.get("idempotentHint") is True


def for_legacy(item: Item) -> Item:
    """A tool as legacy clients get it."""
    schema = item.get("outputSchema")
    return {**item, "outputSchema": schemas.wrapped(schema)} if schemas.needs_wrapping(schema) else item
