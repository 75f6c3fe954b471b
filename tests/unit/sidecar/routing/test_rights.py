"""Views of principals that may use a part of a workspace: what is left of the lists, and which URIs lead anywhere."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.access.policy import Policy
from bridge.keys import Principal
from bridge.models import AccessFile, Curation
from sidecar.features import uris
from sidecar.routing.rights import Rights, process_owner
from sidecar.routing.view import View, build
from tests.unit.sidecar.routing.test_view import source, tools

PREFIX = "{namespace}_{name}"
USER = Principal("u00000000000000a", "ada", subjects=frozenset({"group:dev"}))


def rights(*rules: dict[str, Any], **file: Any) -> Rights:
    """What a user in the group dev may use by these rules; `tools` and the like are patterns."""
    given_rules = tuple({"effect": "allow", "subject": "group:dev", **rule} for rule in rules)
    return Rights(Policy(AccessFile.model_validate({"rules": given_rules, **file})).permissions(USER), "w")


def found(view: View, uri: str) -> str | None:
    """The URI to which a client's leads at its server."""
    place = view.resource(uri)
    return place[1] if place else None


def test_lists_are_narrowed() -> None:
    """Items that are not allowed are in no list and have no route, under no name."""
    one = source(
        "one",
        tools=[{"name": "get"}, {"name": "put"}],
        prompts=[{"name": "p"}, {"name": "q"}],
        resources=[{"uri": "n://a/1"}, {"uri": "n://b/1"}, {"uri": 5}],
        templates=[{"uriTemplate": "n://a/{x}"}, {"uriTemplate": "n://b/{x}"}],
    )
    may = rights({"tools": ["g*"]}, {"prompts": ["q"]}, {"resources": ["n://a/*"]})
    view = build([one, source("two", tools=[{"name": "get"}])], PREFIX, rights=may)
    assert tools(view) == ["one_get", "two_get"]
    assert list(view.tool_routes) == ["one_get", "two_get"]
    assert list(view.prompt_routes) == ["one_q"]
    assert [item["uri"] for item in view.resources] == ["n://one/a/1"]
    assert [item["uriTemplate"] for item in view.templates] == ["n://one/a/{x}"]
    assert view.offers[0].catalog.tools == ({"name": "get"},)


@pytest.mark.parametrize(
    ("rules", "left"),
    [
        ([{"tools": ["get_*"]}], []),
        ([{}, {"effect": "deny", "tools": ["drop"]}], []),
        ([{"annotations": {"readOnlyHint": True}}], []),
        ([{"tools": ["drop"]}], ["get_all"]),
        ([{}, {"effect": "deny", "tools": ["get_*"]}], ["get_all"]),
    ],
)
def test_a_rename_opens_and_closes_nothing(rules: list[dict[str, Any]], left: list[str]) -> None:
    """Rules are about the server's own names and annotations, whatever a curation shows in their place."""
    changes = {"name": "get_all", "annotations": {"readOnlyHint": True}}
    curation = Curation.model_validate({"servers": {"one": {"tools": {"items": {"drop": changes}}}}})
    dangerous = {"name": "drop", "annotations": {"readOnlyHint": False, "destructiveHint": True}}
    one = source("one", tools=[dangerous])
    view = build([one], "{name}", rights=rights(*rules), curation=curation)
    assert tools(view) == list(view.tool_routes) == left


def test_without_rules_nothing_changes() -> None:
    """Who may use everything of a server has the very items of the server, as without rights."""
    one = source("one", tools=[{"name": "get"}, {}, {"name": 5}], resources=[{"uri": 5}, {"uri": "n://a"}])
    view, narrowed = build([one], PREFIX), build([one], PREFIX, rights=rights({}))
    assert narrowed.tools == view.tools
    assert narrowed.resources == view.resources
    assert narrowed.offers[0].rights is None
    assert narrowed.offers[0].catalog is one[2]


def test_contributions_are_kept() -> None:
    """What a server adds is built again only if the server changed, or the rights on it."""
    one, two = source("one", tools=[{"name": "get"}]), source("two", tools=[{"name": "get"}, {"name": "put"}])
    may = rights({"servers": ["one"]}, {"servers": ["two"], "tools": ["get"]})
    before = build([one, two], PREFIX, rights=may)
    assert build([one, two], PREFIX, rights=may, before=before) is before
    changed = build([one, source("two")], PREFIX, rights=may, before=before)
    assert changed.contributions["one"] is before.contributions["one"]
    wider = build([one, two], PREFIX, rights=rights({}), before=before)
    assert wider.contributions["one"] is before.contributions["one"], "everything of it could be used before, too"
    assert tools(wider) == ["one_get", "two_get", "two_put"]
    assert before.changed(wider) == ["notifications/tools/list_changed"]


