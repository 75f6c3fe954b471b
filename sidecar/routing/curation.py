"""What an administrator has chosen of a server's tools, prompts and resources for one workspace. Pure.

The decisions are about the server's own names and annotations; a principal's rights (rights.py) are applied before, so
that no rename leads around them. See docs/curation.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Literal, NamedTuple

from bridge.access.patterns import matches
from bridge.models import CuratedItem, CuratedKind, CuratedServer, Curation, FixedArgument
from sidecar.errors import ArgumentHidden, ParamsInvalid
from sidecar.features import uris
from sidecar.protocol import codec
from sidecar.protocol.catalog import Catalog, Item
from sidecar.routing import skill_results
from sidecar.routing.preset_schema import with_presets
from sidecar.routing.templates import HiddenTemplates, hidden_templates

State = Literal["on", "off", "pending"]
UNCHANGED = CuratedItem()


class Decision(NamedTuple):
    """Whether an item is shown, and what decided it (empty: nothing, it is shown as it is)."""

    state: State
    why: str = ""


@dataclass(frozen=True, slots=True)
class Presets:
    """The arguments of a tool that have values before a client sends any."""

    fixed: Mapping[str, Any]
    """Clients do not see them, and may not send them."""
    defaults: Mapping[str, Any]

    def fit(self, arguments: Any) -> bool:
        """Whether `apply` takes the arguments of a client."""
        return arguments is None or (isinstance(arguments, dict) and arguments.keys().isdisjoint(self.fixed))

    def apply(self, tool: str, arguments: Any) -> dict[str, Any]:
        """The arguments for the server. `tool`: its exposed name.

        Raises:
            ArgumentHidden: the client sent an argument whose value is fixed.
            ParamsInvalid: the arguments are no object.
        """
        given = {} if arguments is None else arguments
        if not isinstance(given, dict):
            raise ParamsInvalid("`arguments` is not an object.")
        if hidden := next((name for name in self.fixed if name in given), None):
            raise ArgumentHidden(f"The tool {tool!r} has no argument {hidden!r} in this workspace.")
        return {**self.defaults, **given, **self.fixed}

    @property
    def key(self) -> str:
        """Text that is equal for equal presets."""
        return codec.dumps([self.fixed, self.defaults]).decode()


@dataclass(frozen=True)
class KindRules:
    """The curation of the tools, prompts or resources of one server, compiled."""

    kind: CuratedKind

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.kind.known)

    def item(self, name: str) -> CuratedItem:
        """What is changed of the item with this name."""
        return self.kind.items.get(name, UNCHANGED)

    def decide(self, name: str, annotations: Any = None, *, listed: bool = True) -> Decision:
        """Whether an item is shown. The item's own switch decides, then whether it is new, then the rules.

        `listed`: whether the server lists it; what it does not list (a URI that fits a template) is not new.
        """
        on = self.item(name).on
        if on is not None:
            return Decision("on" if on else "off", "item")
        ruled = self._ruled(name, annotations)
        if listed and self.kind.new != "on" and name not in self._known and ruled.state == "on":
            return Decision("pending" if self.kind.new == "ask" else "off", "new")
        return ruled

    def _ruled(self, name: str, annotations: Any) -> Decision:
        hints = annotations if isinstance(annotations, Mapping) else {}
        for index, rule in enumerate(self.kind.rules, 1):
            if matches(rule.match, name) and (rule.annotation is None or hints.get(rule.annotation) is True):
                return Decision("on" if rule.on else "off", f"rule {index}")
        return Decision("on")

    def shown(self, items: Iterable[Item], field: str) -> tuple[Item, ...]:
        """Those of a server's items that are shown."""
        return tuple(
            item
            for item in items
            if isinstance(name := item.get(field), str) and self.decide(name, item.get("annotations")).state == "on"
        )


