"""What a workspace shows, and where each thing leads."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.models import ServerSettings, ServerSpec, StdioLaunch
from sidecar.features import names
from sidecar.protocol.catalog import Catalog, Greeting
from sidecar.routing.view import EMPTY, View, build
from tests.support.properties import examples

PREFIX = "{namespace}_{name}"


class Upstream:
    """Stands for a server's upstream: a view only points to it."""


def source(key: str, *, namespace: str = "", instructions: str = "", settings: Any = None, **lists: Any) -> Any:
    """A server with its lists."""
    launch = StdioLaunch(command=key)
    spec = ServerSpec(key=key, namespace=namespace or key, launch=launch, settings=ServerSettings(**(settings or {})))
    catalog = Catalog(Greeting(instructions=instructions), **{kind: tuple(items) for kind, items in lists.items()})
    return spec, Upstream(), catalog


def tools(view: View) -> list[str]:
    """The names of the tools."""
    return [tool["name"] for tool in view.tools]


def test_names_and_routes() -> None:
    """Names are prefixed, each leads back to its server's own; the rest of an item is untouched."""
    schema = {"type": "object", "$defs": {"x": {}}}
    one = source("one", tools=[{"name": "get_it", "inputSchema": schema}, {"name": 5}, {}], prompts=[{"name": "p"}])
    two = source("two", tools=[{"name": "get_it"}])
    view = build([one, two], PREFIX)
    assert tools(view) == ["one_get_it", "two_get_it"]
    assert view.tools[0]["inputSchema"] is schema
    route = view.tool_routes["two_get_it"]
    assert (route.offer.upstream, route.name) == (two[1], "get_it")
    assert view.prompt_routes["one_p"].name == "p"
    assert [prompt["name"] for prompt in view.prompts] == ["one_p"]


def test_transparent() -> None:
    """With an empty prefix every item passes as the very object that the server sent."""
    tool = {"name": "get it!", "_meta": {"ui": {"resourceUri": "ui://x/y"}}}
    resource, template = {"uri": "a://b"}, {"uriTemplate": "a://{c}"}
    view = build([source("one", tools=[tool], resources=[resource], templates=[template])], "{name}")
    assert (view.tools[0], view.resources[0], view.templates[0]) == (tool, resource, template)
    assert view.tools[0] is tool
    found = view.resource("a://anything")
    assert found is not None
    assert found[1] == "a://anything"
    assert EMPTY.resource("a://b") is None


def test_uris() -> None:
    """URIs stand under their server's label, in lists and in what tools refer to, and lead back."""
    one = source(
        "one",
        resources=[{"uri": "note://1", "name": "n"}, {"uri": 5}],
        templates=[{"uriTemplate": "note://{id}"}],
        tools=[{"name": "t", "_meta": {"ui": {"resourceUri": "ui://x"}}}],
    )
    two = source("two", resources=[{"uri": "note://1"}])
    view = build([one, two], PREFIX)
    assert [each["uri"] for each in view.resources] == ["note://one/1", 5, "note://two/1"]
    assert view.templates[0]["uriTemplate"] == "note://one/{id}"
    assert view.tools[0]["_meta"]["ui"]["resourceUri"] == "ui://one/x"
    found = view.resource("note://two/1")
    assert found is not None
    assert (found[0].upstream, found[1]) == (two[1], "note://1")
    assert view.resource("note://three/1") is None
    assert view.resource("nothing") is None


def test_labels_do_not_depend_on_what_runs() -> None:
    """A server that is down keeps its label taken."""
    one = source("one", namespace="same", resources=[{"uri": "a://1"}])
    both = build([one], PREFIX, configured={"one": "same", "two": "same"})
    assert both.resources[0]["uri"].startswith("a://same-")


def test_changed() -> None:
    """Only lists that differ are announced."""
    one = source("one", tools=[{"name": "a"}])
    view = build([one], PREFIX)
    assert view.changed(EMPTY) == ["notifications/tools/list_changed"]
    assert build([one], PREFIX).changed(view) == []
    assert view.changed(build([source("one", tools=[{"name": "a", "title": "A"}])], PREFIX)) == [
        "notifications/tools/list_changed"
    ]
    full = build([source("one", prompts=[{"name": "p"}], templates=[{"uriTemplate": "x:{y}"}])], PREFIX)
    assert full.changed(EMPTY) == ["notifications/prompts/list_changed", "notifications/resources/list_changed"]


def told(view: View) -> tuple[Any, ...]:
    """All that clients see of a view, and where its names lead."""
    routes = [
        {name: (route.offer.spec.key, route.name, route.wrapped) for name, route in found.items()}
        for found in (view.tool_routes, view.prompt_routes)
    ]
    return view.tools, view.prompts, view.resources, view.templates, view.instructions, view.wraps, routes


NAMES = st.lists(st.sampled_from(["get", "get!", "Get", "b_get", "é", "x" * 70]), max_size=3)
SERVER = st.tuples(st.sampled_from("abc"), NAMES, NAMES, st.booleans())


