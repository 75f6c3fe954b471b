"""Repair tools' JSON Schemas so that the models of all client SDKs accept them. Pure.

Clients of MCP 2025-11-25 accept only schemas with `type: object` at the root (schema 2025-11-25, `Tool`); clients of
2026-07-28 accept any output schema. The TypeScript SDK compiles all output schemas when it lists tools, so a single one
that does not compile makes it reject the whole list. docs/transparency.md has the table of repairs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, TypeGuard
from urllib.parse import unquote

Schema = dict[str, Any]

RESULT = "result"
"""The property that holds structured content that is not an object, for legacy clients."""
MAX_SUBSCHEMAS = 5000
"""Output schemas with more subschemas are left out: checking them would block the event loop for too long."""
TYPES = frozenset({"null", "boolean", "object", "array", "number", "integer", "string"})
_REMOVED = object()
_DATA = frozenset({"const", "enum", "default", "examples"})
"""Keywords whose values are data rather than schemas."""
_MAPS = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
"""Keywords whose values are objects that map names to schemas."""
_SCHEMA_LISTS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_KINDS: dict[type | tuple[type, ...], frozenset[str]] = {
    (int, float): frozenset(
        {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
        | {f"{bound}{what}" for bound in ("min", "max") for what in ("Length", "Items", "Properties", "Contains")}
    ),
    str: frozenset({"pattern", "format", "$ref", "$id", "$schema", "$anchor"}),
    list: frozenset({"enum", "required"}) | _SCHEMA_LISTS,
    dict: _MAPS,
    bool: frozenset({"uniqueItems"}),
}
_KIND_OF = {keyword: kind for kind, keywords in _KINDS.items() for keyword in keywords}
_NOT_JAVASCRIPT = re.compile(
    r"(?:[^\\(]|\\[\\/^$.*+?()\[\]{}|\-dDwWsSbBfnrtv0-9cxupPk]|\((?!\?)|\(\?[:=!<](?!P))*+.", re.S
)
"""Matches regular expressions with an escape or group that JavaScript (ECMA-262, flag `u`) does not support."""


class Unusable(ValueError):
    """The value cannot be repaired with certainty; the message is the reason, as a predicate ("is not an object")."""


def input_schema(value: Any) -> Schema:
    """Repair a tool's input schema; a valid one is returned as the same object.

    Arguments are always an object, so `type: object` is added where it is missing; so is `properties`, which
    smolagents (mcpadapt) requires.

    Raises:
        Unusable: the schema cannot be repaired.
    """
    if value is None or value is True or value == []:
        value = {}
    if not isinstance(value, dict):
        raise Unusable("is not a JSON Schema object")
    changes = _object_changes(value)
    changes.setdefault("properties", value.get("properties", {}))
    return _changed(value, changes)


def output_schema(value: Any, legacy: bool) -> Schema | None:
    """Repair a tool's output schema; a valid one is returned as the same object, an unusable one becomes None.

    `legacy`: the server is of the legacy era, in which structured content is always an object.
    """
    if not isinstance(value, dict):
        return None
    if "type" in value and value["type"] is None:
        value = {key: each for key, each in value.items() if key != "type"}
    kind = value.get("type")
    try:
        if kind == "object" or (kind is None and legacy):
            value = _changed(value, _object_changes(value))
    except Unusable:
        return None
    return value if _compiles(value) else None


def needs_wrapping(schema: Any) -> TypeGuard[Schema]:
    """Whether an output schema (or None) allows structured content that is not an object."""
    return isinstance(schema, dict) and schema.get("type") != "object"


def wrapped(schema: Schema) -> Schema:
    """The output schema for legacy clients: an object whose only property, `result`, has the given schema.

    References in `schema` are adapted to its new position; its `$id` is removed, so that they resolve from the root.
    """
    base = str(schema.get("$id", ""))
    inner = {key: value for key, value in schema.items() if key not in ("$id", "$schema")}
    outer: Schema = {"type": "object", "properties": {RESULT: _moved(inner, base)}, "required": [RESULT]}
    return {"$schema": schema["$schema"], **outer} if "$schema" in schema else outer


# --- repairs -----------------------------------------------------------------------------------------------------


def _object_changes(schema: Schema) -> Schema:
    """The members to change at the root of an object schema; `_REMOVED` removes a member. Raises Unusable."""
    changes: Schema = {}
    kind = schema.get("type")
    if kind != "object":
        if kind is not None and not (isinstance(kind, list) and "object" in kind):
            raise Unusable(f"has the type {str(kind)[:50]!r} instead of `object`")
        changes["type"] = "object"
    if "properties" in schema and (fixed := _properties(schema["properties"])) is not schema["properties"]:
        changes["properties"] = fixed
    if "required" in schema and not _is_strings(schema["required"]):
        if schema["required"] is not None:
            raise Unusable("has a `required` that is not a list of names")
        changes["required"] = _REMOVED
    if "$schema" in schema and not isinstance(schema["$schema"], str):
        changes["$schema"] = _REMOVED
    return changes


def _properties(value: Any) -> dict[str, Any]:
    if value is None or value == []:  # PHP writes an empty object as []
        return {}
    if not isinstance(value, dict):
        raise Unusable("has `properties` that are not an object")
    fixed = {name: _property(name, schema) for name, schema in value.items()}
    return value if all(fixed[name] is value[name] for name in value) else fixed


def _property(name: str, schema: Any) -> Any:
    """Repair the schema of a property: the TypeScript SDK rejects boolean schemas (JSON Schema 2020-12, 4.3.2)."""
    if isinstance(schema, dict):
        return schema
    if schema is True or schema is None or schema == []:
        return {}
    if schema is False:
        return {"not": {}}
    raise Unusable(f"has a property {name[:50]!r} whose schema is not an object")


def _changed(schema: Schema, changes: Schema) -> Schema:
    if all(key in schema and schema[key] is value for key, value in changes.items()):
        return schema
    return {key: value for key, value in {**schema, **changes}.items() if value is not _REMOVED}


def _is_strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


# --- whether a schema can be compiled ------------------------------------------------------------------------------


def _compiles(root: Schema) -> bool:
    """Whether a validator can compile the schema: its keywords have valid values, and its references resolve."""
    found = list(islice(_subschemas(root), MAX_SUBSCHEMAS + 1))
    if len(found) > MAX_SUBSCHEMAS:
        return False
    anchors = {f"#{each['$anchor']}" for each in found if isinstance(each.get("$anchor"), str)}
    return all(_is_valid(each, root, anchors) for each in found)


def _subschemas(value: Any) -> Iterator[Schema]:
    """A schema and all its subschemas."""
    waiting = [value]
    while waiting:
        schema = waiting.pop()
        if isinstance(schema, list):
            waiting += schema
        elif isinstance(schema, dict):
            yield schema
            for key, below in schema.items():
                if key in _MAPS:
                    waiting += below.values() if isinstance(below, dict) else ()
                elif key not in _DATA and isinstance(below, dict | list):
                    waiting.append(below)


def _is_valid(schema: Schema, root: Schema, anchors: set[str]) -> bool:
    """Whether the keywords of a schema are valid, those of its subschemas aside."""
    if not all(_has_valid_type(keyword, value) for keyword, value in schema.items()):
        return False
    if _NOT_JAVASCRIPT.match(schema.get("pattern", "")):
        return False
    reference = schema.get("$ref", "#").removeprefix(root.get("$id", ""))
    return reference in anchors or _resolves(reference, root)


def _has_valid_type(keyword: str, value: Any) -> bool:
    """Whether a keyword's value has the type that JSON Schema requires."""
    below: Any = value
    if keyword == "type":
        kinds = value if isinstance(value, list) else [value]
        return all(isinstance(kind, str) and kind in TYPES for kind in kinds)
    kind = _KIND_OF.get(keyword)
    if kind is None:
        return True
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        return False
    if keyword in _MAPS:
        return all(isinstance(each, dict | bool) for each in below.values())
    return keyword not in _SCHEMA_LISTS or (bool(below) and all(isinstance(each, dict | bool) for each in below))


def _resolves(reference: str, root: Schema) -> bool:
    """Whether a JSON Pointer in a URI fragment (RFC 6901, section 6) refers to a schema in the document."""
    if reference in ("", "#"):
        return True
    if not reference.startswith("#/"):
        return False
    found: Any = root
    for part in unquote(reference[2:]).split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and key.isdecimal() and int(key) < len(found):
            found = found[int(key)]
        elif isinstance(found, dict) and key in found:
            found = found[key]
        else:
            return False
    return isinstance(found, dict | bool)


def _moved(value: Any, base: str) -> Any:
    """A schema with its references adapted to its new position, `#/properties/result`."""
    if isinstance(value, list):
        return [_moved(each, base) for each in value]
    if not isinstance(value, dict):
        return value
    return {key: _moved_member(key, each, base) for key, each in value.items()}


def _moved_member(key: str, value: Any, base: str) -> Any:
    if key == "$ref" and isinstance(value, str):
        local = (value.removeprefix(base) if base else value) or "#"
        return f"#/properties/{RESULT}{local[1:]}" if local == "#" or local.startswith("#/") else local
    return value if key in _DATA else _moved(value, base)
