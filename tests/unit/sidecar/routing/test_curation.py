"""What curation makes of a workspace's lists and routes."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.models import Curation
from sidecar.errors import ArgumentHidden
from sidecar.hub.items.curated_items import pending
from sidecar.routing.curation import KindRules, Presets, estimated_tokens
from sidecar.routing.view import View, build
from tests.unit.sidecar.routing.test_view import PREFIX, source, tools


def curation(**kinds: Any) -> Curation:
    """Curation of the server `s`."""
    return Curation.model_validate({"servers": {"s": kinds}})


def shown(what: Curation, **lists: Any) -> View:
    """The view of the server `s`, curated."""
    return build([source("s", **lists)], PREFIX, curation=what)


READ = {"name": "read", "annotations": {"readOnlyHint": True}}
DROP = {"name": "drop", "annotations": {"destructiveHint": True}}
FIND = {"name": "find"}


@pytest.mark.parametrize(
    ("rules", "left"),
    [
        ([{"match": "d*", "on": False}], ["s_read", "s_find"]),
        ([{"annotation": "destructiveHint", "on": False}], ["s_read", "s_find"]),
        ([{"annotation": "readOnlyHint", "on": True}, {"on": False}], ["s_read"]),
        ([{"on": False}, {"match": "read", "on": True}], []),
    ],
)
def test_the_first_rule_that_applies_decides(rules: Any, left: list[str]) -> None:
    """By name, pattern and annotation, in order; what no rule is about is shown."""
    view = shown(curation(tools={"rules": rules}), tools=[READ, DROP, FIND])
    assert tools(view) == left
    assert list(view.tool_routes) == left


def test_an_items_own_switch_comes_before_the_rules() -> None:
    """A tool is on although a rule switches all off."""
    view = shown(curation(tools={"rules": [{"on": False}], "items": {"find": {"on": True}}}), tools=[READ, FIND])
    assert tools(view) == ["s_find"]


@pytest.mark.parametrize(("new", "state"), [("on", "on"), ("off", "off"), ("ask", "pending")])
def test_new_items(new: str, state: str) -> None:
    """A rule that switches on does not let a new item in; only `known`, or its own switch, does."""
    what = curation(tools={"new": new, "known": ["read"], "rules": [{"match": "*", "on": True}]})
    rules = KindRules(what.servers["s"].tools)
    assert rules.decide("find").state == state
    assert rules.decide("read").state == "on"
    assert ("s_find" in tools(shown(what, tools=[READ, FIND]))) is (new == "on")


def test_new_items_that_wait_are_counted() -> None:
    """Of all kinds that ask; what is switched off, known, or of a kind that does not ask is not."""
    ask = {"new": "ask", "known": ["read"]}
    what = curation(tools={**ask, "rules": [{"match": "drop", "on": False}]}, resources=ask, prompts={"new": "off"})
    lists: dict[str, Any] = {"tools": [READ, DROP, FIND], "resources": [{"uri": "x://a"}], "prompts": [{"name": "p"}]}
    lists["templates"] = [{"uriTemplate": "x://{b}"}]
    assert pending(shown(what, **lists)) == 3
    assert pending(build([source("s", **lists)], PREFIX)) == 0


def test_texts_names_and_annotations_are_replaced() -> None:
    """The route still leads to the server's own name; what is not replaced is as the server says."""
    changes = {"name": "wipe", "title": "T", "description": "D", "annotations": {"readOnlyHint": True}}
    view = shown(curation(tools={"items": {"drop": changes}}), tools=[{**DROP, "outputSchema": {}}])
    assert view.tools == (
        {
            "name": "s_wipe",
            "title": "T",
            "description": "D",
            "outputSchema": {},
            "annotations": {"destructiveHint": True, "readOnlyHint": True},
        },
    )
    assert view.tool_routes["s_wipe"].name == "drop"
    assert "s_drop" not in view.tool_routes


def test_two_tools_with_one_name_get_hashes() -> None:
    """As other names that collide: both stay callable, and the one that was not renamed keeps its name."""
    view = shown(curation(tools={"items": {"find": {"name": "read"}}}), tools=[READ, FIND])
    assert len(view.tool_routes) == 2
    assert view.tool_routes["s_read"].name == "read"


