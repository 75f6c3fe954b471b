"""The input schema that clients see of a tool whose arguments have presets (docs/curation.md). Pure.

A fixed argument is removed from every schema that applies to the arguments themselves: the root, and what it refers to
by `allOf`, `anyOf`, `oneOf`, `if`, `then`, `else`, `not`, `dependentSchemas` and local `$ref`. Conditions on it are
decided as far as `type`, `const` and `enum` decide them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

Schema = dict[str, Any]

NEVER: Schema = {"not": {}}
"""The schema that nothing fits."""
MAX_SCHEMAS = 500
"""Schemas that are changed at most; further ones, which references that branch could make, stay as they are."""
MAX_DEPTH = 40
LISTS = ("allOf", "anyOf", "oneOf")
SINGLE = ("if", "then", "else", "not")
PLAIN = {"$schema", "$comment", "title", "description", "$defs", "definitions"}
"""What says nothing about arguments."""
DEFINITIONS = ("$defs", "definitions")
TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "null": (type(None),),
    "array": (list, tuple),
    "object": (dict,),
    "number": (int, float),
    "integer": (int, float),
}
_DEFINITION = re.compile(r"#/(\$defs|definitions)/([^/]+)")


def with_presets(schema: Schema, fixed: Mapping[str, Any], defaults: Mapping[str, Any]) -> Schema:
    """An input schema without the `fixed` arguments, and with the `defaults` of others, which are not required."""
    changes = _Changes(schema, fixed, defaults)
    changed = changes.of(schema, root=True)
    if missing := {name: {"default": value} for name, value in defaults.items() if name not in changes.placed}:
        changed = {**changed, "properties": {**changed.get("properties", {}), **missing}}
    return _without_unused(changed) if fixed else changed


class _Changes:
    """Changes the schemas that apply to the arguments."""

    def __init__(self, root: Schema, fixed: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
        self.placed: set[str] = set()
        """The arguments whose default stands in a schema."""
        self._root = root
        self._fixed = fixed
        self._defaults = defaults
        self._always = {*fixed, *defaults}
        """The arguments that each call to the server has."""
        self._left = MAX_SCHEMAS

    def of(self, schema: Any, depth: int = 0, within: frozenset[str] = frozenset(), *, root: bool = False) -> Any:
        """The changed schema; NEVER if a fixed value does not fit it. `within`: the references that led here."""
        if not isinstance(schema, dict) or depth > MAX_DEPTH or self._left <= 0:
            return schema
        self._left -= 1
        changed = dict(schema)
        if not root and any(not _may_be(value, _schema_of(name, schema)) for name, value in self._fixed.items()):
            return NEVER
        if isinstance(properties := schema.get("properties"), dict):
            changed["properties"] = self._properties(properties)
        self._require(changed)
        for key in LISTS:
            if isinstance(parts := changed.get(key), list):
                found = [self.of(part, depth + 1, within) for part in parts]
                possible = found if key == "allOf" else [part for part in found if part is not NEVER]
                changed[key] = possible or found
        for key in SINGLE:
            if key in changed:
                changed[key] = self.of(changed[key], depth + 1, within)
        return self._referred(changed, depth, within)

    def _properties(self, properties: Schema) -> Schema:
        shown = {name: each for name, each in properties.items() if name not in self._fixed}
        for name, value in self._defaults.items():
            if isinstance(shown.get(name), dict):
                shown[name] = {**shown[name], "default": value}
                self.placed.add(name)
        return shown

    def _require(self, changed: Schema) -> None:
        """Require nothing that the hub adds, but all that the server requires beside it."""
        required = changed.get("required")
        names = list(required) if isinstance(required, list) else []
        for key in ("dependentRequired", "dependentSchemas", "dependencies"):
            if not isinstance(dependent := changed.get(key), dict):
                continue
            applies = [each for name, each in dependent.items() if name in self._always]
            names += [name for each in applies if isinstance(each, list) for name in each]
            if schemas := [each for each in applies if isinstance(each, dict)]:
                changed["allOf"] = [*(changed.get("allOf") or ()), *schemas]
            left = {name: self._dependent(each) for name, each in dependent.items() if name not in self._always}
            changed[key] = left
            if not left:
                del changed[key]
        names = [name for name in dict.fromkeys(names) if name not in self._always]
        changed.pop("required", None)
        if names:
            changed["required"] = names

    def _dependent(self, part: Any) -> Any:
        if isinstance(part, list):
            return [name for name in part if name not in self._always]
        return self.of(part)

    def _referred(self, changed: Schema, depth: int, within: frozenset[str]) -> Schema:
        """The schema with its `$ref` replaced, if what it refers to changes."""
        reference = changed.get("$ref")
        if not isinstance(reference, str) or reference in within:
            return changed
        found = self._defined(reference)
        made = self.of(found, depth + 1, within | {reference})
        if found is None or made == found:
            return changed
        beside = {key: value for key, value in changed.items() if key != "$ref"}
        if made is NEVER or beside.keys() - PLAIN or beside.keys() & made.keys():
            return {**beside, "allOf": [*(beside.get("allOf") or ()), made]}
        return {**beside, **made}

    def _defined(self, reference: str) -> Any:
        found = _DEFINITION.fullmatch(reference)
        definitions = self._root.get(found[1]) if found else None
        return definitions.get(_name(found[2])) if found and isinstance(definitions, dict) else None


def _schema_of(name: str, schema: Schema) -> Any:
    """What a schema says of an argument."""
    properties = schema.get("properties")
    if isinstance(properties, dict) and name in properties:
        return properties[name]
    return True if "patternProperties" in schema else schema.get("additionalProperties", True)


def _may_be(value: Any, schema: Any) -> bool:
    """Whether a value may fit a schema, by `type`, `const` and `enum` alone."""
    if not isinstance(schema, dict):
        return schema is not False
    if ("const" in schema and not _equal(schema["const"], value)) or (
        isinstance(options := schema.get("enum"), list) and not any(_equal(option, value) for option in options)
    ):
        return False
    types = schema.get("type")
    names = [types] if isinstance(types, str) else types if isinstance(types, list) else []
    return not names or any(_is(value, name) for name in names)


def _is(value: Any, name: Any) -> bool:
    if name not in TYPES:
        return True
    if isinstance(value, bool) and name in ("number", "integer"):
        return False
    whole = name != "integer" or not isinstance(value, float) or value.is_integer()
    return isinstance(value, TYPES[name]) and whole


def _equal(one: Any, other: Any) -> bool:
    """Equality as JSON Schema has it: 1 is 1.0, and true is not 1."""
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _name(part: str) -> str:
    """The name that a part of a JSON Pointer means (RFC 6901)."""
    return part.replace("~1", "/").replace("~0", "~")


def _without_unused(schema: Schema) -> Schema:
    """A schema without the definitions to which nothing refers. All stay if a reference is not a plain one."""
    used: set[tuple[str, str]] = set()
    waiting: list[Any] = [{key: each for key, each in schema.items() if key not in DEFINITIONS}]
    while waiting:
        for reference in _references(waiting.pop()):
            if not reference.startswith("#"):
                continue
            if (found := _DEFINITION.fullmatch(reference)) is None:
                return schema
            place = (found[1], _name(found[2]))
            if place not in used:
                used.add(place)
                definitions = schema.get(place[0])
                waiting.append(definitions.get(place[1]) if isinstance(definitions, dict) else None)
    changed = dict(schema)
    for key in DEFINITIONS:
        if isinstance(definitions := schema.get(key), dict):
            changed[key] = {name: each for name, each in definitions.items() if (key, name) in used}
            if not changed[key]:
                del changed[key]
    return changed


def _references(value: Any) -> Iterator[str]:
    """All references in a schema."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if isinstance(reference := one.get("$ref"), str):
                yield reference
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
