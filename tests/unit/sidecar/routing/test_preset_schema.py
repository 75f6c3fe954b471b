"""Input schemas without fixed arguments: the same calls fit them as fit the server's own with these arguments."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from sidecar.protocol import codec
from sidecar.routing.preset_schema import MAX_SCHEMAS, NEVER, with_presets

FREE = ("b", "c")
VALUES: tuple[Any, ...] = (None, 1, "x")
"""Values of the arguments that clients may send; None: it is not sent."""


def nested(**parts: Any) -> dict[str, Any]:
    """An object with the arguments a, b and c, and these keywords."""
    return {"type": "object", "properties": {"a": {}, "b": {}, "c": {}}, **parts}


KIND_X, KIND_Y = ({"properties": {"a": {"const": kind}}} for kind in ("x", "y"))
SCHEMAS = {
    "plain": nested(required=["a", "b"]),
    "allOf": nested(allOf=[{"required": ["a"]}, {"required": ["a", "c"], "properties": {"a": {"type": "string"}}}]),
    "anyOf": nested(anyOf=[{"required": ["b"]}, {"required": ["a"]}]),
    "oneOf": nested(oneOf=[{"required": ["b"]}, {"required": ["a"]}]),
    "kinds": nested(oneOf=[{**KIND_X, "required": ["a", "b"]}, {**KIND_Y, "required": ["a", "c"]}]),
    "no kind": nested(anyOf=[{"properties": {"a": {"enum": [1, 2]}}}, {**KIND_Y}]),
    "if x": nested(**{"if": KIND_X, "then": {"required": ["b"]}, "else": {"required": ["c"]}}),
    "if y": nested(**{"if": KIND_Y, "then": {"required": ["b"]}, "else": {"required": ["c"]}}),
    "not": nested(**{"not": {"required": ["a", "b"]}}),
    "dependentRequired": nested(dependentRequired={"a": ["b"], "c": ["a", "b"]}),
    "dependentSchemas": nested(dependentSchemas={"a": {"required": ["b"]}, "b": {"required": ["a", "c"]}}),
    "closed": nested(additionalProperties=False, required=["a"]),
    "closed part": nested(anyOf=[{"properties": {"b": {}}, "additionalProperties": False}, {"required": ["a", "c"]}]),
    "$ref": {"$ref": "#/$defs/all", "$defs": {"all": nested(required=["a", "b"])}},
    "$ref in anyOf": nested(
        anyOf=[{"$ref": "#/$defs/x"}, {"$ref": "#/$defs/y", "required": ["c"]}],
        **{"$defs": {"x": {**KIND_X, "required": ["b"]}, "y": {"allOf": [{"$ref": "#/$defs/x"}]}}},
    ),
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_same_calls_fit(name: str) -> None:
    """With the fixed argument added by the hub; the argument itself is not in the schema."""
    schema = SCHEMAS[name]
    before = codec.dumps(schema)
    changed = with_presets(schema, {"a": "x"}, {})
    for values in product(VALUES, repeat=len(FREE)):
        given = {key: value for key, value in zip(FREE, values, strict=True) if value is not None}
        wanted = Draft202012Validator(schema).is_valid({**given, "a": "x"})
        assert Draft202012Validator(changed).is_valid(given) == wanted, (given, changed)
    assert codec.dumps(schema) == before
    shown = codec.dumps(changed)
    assert b'"a":' not in shown and b'"a"]' not in shown and b'["a"' not in shown


def test_values_keep_their_schemas() -> None:
    """An argument of the same name within a value is not the fixed one; what it refers to stays."""
    value = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    schema = nested(**{"$defs": {"v": value, "unused": {"title": "of a"}}})
    schema["properties"]["b"] = {"$ref": "#/$defs/v"}
    schema["properties"]["a"] = {"$ref": "#/$defs/unused"}
    changed = with_presets(schema, {"a": 1}, {})
    assert changed["properties"] == {"b": {"$ref": "#/$defs/v"}, "c": {}}
    assert changed["$defs"] == {"v": value}


def test_alternatives_of_another_kind_go() -> None:
    """A fixed kind leaves its own alternative alone; if none is left, nothing can fit."""
    schema: dict[str, Any] = {"oneOf": [{**KIND_X, "title": "X"}, {**KIND_Y, "title": "Y"}]}
    assert with_presets(schema, {"a": "y"}, {})["oneOf"] == [{"properties": {}, "title": "Y"}]
    assert with_presets(schema, {"a": "z"}, {})["oneOf"] == [NEVER, NEVER]


def test_a_default_is_shown_where_the_argument_is() -> None:
    """Also behind a reference, and with an entry of its own where nothing describes it. Nothing requires it."""
    schema = {"$ref": "#/$defs/all", "$defs": {"all": nested(required=["b", "c"])}}
    assert with_presets(schema, {}, {"b": 2})["properties"]["b"] == {"default": 2}
    assert with_presets(schema, {}, {"b": 2})["required"] == ["c"]
    assert with_presets({"type": "object"}, {}, {"new": None})["properties"] == {"new": {"default": None}}


def test_references_that_branch_cost_little() -> None:
    """Each definition refers to the next one twice: there would be 2^30 schemas."""
    defs: dict[str, Any] = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(30)}
    defs["d30"] = {"required": ["a"]}
    changed = with_presets({"$ref": "#/$defs/d0", "$defs": defs}, {"a": 1}, {})
    assert len(codec.dumps(changed)) < MAX_SCHEMAS * 100


def test_a_circle_ends() -> None:
    """A schema that refers to itself is changed once around."""
    part = {"required": ["a", "b"], "anyOf": [{"$ref": "#/$defs/l"}, {}]}
    changed = with_presets({"$ref": "#/$defs/l", "$defs": {"l": part}}, {"a": 1}, {})
    assert changed["required"] == ["b"] and changed["anyOf"] == [{"$ref": "#/$defs/l"}, {}]