def test_presets_leave_the_schema() -> None:
    """Fixed arguments are not in it, defaults are shown and not required; the server's schema is untouched."""
    schema = {"type": "object", "properties": {"a": {}, "b": {"type": "string"}, "c": {}}, "required": ["a", "b", "c"]}
    presets = {"a": {"value": 1, "hidden": True}, "b": {"default": "x"}}
    view = shown(curation(tools={"items": {"f": {"arguments": presets}}}), tools=[{"name": "f", "inputSchema": schema}])
    assert view.tools[0]["inputSchema"] == {
        "type": "object",
        "properties": {"b": {"type": "string", "default": "x"}, "c": {}},
        "required": ["c"],
    }
    assert "a" in schema["properties"]  # type: ignore[operator]
    assert view.tool_routes["s_f"].presets == Presets({"a": 1}, {"b": "x"})


def test_presets_in_a_call() -> None:
    """A default only where the client sends nothing; a fixed argument that the client sends is refused."""
    presets = Presets({"a": 1}, {"b": "x"})
    assert presets.apply("t", None) == {"a": 1, "b": "x"}
    assert presets.apply("t", {"b": None, "c": 2}) == {"a": 1, "b": None, "c": 2}
    with pytest.raises(ArgumentHidden, match="'a'"):
        presets.apply("t", {"a": 1})
    fitting: list[Any] = [None, {}, {"b": 2, "c": 3}, {"a": 1}, [], "a"]
    assert [presets.fit(given) for given in fitting] == [True] * 3 + [False] * 3


def test_resources_that_are_off() -> None:
    """Neither listed nor found, however the URI is written; a pattern is also about unlisted URIs."""
    what = curation(resources={"rules": [{"match": "x://h/secret*", "on": False}], "items": {"x://h/b": {"on": False}}})
    lists = [{"uri": "x://h/a", "name": "a"}, {"uri": "x://h/b", "name": "b"}, {"uri": "x://h/secret", "name": "s"}]
    view = build([source("s", resources=lists)], "{name}", curation=what)
    assert [item["uri"] for item in view.resources] == ["x://h/a"]
    assert view.resource("x://h/a") is not None
    for uri in ("x://h/b", "x://h/%62", "x://h/secret", "x://h/secret/more", "x://h/%73ecret"):
        assert view.resource(uri) is None, uri


@pytest.mark.parametrize("template", ["{name}", PREFIX])
@pytest.mark.parametrize("off", [{"items": {"db://{table}": {"on": False}}}, {"new": "ask", "known": ["db://x"]}])
def test_what_only_fits_a_template_that_is_off(off: dict[str, Any], template: str) -> None:
    """It is refused in each spelling; what is listed, or switched on by itself, is not."""
    on = {**off.get("items", {}), "db://mine": {"on": True}, "db://{table}/schema": {"on": True}}
    what = curation(resources={**off, "items": on})
    lists: dict[str, Any] = {"resources": [{"uri": "db://x", "name": "x"}]}
    lists["templates"] = [{"uriTemplate": "db://{table}"}, {"uriTemplate": "db://{table}/schema"}]
    view = build([source("s", **lists)], template, curation=what)
    label = "s/" if template == PREFIX else ""
    assert [item["uriTemplate"] for item in view.templates] == [f"db://{label}{{table}}/schema"]
    for rest in ("y", "%79", "y/../z", "x/y", "Y"):
        assert view.resource(f"db://{label}{rest}") is None, rest
    for rest in ("x", "mine", "y/schema"):
        assert view.resource(f"db://{label}{rest}") is not None, rest


def test_prompts_that_are_off() -> None:
    """They have no route, so that completion finds none either."""
    view = shown(curation(prompts={"rules": [{"on": False}]}), prompts=[{"name": "p"}])
    assert (view.prompts, view.prompt_routes) == ((), {})


def test_only_the_changed_server_is_rebuilt() -> None:
    """The contribution of a server whose curation stays is the same object."""
    sources = [source("s", tools=[READ]), source("o", tools=[FIND])]
    before = build(sources, PREFIX, curation=curation(tools={"rules": [{"on": False}]}))
    after = build(sources, PREFIX, curation=curation(), before=before)
    assert after.contributions["o"] is before.contributions["o"]
    assert after.contributions["s"] is not before.contributions["s"]
    equal = curation()
    assert build(sources, PREFIX, curation=equal, before=after) is after


def test_estimated_tokens() -> None:
    """A token for each four bytes that a model is told."""
    assert estimated_tokens({"name": "abc", "outputSchema": {"x": "y" * 100}}) == 4
