"""An immutable snapshot of a workspace's lists, and the routes to its servers. Rebuilt on every change. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from bridge.models import Curation, ServerSpec
from sidecar.features import names, pagination, schemas, uris
from sidecar.protocol import codec, extensions
from sidecar.protocol.catalog import RESULT_KEYS, Catalog, Item, ListKind
from sidecar.protocol.eras import Era
from sidecar.protocol.in_process import is_hubs_own
from sidecar.protocol.param_headers import KEYWORD
from sidecar.routing import listing
from sidecar.routing.curation import KindRules, ServerCurator
from sidecar.routing.narrowing import NarrowedBy, narrowing
from sidecar.routing.offer import Offer, Route
from sidecar.routing.rights import Rights, ServerRights
from sidecar.routing.search import ToolIndex

if TYPE_CHECKING:
    from sidecar.upstream.upstream import Upstream

Source = tuple[ServerSpec, "Upstream", Catalog]
Inputs = tuple[tuple[Source, ...], str, Mapping[str, str], Rights | None, Curation | None, tuple[str, ...] | None]
"""Servers with their lists, the name template, the namespaces of all servers of the workspace by key, the rights, the
curation, and the pinned tools."""


@dataclass(frozen=True, slots=True, eq=False)
class Named:
    """The tools or prompts of one server, under the names that they have where no names collide."""

    items: tuple[Item, ...]
    routes: tuple[Route, ...]
    """The route of each item."""
    by_name: Mapping[str, Route]
    folded: frozenset[str]
    """The names as they are compared (`names.fold`)."""


@dataclass(frozen=True, slots=True, eq=False)
class Contribution:
    """What one server adds to a view. It depends on that server, the rights on it and its curation only, so it is
    rebuilt only when one of them changes."""

    offer: Offer
    catalog: Catalog
    """The server's whole lists."""
    template: str
    tools: Named
    prompts: Named
    resources: tuple[Item, ...]
    templates: tuple[Item, ...]
    wraps: bool
    """Whether the output schema of any of its tools differs for legacy clients."""

    @property
    def visible(self) -> bool:
        """Whether anything is left of the server after what may not be used is removed."""
        return self.offer.rights is None or any((self.tools.items, self.prompts.items, self.resources, self.templates))


