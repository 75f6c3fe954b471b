"""An immutable snapshot of a workspace's lists, and the routes to its servers. Rebuilt on every change. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from bridge.models import ServerSpec
from sidecar.features import names, schemas, uris
from sidecar.protocol import codec, extensions
from sidecar.protocol.catalog import Catalog, Kind
from sidecar.protocol.eras import Era
from sidecar.protocol.param_headers import KEYWORD

if TYPE_CHECKING:
    from sidecar.upstream.upstream import Upstream

Item = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Offer:
    """A server of a workspace, with the lists that it offers at this moment."""

    spec: ServerSpec
    upstream: Upstream
    catalog: Catalog
    label: str
    """The label in its URIs (features/uris.py); empty in a workspace without prefixes."""
    originals: uris.Originals
    views: bool = False
    """Whether the server has views of MCP Apps (`ui://` URIs)."""

    def rename(self, uri: str) -> str:
        """The exposed form of a URI of this server."""
        return uris.prefix(uri, self.label) if self.label else uri

    def wraps(self, tool: str) -> bool:
        """Whether a tool's structured content is wrapped for legacy clients (`schemas.wrapped`)."""
        schemas_of = (item.get("outputSchema") for item in self.catalog.tools if item["name"] == tool)
        return any(map(schemas.needs_wrapping, schemas_of))

    def timeout(self, tool: str) -> float:
        """The timeout for calls of a tool, in seconds."""
        return self.spec.settings.tool_timeouts.get(tool, self.spec.settings.call_timeout)


@dataclass(frozen=True, slots=True)
class Route:
    """The target of an exposed name: the server, and the name there."""

    offer: Offer
    name: str
    wrapped: bool = False
    """Whether its structured content is wrapped for legacy clients (`schemas.wrapped`)."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """The merged lists of a workspace, and the routes of its tools and prompts by exposed name."""

    offers: tuple[Offer, ...] = ()
    tools: tuple[Item, ...] = ()
    prompts: tuple[Item, ...] = ()
    resources: tuple[Item, ...] = ()
    templates: tuple[Item, ...] = ()
    instructions: str = ""
    tool_routes: Mapping[str, Route] = field(default_factory=dict)
    prompt_routes: Mapping[str, Route] = field(default_factory=dict)
    wraps: bool = False
    """Whether the output schema of any tool differs for legacy clients."""
    labels: Mapping[str, Offer] = field(default_factory=dict)
    inputs: object = None
    """What `build` made it of."""
    _encoded: dict[str, codec.EncodedList] = field(default_factory=dict)
    """Its lists as they are sent, so that each is written to bytes once."""
    _with_headers: list[frozenset[str]] = field(default_factory=list)

    def items(self, kind: Kind, era: Era) -> tuple[Item, ...]:
        """The list of `kind` for clients of an era."""
        found: tuple[Item, ...] = getattr(self, kind)
        if kind != "tools" or era == "modern" or not self.wraps:
            return found
        return tuple(_for_legacy(item) for item in found)

    def listed(self, kind: Kind, era: Era) -> codec.EncodedList:
        """The list of `kind` for clients of an era, encoded once (and for both eras together if they do not differ)."""
        name = f"{kind} {era}" if kind == "tools" and self.wraps else kind
        encoded = self._encoded.get(name)
        if encoded is None:
            encoded = self._encoded[name] = codec.EncodedList(self.items(kind, era))
        return encoded

    @property
    def with_headers(self) -> frozenset[str]:
        """Tools that may want arguments repeated in headers (MCP 2026-07-28, Transports, Custom Headers)."""
        if not self._with_headers:
            keyword = KEYWORD.encode()
            found = self.tools if keyword in self.listed("tools", "modern").data else ()
            self._with_headers.append(frozenset(item["name"] for item in found if keyword in codec.dumps(item)))
        return self._with_headers[0]

    def schema(self, tool: str) -> Any:
        """The input schema of a tool by its exposed name; None if there is no such tool."""
        return next((item.get("inputSchema") for item in self.tools if item["name"] == tool), None)

    def resource(self, uri: str) -> tuple[Offer, str] | None:
        """Resolve an exposed URI or URI template: the server, and the URI there. None if no server can be determined.

        A URI without a label, as in structured content and in views, is resolved if exactly one server lists it
        (docs/extensions.md). In workspaces without labels, a URI belongs to the first server that lists it, else to
        the first server.
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
        """The tools, by exposed name, that have this name on a server with MCP Apps views: views use such names."""
        return {name: route for name, route in self.tool_routes.items() if route.name == tool and route.offer.views}

    def changed(self, other: View) -> list[str]:
        """The list_changed notifications to send when this view replaces `other`."""
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
    """Build the view of these servers, in this order. Returns `before` if it was built from the same arguments.

    `configured`: the namespaces, by server key, of all servers of the workspace including stopped ones, so that labels
    do not depend on which servers are running.
    """
    sources = tuple(sources)
    namespaces = configured or {spec.key: spec.namespace for spec, _, _ in sources}
    inputs = (sources, template, namespaces)
    if before is not None and before.inputs == inputs:
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
        inputs=inputs,
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
    """Tools or prompts with their exposed names, and their routes."""
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


def instructions(servers: Sequence[tuple[str, str]]) -> str:
    """The workspace's `instructions`, from each server's namespace and instructions."""
    texts = [(namespace, text) for namespace, text in servers if text]
    if len(servers) == 1 and texts:
        return texts[0][1]
    return "\n\n".join(f"# {namespace}\n\n{text}" for namespace, text in texts)


def _shows(item: Item, offer: Offer) -> bool:
    """Whether a resource can be listed. Without a label its URI stays as it is, and may be invalid."""
    return bool(offer.label) or uris.is_absolute(item["uri"])
