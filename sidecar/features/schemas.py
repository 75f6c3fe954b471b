"""JSON Schemas of tools, made such that the models of all client SDKs accept them. Pure.

A client of MCP 2025-11-25 takes a schema only with `type: object` at its root (schema 2025-11-25, `Tool`); one of
2026-07-28 takes any output schema. The TypeScript SDK compiles each output schema when it lists tools, so that one that
cannot be compiled costs the whole list. docs/transparency.md has the table of repairs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, TypeGuard
from urllib.parse import unquote

Schema = dict[str, Any]

RESULT = "result"
"""The property that holds structured content which is not an object, for legacy clients."""
MOST_SUBSCHEMAS = 5000
"""Schemas within an output schema; one with more is left out, as looking through it would hold up everything else."""
TYPES = frozenset({"null", "boolean", "object", "array", "number", "integer", "string"})
_REMOVED = object()
_DATA = frozenset({"const", "enum", "default", "examples"})
"""Keywords whose values are data rather than schemas."""
_MAPS = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
"""Keywords whose values are objects of schemas, under names that are no keywords."""
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
"""Matches a pattern from its beginning where JavaScript (ECMA-262, with the flag u) knows an escape or group not."""


class Unusable(ValueError):
    """A value that cannot be repaired with certainty; the message says why."""


def input_schema(value: Any) -> Schema:
    """A tool's input schema as every client takes it; the same object where it already is so.

    Arguments are always an object, so what is missing is `type: object`. `properties` is added where it is missing, as
    smolagents (mcpadapt) reads it unasked. Raises Unusable.
    """
    if value is None or value is True or value == []:
        value = {}
    if not isinstance(value, dict):
        raise Unusable("is not a JSON Schema object")
    changes = _object_changes(value)
    changes.setdefault("properties", value.get("properties", {}))
    return _changed(value, changes)


def output_schema(value: Any, legacy: bool) -> Schema | None:
    """A tool's output schema, the same object where nothing is wrong with it; None where it has to be left out.

    `legacy`: the server is of an era in which structured content is always an object.
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
    """Whether an output schema (None for none) allows structured content that is not an object."""
    return isinstance(schema, dict) and schema.get("type") != "object"


def wrapped(schema: Schema) -> Schema:
    """An output schema for legacy clients: of an object whose only property `result` is as `schema` says.

    References within `schema` are moved with it, and its `$id` is dropped, so that they stay relative to the root.
    """
    base = str(schema.get("$id", ""))
    inner = {key: value for key, value in schema.items() if key not in ("$id", "$schema")}
    outer: Schema = {"type": "object", "properties": {RESULT: _moved(inner, base)}, "required": [RESULT]}
    return {"$schema": schema["$schema"], **outer} if "$schema" in schema else outer


# --- what is repaired --------------------------------------------------------------------------------------------


def _object_changes(schema: Schema) -> Schema:
    """What to change at the root of a schema of objects; `_REMOVED` for what to remove. Raises Unusable."""
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
    """The schema of one property; the boolean ones (JSON Schema 2020-12, 4.3.2) are refused by the TypeScript SDK."""
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
    """Whether validators take the schema: keywords with values of their kind, and references that lead somewhere."""
    found = list(islice(_subschemas(root), MOST_SUBSCHEMAS + 1))
    if len(found) > MOST_SUBSCHEMAS:
        return False
    anchors = {f"#{each['$anchor']}" for each in found if isinstance(each.get("$anchor"), str)}
    return all(_sound(each, root, anchors) for each in found)


def _subschemas(value: Any) -> Iterator[Schema]:
    """A schema and all below it."""
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


def _sound(schema: Schema, root: Schema, anchors: set[str]) -> bool:
    """Whether a schema is sound but for those below it."""
    if not all(_fits(keyword, value) for keyword, value in schema.items()):
        return False
    if _NOT_JAVASCRIPT.match(schema.get("pattern", "")):
        return False
    reference = schema.get("$ref", "#").removeprefix(root.get("$id", ""))
    return reference in anchors or _leads(reference, root)


def _fits(keyword: str, value: Any) -> bool:
    """Whether a keyword has a value of its kind."""
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


def _leads(reference: str, root: Schema) -> bool:
    """Whether a JSON pointer as a fragment (RFC 6901, section 6) leads to something in the document."""
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
    """A schema with its references as they are below `#/properties/result`."""
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
