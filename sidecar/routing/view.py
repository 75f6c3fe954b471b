"""What a workspace shows, and where each thing shown comes from: immutable, made anew when anything changes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from bridge.models import ServerSpec
from sidecar.features import names, schemas, uris
from sidecar.protocol import codec, extensions
from sidecar.protocol.catalog import Catalog
from sidecar.protocol.eras import Era
from sidecar.protocol.param_headers import KEYWORD

if TYPE_CHECKING:
    from sidecar.upstream.upstream import Upstream

Item = dict[str, Any]
Kind = Literal["tools", "prompts", "resources", "templates"]


@dataclass(frozen=True, slots=True, eq=False)
class Offer:
    """A server in a workspace, with the lists that it offers now."""

    spec: ServerSpec
    upstream: Upstream
    catalog: Catalog
    label: str
    """What its URIs stand under; empty when the workspace does not prefix."""
    originals: uris.Originals
    views: bool = False
    """Whether it has views of MCP Apps."""

    def rename(self, uri: str) -> str:
        """A URI of this server as the workspace shows it."""
        return uris.prefix(uri, self.label) if self.label else uri

    def wraps(self, tool: str) -> bool:
        """Whether legacy clients have the structured content of a tool wrapped (`schemas.wrapped`)."""
        schemas_of = (item.get("outputSchema") for item in self.catalog.tools if item["name"] == tool)
        return any(map(schemas.needs_wrapping, schemas_of))

    def timeout(self, tool: str) -> float:
        """Seconds that a call of the tool may take."""
        return self.spec.settings.tool_timeouts.get(tool, self.spec.settings.call_timeout)


@dataclass(frozen=True, slots=True)
class Route:
    """Where a name leads: the server, and what it calls the thing."""

    offer: Offer
    name: str
    wrapped: bool = False
    """Whether legacy clients get its structured content as the property `result` of an object (`schemas.wrapped`)."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """The lists of a workspace and the tables behind them; every look-up is O(1)."""

    offers: tuple[Offer, ...] = ()
    tools: tuple[Item, ...] = ()
    prompts: tuple[Item, ...] = ()
    resources: tuple[Item, ...] = ()
    templates: tuple[Item, ...] = ()
    instructions: str = ""
    tool_routes: Mapping[str, Route] = field(default_factory=dict)
    prompt_routes: Mapping[str, Route] = field(default_factory=dict)
    wraps: bool = False
    """Whether there is a tool whose schema differs for legacy clients."""
    labels: Mapping[str, Offer] = field(default_factory=dict)
    made_of: object = None
    """What `build` made it of."""
    _written: dict[str, codec.Written] = field(default_factory=dict)
    """Its lists as they are sent, so that each is written to bytes once."""
    _with_headers: list[frozenset[str]] = field(default_factory=list)

    def items(self, kind: Kind, era: Era) -> tuple[Item, ...]:
        """One of its lists, as clients of an era take it."""
        found: tuple[Item, ...] = getattr(self, kind)
        if kind != "tools" or era == "modern" or not self.wraps:
            return found
        return tuple(_for_legacy(item) for item in found)

    def listed(self, kind: Kind, era: Era) -> codec.Written:
        """The same, as a result has it; written once for both eras where they do not differ."""
        name = f"{kind} {era}" if kind == "tools" and self.wraps else kind
        written = self._written.get(name)
        if written is None:
            written = self._written[name] = codec.Written(self.items(kind, era))
        return written

    @property
    def with_headers(self) -> frozenset[str]:
        """Tools that may want arguments repeated in headers (MCP 2026-07-28, Transports, Custom Headers)."""
        if not self._with_headers:
            keyword = KEYWORD.encode()
            found = self.tools if keyword in self.listed("tools", "modern").data else ()
            self._with_headers.append(frozenset(item["name"] for item in found if keyword in codec.dumps(item)))
        return self._with_headers[0]

    def schema(self, tool: str) -> Any:
        """The input schema of a tool by its exposed name, if it has one."""
        return next((item.get("inputSchema") for item in self.tools if item["name"] == tool), None)

    def resource(self, uri: str) -> tuple[Offer, str] | None:
        """The server that a URI (or template) leads to, and the URI as that server has it.

        A server's own URI, without the label, leads to the server where one alone lists it (docs/extensions.md): such
        URIs stand in structured content and in views. Where no URI has a label it leads to the first server that
        lists it, or else to the first.
        """
        stripped = uris.strip(uri) if self.labels else None
        labelled = self.labels.get(stripped[0]) if stripped else None
        if labelled and stripped and labelled.originals.has(stripped[1]):
            return labelled, labelled.originals.restore(stripped[1])
        listing = [offer for offer in self.offers if offer.originals.has(uri)]
        if len(listing) == 1 or (listing and not self.labels):
            return listing[0], listing[0].originals.restore(uri)
        if self.labels:
            return (labelled, stripped[1]) if labelled and stripped else None
        return (self.offers[0], uri) if self.offers else None

    def own_names(self, tool: str) -> dict[str, Route]:
        """The tools that a view of MCP Apps may mean by its server's own name of a tool, by their exposed names."""
        return {name: route for name, route in self.tool_routes.items() if route.name == tool and route.offer.views}

    def changed(self, other: View) -> list[str]:
        """The list_changed notifications that leading from `other` to this view calls for."""
        changes: list[str] = []
        if self is other:
            return changes
        if self.tools != other.tools:
            changes.append("notifications/tools/list_changed")
        if self.prompts != other.prompts:
            changes.append("notifications/prompts/list_changed")
        if (self.resources, self.templates) != (other.resources, other.templates):
            changes.append("notifications/resources/list_changed")
        return changes