def test_annotations_of_the_last_of_a_name() -> None:
    """Of tools of the same name the last one counts; an earlier one cannot lend it its annotations."""
    harmless, harmful = ({"name": "t", "annotations": {"readOnlyHint": value}} for value in (True, False))
    may = rights({"annotations": {"readOnlyHint": True}})
    assert tools(build([source("one", tools=[harmless, harmful])], PREFIX, rights=may)) == []
    assert tools(build([source("one", tools=[harmful, harmless])], PREFIX, rights=may)) == ["one_t"]
    assert tools(build([source("one", tools=[{"name": "t", "annotations": "x"}])], PREFIX, rights=may)) == []


def test_names_do_not_tell_of_what_is_hidden() -> None:
    """A tool gets the same name whether or not a hidden one would have had it."""
    one, two = source("one", namespace="n", tools=[{"name": "t"}]), source("two", namespace="n", tools=[{"name": "t"}])
    assert "n_t" not in tools(build([one, two], PREFIX))
    assert tools(build([one, two], PREFIX, rights=rights({"servers": ["one"]}))) == ["n_t"]


@pytest.mark.parametrize("template", [PREFIX, "{name}"])
def test_uris_of_no_list(template: str) -> None:
    """A URI that no server lists is allowed by the patterns, in each form in which a server may read it."""
    one = source("one", templates=[{"uriTemplate": "file:///{path}"}], resources=[{"uri": "n://x/1"}])
    may = rights({"resources": ["file:///open/*"]}, {"effect": "deny", "resources": ["file:///open/secret/*"]})
    view = build([one], template, rights=may)
    base = "file://one" if template == PREFIX else "file://"
    assert found(view, f"{base}/open/a") == "file:///open/a"
    assert found(view, f"{base}/open/a%20b?q=/../x") == "file:///open/a%20b?q=/../x"
    for hidden in ("/open/secret/a", "/open/../etc/x", "/open/%2e%2E/etc/x", "/open/%2573ecret/a", "/open/sec\tret/a",
                   "/open/x/../secret/a", "/open\\..\\..\\x", "/other", "/open"):  # fmt: skip
        assert found(view, base + hidden) is None, hidden
    assert found(view, "n://one/x/1" if template == PREFIX else "n://x/1") is None


def test_a_hidden_entry_does_not_lend_its_uri() -> None:
    """A URI of two servers leads to the one where it may be used; one that is listed and hidden leads nowhere, in no
    spelling, even if a pattern allowed the spelling."""
    one = source("one", resources=[{"uri": "n://a b"}, {"uri": "n://c"}])
    two = source("two", resources=[{"uri": "n://c"}])
    may = rights({"servers": ["two"]}, {"servers": ["one"], "resources": ["n://a%20b"]})
    labelled, plain = build([one, two], PREFIX, rights=may), build([one, two], "{name}", rights=may)
    place = labelled.resource("n://c")
    assert place is not None
    assert place[0].spec.key == "two"
    assert found(labelled, "n://one/a%20b") is None
    assert plain.resource("n://a%20b") is None
    place = plain.resource("n://c")
    assert place is not None
    assert place[0].spec.key == "two"


def test_views_of_apps() -> None:
    """A tool's own name is for views that may be used; a hidden view, or tool, does not count."""
    listed = {"tools": [{"name": "t"}, {"name": "s"}], "resources": [{"uri": "ui://v"}]}
    both = build([source("one", **listed)], PREFIX, rights=rights({"tools": ["t"]}, {"resources": ["ui://*"]}))
    assert list(both.own_names("t")) == ["one_t"]
    assert both.own_names("s") == {}
    assert build([source("one", **listed)], PREFIX, rights=rights({"tools": ["t"]})).own_names("t") == {}


def test_instructions() -> None:
    """Those of servers of which nothing is visible are left out."""
    one = source("one", instructions="One.", tools=[{"name": "t"}])
    two = source("two", instructions="Two.", tools=[{"name": "s"}])
    assert build([one, two], PREFIX, rights=rights({"tools": ["t"]})).instructions == "One."
    assert "Two." in build([one, two], PREFIX, rights=rights({})).instructions