@dataclass(frozen=True, slots=True, eq=False)
class Merged:
    """The tools or prompts of all servers, in order, and their routes by name."""

    parts: tuple[Named, ...] = ()
    items: tuple[Item, ...] = ()
    routes: dict[str, Route] = field(default_factory=dict)
    folded: set[str] | None = field(default_factory=set)
    """All names as they are compared (`names.fold`); None if names collided: then the next merge starts anew."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """The merged lists of a workspace, and the routes of its tools and prompts by exposed name."""

    offers: tuple[Offer, ...] = ()
    tools: tuple[Item, ...] = ()
    prompts: tuple[Item, ...] = ()
    resources: tuple[Item, ...] = ()
    templates: tuple[Item, ...] = ()
    instructions: str = ""
    listed_tools: tuple[Item, ...] | None = None
    """The tools that lists have; None for all."""
    tool_routes: Mapping[str, Route] = field(default_factory=dict)
    prompt_routes: Mapping[str, Route] = field(default_factory=dict)
    wraps: bool = False
    """Whether the output schema of any tool differs for legacy clients."""
    labels: Mapping[str, Offer] = field(default_factory=dict)
    inputs: Inputs | None = None
    """What `build` made it of."""
    server_labels: Mapping[str, str] = field(default_factory=dict)
    """The labels of all configured servers, by server key."""
    contributions: Mapping[str, Contribution] = field(default_factory=dict)
    """What each server adds, by server key. The next view reuses those of servers that did not change."""
    merged: tuple[Merged, Merged] = field(default_factory=lambda: (Merged(), Merged()))
    """Its tools and prompts, merged; the next view starts from them."""
    _encoded: dict[str, codec.EncodedList] = field(default_factory=dict)
    """Its lists as they are sent, so that each is written to bytes once."""
    _pages: dict[str, pagination.Pages] = field(default_factory=dict)
    _with_headers: list[frozenset[str]] = field(default_factory=list)
    _read_only_tools: list[frozenset[str]] = field(default_factory=list)
    _index: list[ToolIndex] = field(default_factory=list)

    def items(self, kind: ListKind, era: Era) -> tuple[Item, ...]:
        """The list of `kind` for clients of an era."""
        hides = kind == "tools" and self.listed_tools is not None
        found: tuple[Item, ...] = getattr(self, "listed_tools" if hides else kind)
        if kind != "tools" or era == "modern" or not self.wraps:
            return found
        return tuple(listing.for_legacy(item) for item in found)

    def listed(self, kind: ListKind, era: Era) -> codec.EncodedList:
        """The list of `kind` for clients of an era, encoded once (and for both eras together if they do not differ)."""
        name = f"{kind} {era}" if kind == "tools" and self.wraps else kind
        encoded = self._encoded.get(name)
        if encoded is None:
            encoded = self._encoded[name] = codec.EncodedList(self.items(kind, era))
        return encoded

    def pages(self, kind: ListKind, era: Era) -> pagination.Pages:
        """The same list in pages; each page is encoded once."""
        name = f"{kind} {era}" if kind == "tools" and self.wraps else kind
        if name not in self._pages:
            self._pages[name] = pagination.Pages(RESULT_KEYS[kind], self.items(kind, era))
        return self._pages[name]

    @property
    def with_headers(self) -> frozenset[str]:
        """Tools that may want arguments repeated in headers (MCP 2026-07-28, Transports, Custom Headers)."""
        if not self._with_headers:
            keyword = KEYWORD.encode()
            whole = self.listed_tools is not None or keyword in self.listed("tools", "modern").data
            found = self.tools if whole else ()
            self._with_headers.append(frozenset(item["name"] for item in found if keyword in codec.dumps(item)))
        return self._with_headers[0]

    @property
    def read_only_tools(self) -> frozenset[str]:
        """Tools that declare that they change nothing, and that a repeated call has no further effect."""
        if not self._read_only_tools:
            self._read_only_tools.append(frozenset(item["name"] for item in self.tools if listing.is_read_only(item)))
        return self._read_only_tools[0]

    def tool_index(self) -> ToolIndex:
        """The index to search its tools, made at the first call: that takes 0.2 s for 500 tools."""
        if not self._index:
            self._index.append(ToolIndex(listing.searched(self.tools, self.tool_routes)))
        return self._index[0]

    def schema(self, tool: str) -> Any:
        """The input schema of a tool by its exposed name; None if there is no such tool."""
        return next((item.get("inputSchema") for item in self.tools if item["name"] == tool), None)

    def resource(self, uri: str) -> tuple[Offer, str] | None:
        """Resolve an exposed URI or URI template: the server, and the URI there. None if no server can be determined,
        or the URI may not be used.

        A URI without a label, as in structured content and in views, is resolved if exactly one server lists it
        (docs/extensions.md). In workspaces without labels, a URI belongs to the first server that lists it, else to
        the first server.
        """
        found = self._located(uri)
        return found if found is not None and found[0].permits(found[1]) else None

    def _located(self, uri: str) -> tuple[Offer, str] | None:
        stripped = uris.strip(uri) if self.labels else None
        labelled = self.labels.get(stripped[0]) if stripped else None
        if labelled and stripped and labelled.originals.has(stripped[1]):
            return labelled, labelled.originals.restore(stripped[1])
        listing = [offer for offer in self.offers if offer.lists(uri)]
        if len(listing) == 1 or (listing and not self.labels):
            return listing[0], listing[0].originals.restore(uri)
        if self.labels:
            return (labelled, stripped[1]) if labelled and stripped else None
        return (self.offers[0], uri) if self.offers else None

    def permits(self, server: str, uri: str) -> bool:
        """Whether a URI of a server (its own) may be used. Servers that are not in the view have no such URI."""
        found = self.contributions.get(server)
        return found is not None and found.offer.permits(uri)

    def own_names(self, tool: str) -> dict[str, Route]:
        """The tools, by exposed name, that have this name on a server with MCP Apps views: views use such names."""
        return {name: route for name, route in self.tool_routes.items() if route.name == tool and route.offer.views}

    def changed(self, other: View) -> list[str]:
        """The list_changed notifications to send when this view replaces `other`."""
        changes: list[str] = []
        if self is other:
            return changes
        if self.items("tools", "modern") != other.items("tools", "modern"):
            changes.append("notifications/tools/list_changed")
        if self.prompts != other.prompts:
            changes.append("notifications/prompts/list_changed")
        if (self.resources, self.templates) != (other.resources, other.templates):
            changes.append("notifications/resources/list_changed")
        return changes


EMPTY = View()


def build(
    sources: Iterable[Source],
    template: str,
    *,
    configured: Mapping[str, str] | None = None,
    before: View | None = None,
    rights: Rights | None = None,
    curation: Curation | None = None,
    pinned: tuple[str, ...] | None = None,
) -> View:
    """Build the view of these servers, in this order. Returns `before` if it was built from the same arguments.

    `configured`: the namespaces, by server key, of all servers of the workspace including stopped ones, so that labels
    do not depend on which servers are running. `rights`: what its principal may use; None for everything.
    `curation`: what the workspace shows, and how; None for everything as it is.
    `pinned`: names and patterns of tools to list beside the hub's own; None to list all.
    """
    sources = tuple(sources)
    namespaces = configured or {spec.key: spec.namespace for spec, _, _ in sources}
    inputs: Inputs = (sources, template, namespaces, rights, curation, pinned)
    if before is not None and before.inputs == inputs:
        return before
    labels = _labels(namespaces, template, before)
    known = before.contributions if before is not None else {}
    found = [
        _contribution(source, labels.get(source[0].key, ""), template, narrowing(source[0], rights, curation), known)
        for source in sources
    ]
    offers = tuple(each.offer for each in found)
    merged_before = before.merged if before is not None else (Merged(), Merged())
    tools = _merged(tuple(each.tools for each in found), template, merged_before[0])
    prompts = _merged(tuple(each.prompts for each in found), template, merged_before[1])
    return View(
        offers=offers,
        tools=tools.items,
        prompts=prompts.items,
        resources=tuple(chain.from_iterable(each.resources for each in found)),
        templates=tuple(chain.from_iterable(each.templates for each in found)),
        instructions=listing.instructions(
            [(each.offer.spec.namespace, each.catalog.greeting.instructions) for each in found if each.visible]
        ),
        listed_tools=None if pinned is None else listing.listed(tools.items, tools.routes, pinned),
        tool_routes=tools.routes,
        prompt_routes=prompts.routes,
        wraps=any(each.wraps for each in found),
        labels={offer.label: offer for offer in offers if offer.label},
        inputs=inputs,
        server_labels=labels,
        contributions={each.offer.spec.key: each for each in found},
        merged=(tools, prompts),
    )


def _labels(namespaces: Mapping[str, str], template: str, before: View | None) -> Mapping[str, str]:
    """The labels by server key; those of `before` if it was built for the same servers."""
    if before is not None and before.inputs is not None and before.inputs[1:3] == (template, namespaces):
        return before.server_labels
    return {} if template == names.TRANSPARENT else uris.labels(namespaces)


def _contribution(
    source: Source, label: str, template: str, narrowed_by: NarrowedBy, known: Mapping[str, Contribution]
) -> Contribution:
    """What a server adds to the view; the one in `known` if it was built from the same source and
    narrowed by the same."""
    spec, upstream, catalog = source
    before = known.get(spec.key)
    if before is not None and before.template == template and before.offer.label == label:
        offer = before.offer
        same = offer.upstream is upstream and before.catalog is catalog and (offer.rights, offer.curator) == narrowed_by
        if same and (offer.spec is spec or offer.spec == spec):
            return before
    offer = _offer(source, label, *narrowed_by)
    shown, curator = offer.catalog, offer.curator
    tools = _named(offer, template, shown.tools, _tool, curator.tools if curator else None)
    return Contribution(
        offer=offer,
        catalog=catalog,
        template=template,
        tools=tools,
        prompts=_named(offer, template, shown.prompts, _prompt, curator.prompts if curator else None),
        resources=tuple(_with_uri(item, "uri", offer) for item in shown.resources if _shows(item, offer)),
        templates=tuple(_with_uri(item, "uriTemplate", offer) for item in shown.templates),
        wraps=any(route.wrapped for route in tools.routes),
    )


def _offer(source: Source, label: str, rights: ServerRights | None, curator: ServerCurator | None) -> Offer:
    spec, upstream, catalog = source
    originals = uris.Originals(_listed(catalog))
    if rights is None and curator is None:
        return Offer(spec, upstream, catalog, label, originals, originals.has_scheme("ui"))
    shown = rights.catalog(catalog) if rights is not None else catalog
    hidden = curator.hidden_templates(shown.templates) if curator is not None else None
    shown = curator.catalog(shown) if curator is not None else shown
    views = uris.Originals(_listed(shown)).has_scheme("ui")
    return Offer(spec, upstream, shown, label, originals, views, rights, curator, hidden)


def _listed(catalog: Catalog) -> list[str]:
    """The URIs in a server's lists."""
    listed = [item.get("uri") for item in catalog.resources] + [item.get("uriTemplate") for item in catalog.templates]
    listed += extensions.view_uris(catalog.tools)
    return [uri for uri in listed if isinstance(uri, str)]