@examples(30)
@given(st.lists(st.lists(SERVER, max_size=3, unique_by=lambda each: each[0]), min_size=2, max_size=4))
def test_a_view_made_of_the_one_before_is_as_one_made_anew(edits: list[list[Any]]) -> None:
    """Whatever comes, goes and changes, and whichever names collide meanwhile."""
    known: dict[str, Any] = {}
    for template in (PREFIX, "{name}"):
        view = EMPTY
        for servers in edits:
            sources = []
            for key, tool_names, prompt_names, other_namespace in servers:
                lists = {
                    "tools": [{"name": name, "outputSchema": {"type": "array"}} for name in tool_names],
                    "prompts": [{"name": name} for name in prompt_names],
                    "resources": [{"uri": f"a://{name}"} for name in prompt_names],
                }
                namespace = "a" if other_namespace else key
                sources.append(
                    known.setdefault(str((key, namespace, lists)), source(key, namespace=namespace, **lists))
                )
            view = build(sources, template, before=view)
            assert told(view) == told(build(sources, template))
            assert [offer.upstream for offer in view.offers] == [each[1] for each in sources]


def test_what_a_change_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are only made for the server that changed, and items of the others are the very same objects."""
    made: list[names.Entry] = []
    plain_name = names.plain_name
    monkeypatch.setattr(names, "plain_name", lambda entry, *more: made.append(entry) or plain_name(entry, *more))
    servers = [source(f"s{number}", tools=[{"name": f"t{n}"} for n in range(5)]) for number in range(200)]
    before = build(servers, PREFIX)
    assert len(made) == 1000
    made.clear()
    spec, upstream, _ = servers[7]
    servers[7] = (spec, upstream, Catalog(tools=({"name": "new"},)))
    after = build(servers, PREFIX, before=before)
    assert [(entry.server, entry.name) for entry in made] == [("s7", "new")]
    assert len(after.tools) == 996
    assert sum(new is old for new, old in zip(after.tools[36:], before.tools[40:], strict=True)) == 960
    made.clear()
    assert tools(build(servers[:-1], PREFIX, before=after)) == tools(after)[:-5]
    assert made == []


def test_timeouts() -> None:
    """A tool's own deadline goes before the server's."""
    view = build([source("one", settings={"call_timeout": 9, "tool_timeouts": {"slow": 99}})], PREFIX)
    assert (view.offers[0].limits("slow").timeout, view.offers[0].limits("").timeout) == (99, 9)


def test_instructions() -> None:
    """One server's instructions pass as they are; of several, each stands under its name."""
    one, two, silent = source("one", instructions="Do this."), source("two", instructions="Do that."), source("three")
    assert build([one], PREFIX).instructions == "Do this."
    assert build([one, silent], PREFIX).instructions == "# one\n\nDo this."
    assert build([one, two, silent], PREFIX).instructions == "# one\n\nDo this.\n\n# two\n\nDo that."
    assert build([silent], PREFIX).instructions == ""


def test_lists_are_written_once_a_view() -> None:
    """Whoever lists gets the same bytes, until the view is another one."""
    view = View(tools=({"name": "a"},))
    assert view.listed("tools", "legacy") is view.listed("tools", "modern")
    assert view.pages("tools", "legacy") is view.pages("tools", "modern")
    assert (view.listed("tools", "legacy"), view.listed("prompts", "legacy")) == ([{"name": "a"}], [])
    assert not view.with_headers


def test_whether_headers_are_wanted() -> None:
    """One tool that wants an argument in a header is enough for calls to be looked at."""
    schema = {"properties": {"a": {"type": "string", "x-mcp-header": "A"}}}
    view = View(tools=({"name": "a"}, {"name": "b", "inputSchema": schema}))
    assert view.with_headers
    assert (view.schema("a"), view.schema("b"), view.schema("c")) == (None, schema, None)


def test_schemas_that_are_no_objects_differ_by_era() -> None:
    """Legacy clients get them wrapped, in a list of their own; what is asked for by routes knows of it."""
    odd = {"name": "odd", "inputSchema": {}, "outputSchema": {"type": "array"}}
    plain = {"name": "plain", "inputSchema": {}, "outputSchema": {"type": "object"}}
    view = build([source("one", tools=[odd, plain])], "{name}")
    assert view.items("tools", "modern") == (odd, plain)
    legacy = view.listed("tools", "legacy")
    assert legacy[0]["outputSchema"] == {
        "type": "object",
        "properties": {"result": {"type": "array"}},
        "required": ["result"],
    }
    assert legacy[1] is plain
    assert legacy is view.listed("tools", "legacy")
    assert view.listed("tools", "modern") == [odd, plain]
    assert [view.tool_routes[name].wrapped for name in ("odd", "plain")] == [True, False]
    assert [view.offers[0].wraps(name) for name in ("odd", "plain", "none")] == [True, False, False]


def test_uris_that_are_none() -> None:
    """A prefix makes a URI of what is none; without one it cannot be listed for clients that read URIs."""
    resources = [{"uri": "readme", "name": "r"}, {"uri": "a:b", "name": "b"}]
    prefixed, plain = (build([source("one", resources=resources)], template) for template in (PREFIX, "{name}"))
    assert [each["uri"] for each in prefixed.resources] == ["hub://one/readme", "a:one/b"]
    assert [each["uri"] for each in plain.resources] == ["a:b"]