@dataclass(frozen=True)
class ServerCurator:
    """The curation of one server, compiled for its lists."""

    curated: CuratedServer

    @cached_property
    def tools(self) -> KindRules:
        """Of its tools."""
        return KindRules(self.curated.tools)

    @cached_property
    def prompts(self) -> KindRules:
        """Of its prompts."""
        return KindRules(self.curated.prompts)

    @cached_property
    def resources(self) -> KindRules:
        """Of its resources and templates, by URI."""
        return KindRules(self.curated.resources)

    @property
    def asks(self) -> bool:
        """Whether new items of any kind wait for an administrator."""
        kinds = (self.curated.tools, self.curated.prompts, self.curated.resources)
        return any(kind.new == "ask" for kind in kinds)

    def catalog(self, catalog: Catalog) -> Catalog:
        """The part of a server's lists that is shown, with the server's own names. Of several items with the same name
        the last one counts (`view.build`), so it alone decides about the name."""
        return Catalog(
            catalog.greeting,
            self.tools.shown(_last_of_each_name(catalog.tools), "name"),
            self.prompts.shown(_last_of_each_name(catalog.prompts), "name"),
            tuple(self.resource(item) for item in self.resources.shown(catalog.resources, "uri")),
            tuple(self.resource(item) for item in self.resources.shown(catalog.templates, "uriTemplate")),
        )

    def hidden_templates(self, templates: Iterable[Item]) -> HiddenTemplates | None:
        """Those of the server's templates that are not shown; None if all are."""
        shown = self.resources.shown(templates, "uriTemplate")
        return hidden_templates(
            *([item["uriTemplate"] for item in items if "uriTemplate" in item] for items in (templates, shown))
        )

    def permits(self, uri: str, originals: uris.Originals, hidden: HiddenTemplates | None) -> bool:
        """Whether a URI of the server may be used, listed or not: every equivalent form of it has to be shown, since
        the server may normalise it (RFC 3986, section 6.2.2). What only fits a hidden template needs a rule, or an item
        of its own."""
        forms = {originals.restore(form) if (known := originals.has(form)) else form: known for form in _forms(uri)}
        if originals.has(uri):
            hidden = None
        return all(self._permits(form, listed, None if listed else hidden) for form, listed in forms.items())

    def _permits(self, uri: str, listed: bool, hidden: HiddenTemplates | None) -> bool:
        found = self.resources.decide(uri, listed=listed)
        return found.state == "on" and (found.why != "" or hidden is None or not hidden.hide(uri))

    def result(
        self, method: str, result: dict[str, Any], originals: uris.Originals, hidden: HiddenTemplates | None
    ) -> dict[str, Any]:
        """The result of a skills method without the resources that are not shown, listed elsewhere or not."""
        return skill_results.narrowed(method, result, partial(self.permits, originals=originals, hidden=hidden))

    def tool(self, item: Item) -> Item:
        """A tool as it is shown, under its server's own name."""
        changes = self.tools.item(item["name"])
        changed = _with_texts(item, changes)
        if changes.annotations:
            hints = item.get("annotations")
            changed = {**changed, "annotations": {**(hints if isinstance(hints, dict) else {}), **changes.annotations}}
        if changes.arguments and isinstance(schema := item.get("inputSchema"), dict):
            changed = {**changed, "inputSchema": with_presets(schema, *_fixed_and_defaults(changes))}
        return changed

    def prompt(self, item: Item) -> Item:
        """A prompt as it is shown, under its server's own name."""
        return _with_texts(item, self.prompts.item(item["name"]))

    def resource(self, item: Item) -> Item:
        """A resource or template as it is shown, under its server's own URI."""
        changes = self.resources.item(item.get("uri") or item.get("uriTemplate") or "")
        named = {"name": changes.name} if changes.name is not None else {}
        return {**_with_texts(item, changes), **named}

    def presets(self, tool: str) -> Presets | None:
        """The presets of a tool, by its server's own name; None if it has none."""
        changes = self.tools.item(tool)
        return Presets(*_fixed_and_defaults(changes)) if changes.arguments else None


def curator_of(curation: Curation | None, server: str) -> ServerCurator | None:
    """The curation of a server; None if the workspace shows it as it is."""
    found = curation.servers.get(server) if curation is not None else None
    return ServerCurator(found) if found is not None else None


def estimated_tokens(item: Item) -> int:
    """The estimated number of tokens that an item costs in a model's context: a token for each four bytes of the JSON
    of its name, description and input schema (docs/curation.md)."""
    told = {name: item[name] for name in ("name", "description", "inputSchema", "arguments") if name in item}
    return -(-len(codec.dumps(told)) // 4)


def _forms(uri: str) -> Iterable[str]:
    return {uri, *uris.equivalent(uri)}


def _last_of_each_name(items: Iterable[Item]) -> Iterable[Item]:
    return {item["name"]: item for item in items if isinstance(item.get("name"), str)}.values()


def _with_texts(item: Item, changes: CuratedItem) -> Item:
    texts = {"title": changes.title, "description": changes.description}
    set_now = {name: text for name, text in texts.items() if text is not None}
    return {**item, **set_now} if set_now else item


def _fixed_and_defaults(changes: CuratedItem) -> tuple[dict[str, Any], dict[str, Any]]:
    arguments = changes.arguments
    return (
        {name: preset.value for name, preset in arguments.items() if isinstance(preset, FixedArgument)},
        {name: preset.default for name, preset in arguments.items() if not isinstance(preset, FixedArgument)},
    )