EMPTY = View()

Source = tuple[ServerSpec, "Upstream", Catalog]


def build(
    sources: Iterable[Source],
    template: str,
    *,
    configured: Mapping[str, str] | None = None,
    before: View | None = None,
) -> View:
    """The view of these servers, in this order; `before` itself where it was made of the same.

    `configured` are the namespaces of all servers of the workspace by key, those that are down included, so that
    labels do not depend on what is running.
    """
    sources = tuple(sources)
    namespaces = configured or {spec.key: spec.namespace for spec, _, _ in sources}
    made_of = (sources, template, namespaces)
    if before is not None and before.made_of == made_of:
        return before
    labels = {} if template == names.TRANSPARENT else uris.labels(namespaces)
    offers = tuple(_offer(source, labels.get(source[0].key, "")) for source in sources)
    tools, tool_routes = _named(offers, template, lambda catalog: catalog.tools, _tool)
    prompts, prompt_routes = _named(offers, template, lambda catalog: catalog.prompts, lambda item, _: item)
    return View(
        offers=offers,
        tools=tools,
        prompts=prompts,
        resources=tuple(
            _with_uri(item, "uri", offer) for offer in offers for item in offer.catalog.resources if _shows(item, offer)
        ),
        templates=tuple(_with_uri(item, "uriTemplate", offer) for offer in offers for item in offer.catalog.templates),
        instructions=instructions([(each.spec.namespace, each.catalog.greeting.instructions) for each in offers]),
        tool_routes=tool_routes,
        prompt_routes=prompt_routes,
        wraps=any(route.wrapped for route in tool_routes.values()),
        labels={offer.label: offer for offer in offers if offer.label},
        made_of=made_of,
    )


def _offer(source: Source, label: str) -> Offer:
    spec, upstream, catalog = source
    listed = [item.get("uri") for item in catalog.resources] + [item.get("uriTemplate") for item in catalog.templates]
    listed += extensions.view_uris(catalog.tools)
    originals = uris.Originals(uri for uri in listed if isinstance(uri, str))
    return Offer(spec, upstream, catalog, label, originals, views=originals.has_scheme("ui"))


def _named(
    offers: tuple[Offer, ...],
    template: str,
    items_of: Callable[[Catalog], tuple[Item, ...]],
    change: Callable[[Item, Offer], Item],
) -> tuple[tuple[Item, ...], dict[str, Route]]:
    """Tools or prompts under their exposed names, and the table of routes."""
    by_key = {offer.spec.key: offer for offer in offers}
    found = {
        (offer.spec.key, item["name"]): item
        for offer in offers
        for item in items_of(offer.catalog)
        if isinstance(item.get("name"), str)
    }
    entries = (names.Entry(key, by_key[key].spec.namespace, name) for key, name in found)
    shown: list[Item] = []
    routes: dict[str, Route] = {}
    for exposed, entry in names.expose(entries, template).items():
        offer, item = by_key[entry.server], found[entry.server, entry.name]
        routes[exposed] = Route(offer, entry.name, schemas.needs_wrapping(item.get("outputSchema")))
        item = change(item, offer)
        shown.append(item if exposed == entry.name else {**item, "name": exposed})
    return tuple(shown), routes


def _tool(item: Item, offer: Offer) -> Item:
    if not offer.label or "_meta" not in item:
        return item
    renamed: Item = uris.rewrite_result("tools/list", {"tools": [item]}, partial(Offer.rename, offer))["tools"][0]
    return renamed


def _for_legacy(item: Item) -> Item:
    schema = item.get("outputSchema")
    return {**item, "outputSchema": schemas.wrapped(schema)} if schemas.needs_wrapping(schema) else item


def _with_uri(item: Item, field_name: str, offer: Offer) -> Item:
    uri = item.get(field_name)
    return {**item, field_name: offer.rename(uri)} if offer.label and isinstance(uri, str) else item


def instructions(told: Sequence[tuple[str, str]]) -> str:
    """What servers say of themselves, as a workspace says it: `told` has the namespace and the text of each."""
    texts = [(namespace, text) for namespace, text in told if text]
    if len(told) == 1 and texts:
        return texts[0][1]
    return "\n\n".join(f"# {namespace}\n\n{text}" for namespace, text in texts)


def _shows(item: Item, offer: Offer) -> bool:
    """Whether a resource can be listed: without a label its URI is as the server has it, which may be none."""
    return bool(offer.label) or uris.is_absolute(item["uri"])
