"""Odd items: what is repaired, what is left out, and that the models of the Python SDK take every list."""

from __future__ import annotations

from functools import cache
from typing import Any, get_args

import mcp_types
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from mcp_types import _v2025_11_25 as v2025
from mcp_types import _v2026_07_28 as v2026
from pydantic import TypeAdapter

from sidecar.features import schemas
from sidecar.features.items import repair
from sidecar.protocol import codec, eras
from sidecar.protocol.catalog import RESULT_KEYS, ListKind
from sidecar.protocol.eras import Era
from tests.odd.items import (
    ANYTHING,
    LEFT_OUT,
    LEGACY_TOOLS,
    NAMELESS,
    PROMPTS,
    RESOURCES,
    STRUCTURED,
    TEMPLATES,
    TOOLS,
    Odd,
    fields_of,
    listed,
    served,
)
from tests.support.properties import examples

TABLES: dict[ListKind, Odd] = {"tools": TOOLS, "prompts": PROMPTS, "resources": RESOURCES, "templates": TEMPLATES}
KINDS: tuple[ListKind, ...] = get_args(ListKind)
ERAS: tuple[Era, ...] = get_args(Era)
RESULTS = {"tools": "ListToolsResult", "prompts": "ListPromptsResult", "resources": "ListResourcesResult"}
MODELS = {
    (version, kind): TypeAdapter(getattr(module, RESULTS.get(kind, "ListResourceTemplatesResult")))
    for version, module in (("legacy", v2025), ("modern", v2026), ("all", mcp_types))
    for kind in KINDS
}


def taken(kind: ListKind, items: Any) -> None:
    """The Python SDK's models, those of both revisions and the common ones, take the list in a result."""
    result = {RESULT_KEYS[kind]: list(items)}
    modern = {**result, "resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
    legacy = [
        {**item, "outputSchema": schemas.wrapped(item["outputSchema"])}
        if schemas.needs_wrapping(item.get("outputSchema"))
        else item
        for item in items
    ]
    MODELS["modern", kind].validate_python(modern)
    MODELS["all", kind].validate_python(modern)
    MODELS["legacy", kind].validate_python({RESULT_KEYS[kind]: legacy})


@pytest.mark.parametrize("of_era", ERAS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_table(kind: ListKind, of_era: Era) -> None:
    """Each habit becomes what the table says, and what is left out is told with its name and what is wrong."""
    odd = TABLES[kind]
    found = repair(kind, listed(kind, odd), of_era)
    assert list(found.items) == served(kind, odd)
    wrong = [habit for habit, (_, becomes) in odd.items() if becomes is LEFT_OUT]
    assert [each.name for each in found.left_out] == wrong
    assert all(each.why.startswith("has ") for each in found.left_out)
    taken(kind, found.items)


def test_output_schemas_of_legacy_servers() -> None:
    """Their structured content is always an object; a modern server's schema without a type means anything."""
    assert list(repair("tools", listed("tools", LEGACY_TOOLS), "legacy").items) == served("tools", LEGACY_TOOLS)
    for item, modern in zip(
        listed("tools", LEGACY_TOOLS), repair("tools", listed("tools", LEGACY_TOOLS), "modern").items, strict=True
    ):
        assert modern["outputSchema"] is item["outputSchema"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_cannot_be_named(kind: ListKind) -> None:
    """It is left out; a resource or template that has its URI is named after that."""
    good = fields_of(kind, "good") | ({"inputSchema": ANYTHING} if kind == "tools" else {})
    found = repair(kind, [*NAMELESS, good], "legacy")
    assert found.items == (good,)
    assert len(found.left_out) == len(NAMELESS)
    if "name" not in (identity := {key: value for key, value in good.items() if key.startswith("uri")}) and identity:
        [named] = repair(kind, [{**identity, "name": None}], "legacy").items
        assert named["name"] == next(iter(identity.values()))


@pytest.mark.parametrize("kind", KINDS)
def test_good_items_are_untouched(kind: ListKind) -> None:
    """With nothing wrong, an item stays the very object that came, with all that it has."""
    icons = [{"src": "data:", "sizes": ["any"], "theme": "dark", "mimeType": "image/png"}]
    item: Any = {
        **fields_of(kind, "good"),
        "title": "",
        "description": "d",
        "icons": icons,
        "_meta": {"a/b": None},
        "x": 1,
    }
    more: dict[ListKind, Any] = {
        "tools": {
            "inputSchema": {"type": "object", "properties": {"a": {"$ref": "#/$defs/x"}}, "$defs": {"x": {}}},
            "outputSchema": {"type": "object", "properties": {"type": {"const": {"type": 5}}}, "required": ["type"]},
            "annotations": {"readOnlyHint": True, "title": "t"},
            "execution": {"taskSupport": "optional"},
        },
        "prompts": {"arguments": [{"name": "a", "required": True, "description": "d", "title": "t"}]},
        "resources": {"size": 5, "mimeType": "a/b", "annotations": {"priority": 1, "audience": ["user"]}},
        "templates": {"annotations": {"lastModified": "2025-01-12T15:00:58Z", "priority": 0.5}},
    }
    item |= more[kind]
    found = repair(kind, [item], "legacy")
    assert found.items[0] is item
    assert (found.left_out, found.changed) == ((), ())
    taken(kind, found.items)


def test_twice_the_same_name() -> None:
    """The first is served; the second is told of, unless it is the same once more."""
    first, second = {"name": "a", "inputSchema": ANYTHING}, {"name": "a", "inputSchema": ANYTHING, "title": "other"}
    found = repair("tools", [first, dict(first), second], "legacy")
    assert found.items == (first,)
    assert [each.why for each in found.left_out] == ["has the name of another before it"]


def test_a_resource_without_an_absolute_uri() -> None:
    """It is kept for workspaces that give it a prefix, and told of."""
    found = repair("resources", [{"uri": "readme", "name": "r"}], "legacy")
    assert [item["uri"] for item in found.items] == ["readme"]
    assert "absolute" in found.left_out[0].why


# --- structured content that is not an object ----------------------------------------------------------------------


@pytest.mark.parametrize("name", STRUCTURED)
def test_wrapped_schemas_fit_wrapped_results(name: str) -> None:
    """What a legacy client gets fits the schema that it gets, references included, and nothing else does."""
    jsonschema = pytest.importorskip("jsonschema")
    schema, value = STRUCTURED[name]
    assert (
        repair("tools", [{"name": name, "inputSchema": ANYTHING, "outputSchema": schema}], "modern").items[0][
            "outputSchema"
        ]
        is schema
    )
    wrapped = schemas.wrapped(schema)
    result = eras.structured_to_client("legacy", {"structuredContent": value}, wrapped=True)
    jsonschema.validate(result["structuredContent"], wrapped)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"result": {"neither": ["x"]} if name != "either" else 5}, wrapped)


def test_structured_content_by_era() -> None:
    """Legacy clients get objects alone; modern ones what the server gave."""
    for value, legacy in ((5, {"result": 5}), ([], {"result": []}), ({"a": 1}, {"a": 1})):
        result = {"structuredContent": value, "content": []}
        assert eras.structured_to_client("modern", result, wrapped=True) is result
        assert eras.structured_to_client("legacy", result, wrapped=False)["structuredContent"] == legacy
    assert eras.structured_to_client("legacy", {"structuredContent": None, "content": []}, wrapped=False) == {
        "content": []
    }
    assert eras.structured_to_client("legacy", {"content": [], "isError": True}, wrapped=True) == {
        "content": [],
        "isError": True,
    }


# --- odd items of all sorts ----------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
WORDS = st.sampled_from(
    ["object", "array", "string", "str", "properties", "required", "$ref", "#/$defs/a", "#", "type"]
)
SCHEMA = st.recursive(
    JSON | WORDS,
    lambda inner: st.dictionaries(
        st.sampled_from(
            ["type", "properties", "required", "$ref", "$defs", "anyOf", "items", "$schema", "pattern", "enum"]
        ),
        inner | st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2),
        max_size=4,
    ),
    max_leaves=8,
)


