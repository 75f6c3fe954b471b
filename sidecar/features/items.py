"""Repair the items of servers' lists so that the models of all client SDKs accept them. Pure.

Clients reject a whole list because of one invalid item, and a workspace's list has items of many servers. Therefore
each item is repaired if its meaning is certain, and left out with a reason if not. Valid items stay the same objects.
docs/transparency.md has the table of repairs and the clients with which it was tested.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sidecar.features.schemas import Unusable, input_schema, output_schema
from sidecar.features.uris import is_absolute
from sidecar.protocol.catalog import Item, ListKind
from sidecar.protocol.eras import Era

Fix = Callable[[Any], Any]
"""Maps a field's value to a valid one: the same object, another, or ABSENT. Raises Unusable."""

ABSENT = object()
"""Marks a field or list entry that is to be removed."""
MAX_NAME_SHOWN = 100
"""Characters of an item's name in reports."""
_TIMESTAMP = re.compile(
    r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d+)?)?"
    r"(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)
_MAX_EXACT = 2**53
"""The largest integer up to which doubles, and so JavaScript numbers, are exact."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An item that is left out: its name, the reason, and the workspaces concerned (empty: all of them)."""

    name: str
    why: str
    where: str = ""


@dataclass(frozen=True, slots=True)
class Repaired:
    """The repaired list of a server."""

    items: tuple[Item, ...]
    left_out: tuple[LeftOut, ...]
    changed: tuple[str, ...]
    """Names of the items that were repaired."""


def repair(kind: ListKind, listed: list[Any], era: Era) -> Repaired:
    """Repair a list that a server of `era` returned; of several items with the same name the first is kept."""
    items: dict[Any, Item] = {}
    left_out: list[LeftOut] = []
    changed: list[str] = []
    for number, item in enumerate(listed, 1):
        name = _name_of(item, number)
        try:
            fixed = _item(kind, item, era)
        except Unusable as error:
            left_out.append(LeftOut(name, str(error)))
            continue
        if kind == "resources" and not is_absolute(fixed["uri"]):
            left_out.append(LeftOut(name, "has a `uri` that is not an absolute URI", " of workspaces without a prefix"))
        key = fixed["name"] if kind in ("tools", "prompts") else number
        if items.setdefault(key, fixed) is not fixed:
            if items[key] != fixed:
                left_out.append(LeftOut(name, "has the name of another before it"))
        elif fixed is not item:
            changed.append(name)
    return Repaired(tuple(items.values()), tuple(left_out), tuple(changed))


def _name_of(item: Any, number: int) -> str:
    """The item's name in reports: `name` or URI, else its position."""
    names = (item.get(field) for field in ("name", "uri", "uriTemplate")) if isinstance(item, dict) else ()
    return next((name[:MAX_NAME_SHOWN] for name in names if isinstance(name, str) and name), f"number {number}")


def _item(kind: ListKind, item: Any, era: Era) -> Item:
    if not isinstance(item, dict):
        raise Unusable("is not an object")
    if kind in _IDENTITIES:
        item = _identified(item, _IDENTITIES[kind])
    elif not isinstance(item.get("name"), str) or not item["name"]:
        raise Unusable("has a `name` that is missing or not a string")
    fixed = _fields(item, _FIXES[kind])
    return _tool(fixed, era) if kind == "tools" else fixed


_IDENTITIES: Mapping[ListKind, str] = {"resources": "uri", "templates": "uriTemplate"}


def _identified(item: Item, field: str) -> Item:
    """Check a resource or template for its URI in `field`; a missing `name` becomes the title or the URI."""
    identity = item.get(field)
    if not isinstance(identity, str) or not identity:
        raise Unusable(f"has a `{field}` that is missing or not a string")
    if isinstance(item.get("name"), str):
        return item
    title = item.get("title")
    return {**item, "name": title if isinstance(title, str) and title else identity}


def _tool(item: Item, era: Era) -> Item:
    changes: Item = {}
    try:
        schema = input_schema(item.get("inputSchema"))
    except Unusable as error:
        raise Unusable(f"has an `inputSchema` that {error}") from None
    if schema is not item.get("inputSchema"):
        changes["inputSchema"] = schema
    if "outputSchema" in item:
        output = output_schema(item["outputSchema"], legacy=era == "legacy")
        if output is None or output is not item["outputSchema"]:
            changes["outputSchema"] = ABSENT if output is None else output
    return _changed(item, changes)


