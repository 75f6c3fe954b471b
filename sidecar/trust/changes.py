"""Compares what servers offer with their pins, and withholds what differs where the server's `changes` is `block`."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from bridge.models import ServerSpec
from bridge.models.trust import ToolChange
from sidecar.protocol.catalog import Catalog, Item
from sidecar.trust.errors import ChangeOutdated, ChangeUnknown
from sidecar.trust.hints import hints_of
from sidecar.trust.pins import LISTED, Kind, Pins, ServerPins
from sidecar.trust.tool_hash import canonical, diff, digest, readable

log = logging.getLogger(__name__)

MAX_OPEN = 5000
"""Changes of one server that are remembered."""
Place = tuple[Kind, str]
"""A kind and the server's own name of an item: the URI template of templates, nothing of instructions."""


@dataclass(frozen=True, slots=True)
class Change:
    """An item that differs from its pin, or has none."""

    kind: Kind
    name: str
    form: bytes
    digest: str
    since: float


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A catalog that was compared with the pins: what of it clients see, and what is withheld."""

    catalog: Catalog
    mode: str
    version: int
    shown: Catalog
    differing: frozenset[Place]
    withheld: frozenset[Place]
    """What clients do not see."""


class Reviewable(Protocol):
    """The part of an upstream that a review needs."""

    catalog: Catalog | None
    reviewed: dict[str, Reviewed]
    """By the key of the server: servers with the same definition share an upstream."""


class Changes:
    """The changes of all servers. `definition` and `launch` as in definition.py; `tell` gets a server's key and its new
    changes."""

    def __init__(
        self,
        pins: Pins,
        definition: Callable[[ServerSpec], str],
        launch: Callable[[ServerSpec], str],
        tell: Callable[[str, list[Place]], None],
    ) -> None:
        self._pins = pins
        self._definition = definition
        self._launch = launch
        self._tell = tell
        self._open: dict[str, tuple[str, dict[Place, Change]]] = {}
        """By server: the definition, and what differs."""
        self._version = 0

    def shown(self, spec: ServerSpec, upstream: Reviewable) -> Catalog | None:
        """What clients see of an upstream's lists; the same object as long as nothing changes."""
        mode, catalog = spec.settings.changes, upstream.catalog
        if mode == "allow" or catalog is None:
            return catalog
        known = upstream.reviewed.get(spec.key)
        if known is None or known.catalog is not catalog or (known.mode, known.version) != (mode, self._version):
            known = upstream.reviewed[spec.key] = self._review(spec, catalog, known)
        return known.shown

    def _review(self, spec: ServerSpec, catalog: Catalog, before: Reviewed | None) -> Reviewed:
        definition, launch, pins = self._definition(spec), self._launch(spec), self._pins_of(spec)
        differing: dict[Place, Change] = {}
        first_sight = False
        begun = any(kind in pins.kinds for kind in LISTED)  # what is offered of another kind since then is new
        for kind, items in items_of(catalog).items():
            if kind in pins.kinds or (begun and kind in LISTED):
                differing |= _compared(pins, kind, items)
            elif items:
                first_sight = True
                for name, item in items.items():
                    pins.put(kind, name, canonical(item))
        if first_sight or pins.launch != launch:
            pins.launch = launch
            self._pins.write()
        if first_sight:
            self._note_first_sight(spec.key, pins)
        gone = before.differing - differing.keys() if before else frozenset[Place]()
        rejected = frozenset(place for place, each in differing.items() if pins.is_rejected(*place, each.digest))
        self._remember(spec, definition, differing, gone, rejected)
        withheld = frozenset(differing) if spec.settings.changes == "block" else rejected
        shown = _without(catalog, withheld)
        return Reviewed(catalog, spec.settings.changes, self._version, shown, frozenset(differing), withheld)

    def _pins_of(self, spec: ServerSpec) -> ServerPins:
        return self._pins.of(spec.key, self._definition(spec), lambda: self._launch(spec))

    def _note_first_sight(self, server: str, pins: ServerPins) -> None:
        text = "a server's definition has changed: it is pinned anew" if pins.renewed else "a server was pinned"
        log.info(text, extra={"server": server, "tools": len(pins.kinds.get("tool", ()))})

    def _remember(
        self,
        spec: ServerSpec,
        definition: str,
        differing: dict[Place, Change],
        gone: frozenset[Place],
        rejected: frozenset[Place],
    ) -> None:
        """Keep what differs, to show it; also after the process has ended, which may be one client's alone. `gone` is
        what a process offered before, and offers no more."""
        known_definition, known = self._open.get(spec.key, ("", {}))
        known = known if known_definition == definition else {}
        fresh = [
            place
            for place, change in differing.items()
            if place not in rejected and _digest(known.get(place)) != change.digest
        ]
        if gone & known.keys():
            self._version += 1  # another process may offer it still: all are compared again
        merged = {place: each for place, each in known.items() if place not in gone}
        merged |= {place: replace(each, since=_since(known.get(place), each)) for place, each in differing.items()}
        self._open[spec.key] = (definition, dict(list(merged.items())[-MAX_OPEN:]))
        if fresh:
            names = ", ".join(sorted(name or "instructions" for _, name in fresh)[:10])
            done = "withheld until it is accepted" if spec.settings.changes == "block" else "shown to clients as before"
            extra = {"server": spec.key, "code": "TOOLS_CHANGED", "items": names, "changed": len(fresh)}
            log.warning("a server changed what it offers; the change is %s", done, extra=extra)
            self._tell(spec.key, fresh)

    # --- for people ----------------------------------------------------------------------------------------------

    def count(self, spec: ServerSpec) -> int:
        """How much of a server differs from its pins, and is not rejected."""
        if spec.settings.changes == "allow" or not (differing := self._differing(spec)):
            return 0
        pins = self._pins_of(spec)
        return sum(not pins.is_rejected(*place, each.digest) for place, each in differing.items())

    def of(self, spec: ServerSpec) -> list[ToolChange]:
        """What differs from a server's pins, with texts to show."""
        if spec.settings.changes == "allow":
            return []
        pins, pending = self._pins_of(spec), spec.settings.changes == "block"
        found = []
        for (kind, name), change in sorted(self._differing(spec).items()):
            pin = pins.kinds.get(kind, {}).get(name)
            rejected = pins.is_rejected(kind, name, change.digest)
            before = pin.form.encode() if pin and pin.form is not None else None
            found.append(
                ToolChange(
                    server=spec.key,
                    kind=kind,
                    name=name,
                    change="changed" if pin else "new",
                    pending=pending or rejected,
                    rejected=rejected,
                    since=change.since,
                    digest=change.digest,
                    before=readable(before) if before else None,
                    after=readable(change.form),
                    diff=diff(before, change.form),
                    hints=hints_of(kind, name, change.form),
                )
            )
        return found

    def renewed(self, spec: ServerSpec) -> float | None:
        """When new pins were begun because the server's definition changed; None if it did not."""
        if spec.settings.changes == "allow":
            return None
        pins = self._pins_of(spec)
        return pins.since if pins.renewed else None

    def pinned_hints(self, spec: ServerSpec) -> dict[str, tuple[str, ...]]:
        """What the offline checks find in the pinned forms, by `server kind name`."""
        if spec.settings.changes == "allow":
            return {}
        pins = self._pins_of(spec)
        forms = ((kind, name, pin.form) for kind, of_kind in pins.kinds.items() for name, pin in of_kind.items())
        checked = {
            f"{spec.key} {kind} {name}".rstrip(): hints_of(kind, name, form.encode())
            for kind, name, form in forms
            if form
        }
        return {where: hints for where, hints in checked.items() if hints}

    def accept(self, spec: ServerSpec, names: Iterable[str] | None, digests: Iterable[str] = ()) -> tuple[str, ...]:
        """Pin what differs: all that waits for a decision, or the items with these names (`instructions` for the
        instructions), rejected ones too.

        Raises:
            ChangeUnknown: nothing with such a name differs.
            ChangeOutdated: `digests` are given, and one of the items has another digest by now.
        """
        differing = self._differing(spec)
        chosen = self._chosen(spec, names, digests)
        pins = self._pins_of(spec)
        for (kind, name), change in chosen.items():
            pins.put(kind, name, change.form)
            del differing[kind, name]
        self._version += 1
        self._pins.write()
        log.info("changes of a server were accepted", extra={"server": spec.key, "accepted": len(chosen)})
        return tuple(sorted(map(_label, chosen)))

    def reject(self, spec: ServerSpec, names: Iterable[str] | None, digests: Iterable[str] = ()) -> tuple[str, ...]:
        """Keep what differs from clients, whatever `changes` is, and no longer report it; arguments as of `accept`.

        Raises:
            ChangeUnknown, ChangeOutdated: as of `accept`.
        """
        chosen = self._chosen(spec, names, digests)
        pins = self._pins_of(spec)
        for (kind, name), change in chosen.items():
            pins.reject(kind, name, change.digest)
        self._version += 1
        self._pins.write()
        log.info("changes of a server were rejected", extra={"server": spec.key, "rejected": len(chosen)})
        return tuple(sorted(map(_label, chosen)))

    def _chosen(self, spec: ServerSpec, names: Iterable[str] | None, digests: Iterable[str]) -> dict[Place, Change]:
        """The changes that a decision is about. Raises ChangeUnknown, ChangeOutdated."""
        differing, wanted = self._differing(spec), set(names or ())
        if names is None:
            pins = self._pins_of(spec)
            chosen = {place: each for place, each in differing.items() if not pins.is_rejected(*place, each.digest)}
        else:
            chosen = {place: each for place, each in differing.items() if _label(place) in wanted}
        missing = wanted - {_label(place) for place in chosen}
        if missing or not chosen:
            what = f"no change of {', '.join(sorted(missing)) or 'anything'}"
            raise ChangeUnknown(f"The server {spec.key!r} has {what} to decide on.")
        shown = set(digests)
        if shown and not {each.digest for each in chosen.values()} <= shown:
            raise ChangeOutdated(f"The server {spec.key!r} offers something else than what was shown.")
        return chosen

    def keep(self, servers: Iterable[ServerSpec]) -> None:
        """Forget what is known of servers that allow changes now."""
        modes = {spec.key: spec.settings.changes for spec in servers}
        self._open = {key: each for key, each in self._open.items() if modes.get(key, "allow") != "allow"}
        self._pins.keep(modes)

    def _differing(self, spec: ServerSpec) -> dict[Place, Change]:
        definition, differing = self._open.get(spec.key, ("", {}))
        return differing if definition and definition == self._definition(spec) else {}