def _named(
    offer: Offer,
    template: str,
    items: Iterable[Item],
    change: Callable[[Item, Offer], Item],
    rules: KindRules | None,
) -> Named:
    """A server's items with their exposed names. Of several items with the same name the last one counts. The hub's
    own tools keep their names."""
    found, own = {item["name"]: item for item in items if isinstance(item.get("name"), str)}, is_hubs_own(offer.spec)
    shown: list[Item] = []
    routes: list[Route] = []
    for name, item in found.items():
        called = name if rules is None else rules.item(name).name or name
        entry = names.Entry(offer.spec.key, offer.spec.namespace, called)
        exposed = name if own else names.plain_name(entry, template)
        presets = offer.curator.presets(name) if offer.curator is not None and change is _tool else None
        routes.append(Route(offer, name, schemas.needs_wrapping(item.get("outputSchema")), presets))
        changed = change(item, offer)
        shown.append(changed if exposed == name else {**changed, "name": exposed})
    by_name = {item["name"]: route for item, route in zip(shown, routes, strict=True)}
    return Named(tuple(shown), tuple(routes), by_name, frozenset(map(names.fold, by_name)))


def _merged(parts: tuple[Named, ...], template: str, before: Merged) -> Merged:
    """Merge the items of all servers. What `before` has of the same parts is copied, and only the others are merged."""
    base = Merged() if before.folded is None else before
    known, kept = set(base.parts), set(parts)
    folded, routes = set(base.folded or ()), base.routes.copy()
    for part in base.parts:
        if part not in kept:
            folded -= part.folded
            for name in part.by_name:
                del routes[name]
    for part in parts:
        if part not in known:
            folded |= part.folded
            routes |= part.by_name
    if len(folded) < sum(len(part.items) for part in parts):
        return _with_collisions(parts, template)
    return Merged(parts, tuple(chain.from_iterable(part.items for part in parts)), routes, folded)