def _fields(item: Item, fixes: Mapping[str, Fix]) -> Item:
    """Apply `fixes` to the fields of an object."""
    changes = {}
    for field in fixes.keys() & item.keys():
        value = item[field]
        fixed = fixes[field](value)
        if fixed is not value:
            changes[field] = fixed
    return _changed(item, changes)


def _changed(item: Item, changes: Item) -> Item:
    if not changes:
        return item
    return {key: value for key, value in {**item, **changes}.items() if value is not ABSENT}


# --- fields ------------------------------------------------------------------------------------------------------


def _where(holds: Callable[[Any], bool]) -> Fix:
    """A Fix that keeps values for which `holds` is true and removes all others, null included."""
    return lambda value: value if holds(value) else ABSENT


def _object(**fixes: Fix) -> Fix:
    return lambda value: _fields(value, fixes) if isinstance(value, dict) else ABSENT


def _each(fix: Fix) -> Fix:
    def fix_all(value: Any) -> Any:
        if not isinstance(value, list):
            return ABSENT
        fixed = [new for new in map(fix, value) if new is not ABSENT]
        same = len(fixed) == len(value) and all(new is old for new, old in zip(fixed, value, strict=True))
        return value if same else fixed

    return fix_all


def _is_fraction(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _is_size(value: Any) -> bool:
    if isinstance(value, float):
        return value.is_integer() and abs(value) <= _MAX_EXACT
    return isinstance(value, int) and not isinstance(value, bool)


def _is_audience(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(role, str) and role in ("user", "assistant") for role in value)


def _sizes(value: Any) -> Any:
    """The sizes of an icon. Drafts of the specification had them in one string, separated by spaces."""
    if isinstance(value, str):
        return value.split()
    return value if isinstance(value, list) and all(isinstance(size, str) for size in value) else ABSENT


def _icon(value: Any) -> Any:
    return _ICON(value) if isinstance(value, dict) and isinstance(value.get("src"), str) else ABSENT


def _argument(value: Any) -> Any:
    if value is None:
        return ABSENT
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise Unusable("has an argument without a name")
    return _ARGUMENT(value)


def _arguments(value: Any) -> Any:
    if value is None or value == {}:
        return ABSENT
    if not isinstance(value, list):
        raise Unusable("has `arguments` that are not a list")
    return _each(_argument)(value)


_TEXT = _where(lambda value: isinstance(value, str))
_FLAG = _where(lambda value: isinstance(value, bool))
_META = _where(lambda value: isinstance(value, dict))
_ICON = _object(
    mimeType=_TEXT, sizes=_sizes, theme=_where(lambda value: isinstance(value, str) and value in ("light", "dark"))
)
_ARGUMENT = _object(title=_TEXT, description=_TEXT, required=_FLAG)
_ANNOTATIONS = _object(
    audience=_where(_is_audience),
    priority=_where(_is_fraction),
    lastModified=_where(lambda value: isinstance(value, str) and _TIMESTAMP.fullmatch(value) is not None),
)
_HINTS = _object(title=_TEXT, readOnlyHint=_FLAG, destructiveHint=_FLAG, idempotentHint=_FLAG, openWorldHint=_FLAG)
_EXECUTION = _object(
    taskSupport=_where(lambda value: isinstance(value, str) and value in ("forbidden", "optional", "required"))
)
_COMMON: Mapping[str, Fix] = {"title": _TEXT, "description": _TEXT, "icons": _each(_icon), "_meta": _META}
_RESOURCE: Mapping[str, Fix] = {**_COMMON, "mimeType": _TEXT, "annotations": _ANNOTATIONS}
_FIXES: Mapping[ListKind, Mapping[str, Fix]] = {
    "tools": {**_COMMON, "annotations": _HINTS, "execution": _EXECUTION},
    "prompts": {**_COMMON, "arguments": _arguments},
    "resources": {**_RESOURCE, "size": _where(_is_size)},
    "templates": _RESOURCE,
}
"""The optional fields that SDKs' models validate, for each kind of item."""
