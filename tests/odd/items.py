"""Odd items of lists, each by the name of its habit, and what the hub makes of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]
ANYTHING: Json = {"type": "object", "properties": {}}
NULLS: Json = dict.fromkeys(("title", "description", "icons", "_meta"))
ICON: Json = {"src": "https://a.example/i.png"}
LEFT_OUT = None

Odd = Mapping[str, tuple[Any, Json | None]]
"""Habit to the fields of the item, and to those as they are served (LEFT_OUT: the item is not)."""

TOOLS: Odd = {
    "input_null": ({"inputSchema": None}, {"inputSchema": ANYTHING}),
    "input_missing": ({}, {"inputSchema": ANYTHING}),
    "input_empty": ({"inputSchema": {}}, {"inputSchema": ANYTHING}),
    "input_php_array": ({"inputSchema": []}, {"inputSchema": ANYTHING}),
    "input_true": ({"inputSchema": True}, {"inputSchema": ANYTHING}),
    "input_bare_any_of": (
        {"inputSchema": {"anyOf": [{"required": ["a"]}, {"required": ["b"]}]}},
        {"inputSchema": {"anyOf": [{"required": ["a"]}, {"required": ["b"]}], **ANYTHING}},
    ),
    "input_without_type": (
        {"inputSchema": {"properties": {"a": {"type": "string"}}}},
        {"inputSchema": {"type": "object", "properties": {"a": {"type": "string"}}}},
    ),
    "input_without_properties": ({"inputSchema": {"type": "object"}}, {"inputSchema": ANYTHING}),
    "input_type_list": ({"inputSchema": {"type": ["object", "null"]}}, {"inputSchema": ANYTHING}),
    "input_required_null": ({"inputSchema": {**ANYTHING, "required": None}}, {"inputSchema": ANYTHING}),
    "input_properties_null": ({"inputSchema": {"type": "object", "properties": None}}, {"inputSchema": ANYTHING}),
    "input_properties_php": ({"inputSchema": {"type": "object", "properties": []}}, {"inputSchema": ANYTHING}),
    "input_boolean_properties": (
        {"inputSchema": {"type": "object", "properties": {"a": True, "b": False, "c": None}}},
        {"inputSchema": {"type": "object", "properties": {"a": {}, "b": {"not": {}}, "c": {}}}},
    ),
    "input_dialect_null": ({"inputSchema": {**ANYTHING, "$schema": None}}, {"inputSchema": ANYTHING}),
    "input_string": ({"inputSchema": "{}"}, LEFT_OUT),
    "input_of_an_array": ({"inputSchema": {"type": "array"}}, LEFT_OUT),
    "input_required_true": ({"inputSchema": {**ANYTHING, "required": True}}, LEFT_OUT),
    "input_property_text": ({"inputSchema": {"type": "object", "properties": {"a": "string"}}}, LEFT_OUT),
    "output_null": ({"outputSchema": None}, {"inputSchema": ANYTHING}),
    "output_text": ({"outputSchema": "object"}, {"inputSchema": ANYTHING}),
    "output_dead_reference": (
        {"outputSchema": {"type": "object", "properties": {"a": {"$ref": "#/$defs/none"}}}},
        {"inputSchema": ANYTHING},
    ),
    "output_unknown_type": (
        {"outputSchema": {"type": "object", "properties": {"a": {"type": "str"}}}},
        {"inputSchema": ANYTHING},
    ),
    "output_python_pattern": (
        {"outputSchema": {"type": "object", "properties": {"a": {"type": "string", "pattern": "(?i)a"}}}},
        {"inputSchema": ANYTHING},
    ),
    "output_required_true": (
        {"outputSchema": {"type": "object", "properties": {"a": {"type": "string", "required": True}}}},
        {"inputSchema": ANYTHING},
    ),
    "nulls": ({**NULLS, "annotations": None, "execution": None}, {"inputSchema": ANYTHING}),
    "wrong_types": (
        {"title": 1, "description": {"en": "x"}, "icons": "i.png", "_meta": [], "annotations": [], "execution": "no"},
        {"inputSchema": ANYTHING},
    ),
    "odd_icons": (
        {"icons": [ICON, {"src": None}, None, {**ICON, "sizes": "48x48 any", "mimeType": None, "theme": "red"}]},
        {"inputSchema": ANYTHING, "icons": [ICON, {**ICON, "sizes": ["48x48", "any"]}]},
    ),
    "odd_hints": (
        {"annotations": {"title": None, "readOnlyHint": "true", "openWorldHint": False}},
        {"inputSchema": ANYTHING, "annotations": {"openWorldHint": False}},
    ),
    "odd_task_support": ({"execution": {"taskSupport": "maybe"}}, {"inputSchema": ANYTHING, "execution": {}}),
}
"""Of servers of either era."""
LEGACY_TOOLS: Odd = {
    "output_empty": ({"outputSchema": {}}, {"inputSchema": ANYTHING, "outputSchema": {"type": "object"}}),
    "output_without_type": (
        {"outputSchema": {"properties": {"a": {"type": "string"}}}},
        {
            "inputSchema": ANYTHING,
            "outputSchema": {"type": "object", "properties": {"a": {"type": "string"}}},
        },
    ),
}
"""Of servers of the legacy era, in which structured content is an object."""
_ARRAY: Json = {
    "type": "array",
    "items": {"$ref": "#/$defs/item"},
    "$defs": {"item": {"anyOf": [{"type": "integer"}, {"$ref": "#"}]}},
}
STRUCTURED: Mapping[str, tuple[Json, Any]] = {
    "array": (_ARRAY, [1, [2]]),
    "number": ({"type": "number"}, 5),
    "nothing": ({"type": "null"}, None),
    "either": ({"anyOf": [{"type": "object"}, {"type": "string"}]}, {"a": 1}),
    "identified": ({"$id": "https://a.example/s", "type": "array", "items": {"$ref": "https://a.example/s#"}}, [[]]),
}
"""Tools whose output schema has no object at its root (legal in 2026-07-28): the schema, and what the tool returns."""

PROMPTS: Odd = {
    "nulls": ({**NULLS, "arguments": None}, {}),
    "wrong_types": ({"title": [], "description": 5, "icons": {}, "_meta": "x", "arguments": {}}, {}),
    "argument_nulls": (
        {"arguments": [{"name": "a", "title": None, "description": None, "required": None}, None]},
        {"arguments": [{"name": "a"}]},
    ),
    "argument_required_text": ({"arguments": [{"name": "a", "required": "yes"}]}, {"arguments": [{"name": "a"}]}),
    "argument_without_name": ({"arguments": [{"description": "x"}]}, LEFT_OUT),
    "arguments_text": ({"arguments": "a, b"}, LEFT_OUT),
}
_RESOURCE_NULLS: Json = {**NULLS, "mimeType": None, "annotations": None}
_ODD_ANNOTATIONS: Json = {"audience": ["robot"], "priority": 7, "lastModified": "yesterday"}
RESOURCES: Odd = {
    "nulls": ({**_RESOURCE_NULLS, "size": None}, {}),
    "wrong_types": ({"mimeType": 5, "size": "12", "annotations": "x", "title": False}, {}),
    "odd_size": ({"size": 1.5}, {}),
    "odd_annotations": ({"annotations": {**_ODD_ANNOTATIONS, "x": 1}}, {"annotations": {"x": 1}}),
    "annotation_nulls": ({"annotations": dict.fromkeys(_ODD_ANNOTATIONS)}, {"annotations": {}}),
}
TEMPLATES: Odd = {
    "nulls": (_RESOURCE_NULLS, {}),
    "odd_annotations": ({"annotations": _ODD_ANNOTATIONS}, {"annotations": {}}),
}
NAMELESS: tuple[Any, ...] = ("text", None, 5, [], {}, {"name": None}, {"name": 5}, {"name": ""})
"""What cannot be listed at all; for resources and templates with a URI, a name is made up."""


def fields_of(kind: str, habit: str) -> Json:
    """What names an item of a list."""
    identity = {"resources": {"uri": f"odd://{habit}"}, "templates": {"uriTemplate": f"odd://{habit}/{{id}}"}}
    return {"name": habit, **identity.get(kind, {})}


def _sound(kind: str, habit: str) -> Json:
    schema = {"inputSchema": ANYTHING} if kind == "tools" and not habit.startswith("input_") else {}
    return {**fields_of(kind, habit), **schema}


def listed(kind: str, odd: Odd) -> list[Any]:
    """The items as a server lists them, with nothing wrong but what their habit is."""
    return [{**_sound(kind, habit), **given} for habit, (given, _) in odd.items()]


def served(kind: str, odd: Odd) -> list[Json]:
    """The same as the hub serves them."""
    return [{**fields_of(kind, habit), **becomes} for habit, (_, becomes) in odd.items() if becomes is not LEFT_OUT]
