"""All items of a workspace's servers, also those that its curation does not show. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from bridge.models import CuratedServer, WorkspaceItem, WorkspaceTools
from sidecar.protocol.catalog import Item
from sidecar.routing.curation import KindRules, ServerCurator, estimated_tokens
from sidecar.routing.offer import Route
from sidecar.routing.view import Contribution, View

Kind = Literal["tool", "prompt", "resource", "template"]
UNCURATED = ServerCurator(CuratedServer())


def workspace_tools(view: View) -> WorkspaceTools:
    """Every item of the servers whose lists are known, with its state and estimated tokens."""
    tools, prompts = _exposed(view.tool_routes), _exposed(view.prompt_routes)
    items = [
        item
        for contribution in view.contributions.values()
        for item in _items(contribution, tools, prompts, {item["name"]: item for item in view.tools})
    ]
    shown = sum(item.tokens for item in items if item.kind == "tool" and item.state == "on")
    return WorkspaceTools(items=tuple(items), tokens=shown)


def pending(view: View) -> int:
    """How many items of a view wait for an administrator."""
    curated = [(each, each.offer.curator) for each in view.contributions.values() if each.offer.curator is not None]
    return sum(_pending(each, curator) for each, curator in curated if curator.asks)


def _pending(contribution: Contribution, curator: ServerCurator) -> int:
    catalog = contribution.catalog
    lists = (
        (catalog.tools, "name", curator.tools),
        (catalog.prompts, "name", curator.prompts),
        (catalog.resources, "uri", curator.resources),
        (catalog.templates, "uriTemplate", curator.resources),
    )
    return sum(
        rules.decide(item[field], item.get("annotations")).state == "pending"
        for items, field, rules in lists
        if rules.kind.new == "ask"
        for item in _named(items, field)
    )


Names = Mapping[tuple[str, str], str]
"""Exposed names by server and the server's own name."""


def _exposed(routes: Mapping[str, Route]) -> Names:
    return {(route.offer.spec.key, route.name): name for name, route in routes.items()}


def _items(
    contribution: Contribution, tools: Names, prompts: Names, shown: Mapping[str, Item]
) -> Iterator[WorkspaceItem]:
    catalog, offer = contribution.catalog, contribution.offer
    curator, key = offer.curator or UNCURATED, offer.spec.key
    for item in _named(catalog.tools, "name"):
        name = tools.get((key, item["name"]))
        yield _item(key, "tool", item, item["name"], curator.tools, name, shown.get(name or "", item))
    for item in _named(catalog.prompts, "name"):
        yield _item(key, "prompt", item, item["name"], curator.prompts, prompts.get((key, item["name"])), item)
    for item in _named(catalog.resources, "uri"):
        yield _item(key, "resource", item, item["uri"], curator.resources, offer.rename(item["uri"]), item)
    for item in _named(catalog.templates, "uriTemplate"):
        uri = item["uriTemplate"]
        yield _item(key, "template", item, uri, curator.resources, offer.rename(uri), item)


def _named(items: tuple[Item, ...], field: str) -> Iterator[Item]:
    """The items with a name; of several with the same name the last one."""
    yield from {item[field]: item for item in items if isinstance(item.get(field), str)}.values()


def _item(
    server: str, kind: Kind, item: Item, name: str, rules: KindRules, exposed: str | None, counted: Item
) -> WorkspaceItem:
    annotations, schema = item.get("annotations"), item.get("inputSchema")
    title, description = item.get("title"), item.get("description")
    state, why = rules.decide(name, annotations)
    return WorkspaceItem(
        server=server,
        kind=kind,
        name=name,
        exposed=exposed if state == "on" else None,
        title=title if isinstance(title, str) else None,
        description=description if isinstance(description, str) else None,
        annotations=annotations if isinstance(annotations, dict) else {},
        input_schema=schema if isinstance(schema, dict) else None,
        tokens=estimated_tokens(counted),
        state=state,
        why=why,
    )
