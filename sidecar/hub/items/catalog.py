"""The prompts, resources and resource templates of a workspace, each with the server that answers for it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.models import Catalog, CatalogItem
from sidecar.protocol.catalog import Item
from sidecar.routing.offer import Offer
from sidecar.routing.view import View


def catalog_of(view: View) -> Catalog:
    """The lists of a view, as its clients see them."""
    return Catalog(
        prompts=tuple(_item(item, view.prompt_routes[item["name"]].offer) for item in view.items("prompts", "legacy")),
        resources=tuple(_located(view, "uri", view.items("resources", "legacy"))),
        templates=tuple(_located(view, "uriTemplate", view.items("templates", "legacy"))),
    )


def _located(view: View, field: str, items: tuple[Item, ...]) -> Iterator[CatalogItem]:
    """The items whose URI leads to a server; one that leads nowhere could not be read."""
    for item in items:
        if found := view.resource(str(item.get(field))):
            yield _item(item, found[0])


def _item(item: Item, offer: Offer) -> CatalogItem:
    completes = "completions" in offer.catalog.greeting.capabilities
    return CatalogItem(item=item, server=offer.spec.key, completes=completes)