def _with_collisions(parts: tuple[Named, ...], template: str) -> Merged:
    """As `_merged`, for names that collide: these are replaced (`names.resolve`)."""
    plain: dict[names.Entry, str] = {}
    found: dict[names.Entry, tuple[Item, Route]] = {}
    reserved: set[names.Entry] = set()
    for item, route in ((item, route) for part in parts for item, route in zip(part.items, part.routes, strict=True)):
        spec = route.offer.spec
        entry = names.Entry(spec.key, spec.namespace, route.name)
        plain[entry], found[entry] = item["name"], (item, route)
        if is_hubs_own(spec):
            reserved.add(entry)
    shown: list[Item] = []
    routes: dict[str, Route] = {}
    for exposed, entry in names.resolve(plain, template, reserved).items():
        item, routes[exposed] = found[entry]
        shown.append(item if exposed == item["name"] else {**item, "name": exposed})
    return Merged(parts, tuple(shown), routes, None)


def _prompt(item: Item, offer: Offer) -> Item:
    return item if offer.curator is None else offer.curator.prompt(item)


def _tool(item: Item, offer: Offer) -> Item:
    if offer.curator is not None:
        item = offer.curator.tool(item)
    if not offer.label or "_meta" not in item:
        return item
    renamed: Item = uris.rewrite_result("tools/list", {"tools": [item]}, partial(Offer.rename, offer))["tools"][0]
    return renamed


def _with_uri(item: Item, field_name: str, offer: Offer) -> Item:
    uri = item.get(field_name)
    return {**item, field_name: offer.rename(uri)} if offer.label and isinstance(uri, str) else item


def _shows(item: Item, offer: Offer) -> bool:
    """Whether a resource can be listed. Without a label its URI stays as it is, and may be invalid."""
    return bool(offer.label) or uris.is_absolute(item["uri"])