def test_unknown_extensions_need_everything() -> None:
    """No rule is about the methods of extensions that the hub does not know: a part of a server has none of them."""
    skills, own = "io.modelcontextprotocol/skills", "com.example/x"
    declared = {"tools": {}, "extensions": {own: {}, skills: {}}, "experimental": {"y": {}}}
    part = rights({"tools": ["t"]}).of("one")
    assert part is not None
    assert part.capabilities(declared) == {"tools": {}, "extensions": {skills: {}}}
    assert rights({}).of("one") is None


@pytest.mark.parametrize(
    ("settings", "owner"),
    [
        ({}, USER.id),
        ({"tenancy": "group"}, "group:dev"),
        ({"tenancy": "all"}, ""),
        ({"share_between_keys": True}, ""),
        ({"tenancy": "group", "sign_in": "user"}, USER.id),
        ({"tenancy": "all", "sign_in": "user"}, USER.id),
        ({"tenancy": "all", "sign_in": "shared"}, ""),
    ],
)
def test_whose_process(settings: dict[str, Any], owner: str) -> None:
    """A server's process is the principal's own, that of its tenant, or one for all; the hub's own is one for all.

    A connection with the credential of a user serves nobody else.
    """
    spec, _, _ = source("one", settings=settings)
    may = rights({}, tenants=["group:other", "group:dev"])
    assert process_owner(spec, USER.id, may) == owner
    assert process_owner(spec, "", None) == ""
    assert process_owner(spec, USER.id, None) == (owner if owner != "group:dev" else USER.id)


@given(st.text(st.characters(max_codepoint=0x7E, min_codepoint=0x21, exclude_characters="%"), max_size=12), st.data())
def test_no_spelling_escapes(path: str, data: st.DataObject) -> None:
    """However the characters of a URI are encoded, the URI is among the forms."""
    encoded = "".join(data.draw(st.sampled_from([c, f"%{ord(c):02x}", f"%25{ord(c):02X}"])) for c in path)
    assert f"n://{path}" in uris.equivalent(f"n://{encoded}")


@pytest.mark.parametrize(
    ("uri", "form"),
    [
        ("N://Ab/c", "n://Ab/c"),
        ("HTTPS://Example.COM/A/./b/../c", "https://example.com/A/c"),
        ("n://a/%2e%2e/b", "n://b"),
        (" n://a\n/b ", "n://a/b"),
        ("file:///a/b?x=../y#../z", "file:///a/b?x=../y#../z"),
        ("n:a", "n:a"),
        ("", ""),
    ],
)
def test_forms(uri: str, form: str) -> None:
    """How parsers of URLs may read a URI."""
    assert form in uris.equivalent(uri)


NAMES = ("get", "get_x", "put", "n://a/1", "n://b/1")
PATTERNS = st.none() | st.lists(
    st.sampled_from(["*", "get*", "put", "*_x", "n://a/*", "n://*"]), min_size=1, max_size=2
)
RULES = st.fixed_dictionaries(
    {"effect": st.sampled_from(["allow", "allow", "deny"])},
    optional={
        "servers": st.just(["one"]) | st.just(["t*"]),
        "tools": PATTERNS,
        "prompts": PATTERNS,
        "resources": PATTERNS,
    },
)


@given(st.lists(RULES, max_size=5))
def test_the_view_is_what_is_decided(rules: list[dict[str, Any]]) -> None:
    """A view has exactly the items that are allowed, whatever the rules; a server that is not seen would add none."""
    may = rights(*rules)
    servers = [
        source(
            key,
            tools=[{"name": name} for name in NAMES],
            prompts=[{"name": name} for name in NAMES],
            resources=[{"uri": name} for name in NAMES[3:]],
        )
        for key in ("one", "two")
    ]
    view = build(servers, PREFIX, rights=may)

    def allowed(kind: Any, key: str, name: str) -> bool:
        return may.permissions.item("w", key, kind, name).allowed

    for kind, routes in (("tool", view.tool_routes), ("prompt", view.prompt_routes)):
        shown = {(route.offer.spec.key, route.name) for route in routes.values()}
        assert shown == {(key, name) for key in ("one", "two") for name in NAMES if allowed(kind, key, name)}
    for offer in view.offers:
        key = offer.spec.key
        for uri in NAMES[3:]:
            assert (view.resource(offer.rename(uri)) is not None) == allowed("resource", key, uri)
        if not may.sees(key):
            assert not view.contributions[key].visible