def items_of(catalog: Catalog) -> dict[Kind, dict[str, Item]]:
    """The items of a catalog that are pinned, by kind and name; of several with one name the last, as in views."""
    text = catalog.greeting.instructions
    return {
        "tool": {item["name"]: item for item in catalog.tools if isinstance(item.get("name"), str)},
        "prompt": {item["name"]: item for item in catalog.prompts if isinstance(item.get("name"), str)},
        "template": {
            item["uriTemplate"]: item for item in catalog.templates if isinstance(item.get("uriTemplate"), str)
        },
        "instructions": {"": {"instructions": text}},
    }


def _compared(pins: ServerPins, kind: Kind, items: dict[str, Item]) -> dict[Place, Change]:
    now, known, found = time.time(), pins.kinds.get(kind, {}), {}
    for name, item in items.items():
        form = canonical(item)
        made = digest(form)
        if name not in known or made not in known[name].digests:
            found[kind, name] = Change(kind, name, form, made, now)
    return found


def _without(catalog: Catalog, withheld: frozenset[Place]) -> Catalog:
    """The catalog without these items; itself if there is nothing to leave out."""
    if not withheld:
        return catalog
    hidden = {kind: {name for each, name in withheld if each == kind} for kind in LISTED}
    greeting = catalog.greeting
    if ("instructions", "") in withheld:
        greeting = replace(greeting, instructions="")
    return replace(
        catalog,
        greeting=greeting,
        tools=tuple(item for item in catalog.tools if item.get("name") not in hidden["tool"]),
        prompts=tuple(item for item in catalog.prompts if item.get("name") not in hidden["prompt"]),
        templates=tuple(item for item in catalog.templates if item.get("uriTemplate") not in hidden["template"]),
    )


def _label(place: Place) -> str:
    kind, name = place
    return name or kind


def _digest(change: Change | None) -> str:
    return change.digest if change else ""


def _since(known: Change | None, now: Change) -> float:
    return known.since if known and known.digest == now.digest else now.since