@cache
def fields(kind: ListKind) -> dict[str, st.SearchStrategy[Any]]:
    """Every field that either revision's model of an item has, with a value of any sort."""
    name = {"tools": "Tool", "prompts": "Prompt", "resources": "Resource", "templates": "ResourceTemplate"}[kind]
    models = (getattr(v2025, name), getattr(v2026, name))
    names = {field.alias or key for model in models for key, field in model.model_fields.items()}
    return {each: _values(each) for each in sorted(names)}


@cache
def _values(field: str) -> st.SearchStrategy[Any]:
    inner = {
        "inputSchema": SCHEMA,
        "outputSchema": SCHEMA,
        "name": st.text(max_size=3),
        "uri": st.sampled_from(["a://b", "c:d", "plain", "http://"]),
        "icons": st.lists(_of("src", "mimeType", "sizes", "theme"), max_size=2),
        "arguments": st.lists(_of("name", "title", "description", "required"), max_size=2),
        "annotations": _of(
            "audience",
            "priority",
            "lastModified",
            "title",
            "readOnlyHint",
            "destructiveHint",
            "idempotentHint",
            "openWorldHint",
        ),
        "execution": _of("taskSupport"),
    }.get(field, st.nothing())
    return JSON | inner


def _of(*names: str) -> st.SearchStrategy[Any]:
    hints = st.sampled_from(["user", "dark", "optional", "2025-01-12T15:00:58Z", "48x48"]) | st.booleans()
    return st.dictionaries(st.sampled_from(names), JSON | hints | st.lists(hints, max_size=2), max_size=4) | JSON


@cache
def _odd(kind: ListKind) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({}, optional=fields(kind)) | JSON


@pytest.mark.parametrize("kind", KINDS)
@examples(40, suppress_health_check=list(HealthCheck))
@given(data=st.data(), of_era=st.sampled_from(ERAS))
def test_every_list_is_taken(kind: ListKind, data: st.DataObject, of_era: Era) -> None:
    """Whatever the items of a server look like: the SDK's models take the list, and the good item is in it."""
    odd = _odd(kind)
    good = fields_of(kind, "the good one") | ({"inputSchema": ANYTHING} if kind == "tools" else {})
    drawn = [data.draw(odd), good, data.draw(odd)]
    before = codec.dumps(drawn)
    found = repair(kind, drawn, of_era)
    assert codec.dumps(drawn) == before
    assert any(item is good for item in found.items)
    alone = [list(repair(kind, [item], of_era).items) or item for item in drawn]
    different = [each for number, each in enumerate(alone) if each not in alone[:number]]
    assert len(found.items) + len(found.left_out) >= len(different), "one is neither there nor reported"
    taken(kind, found.items)
    again = repair(kind, list(found.items), of_era)
    assert all(new is old for new, old in zip(again.items, found.items, strict=True))
