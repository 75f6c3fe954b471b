"""bridge.access.policy: what holds for every access.json, by an independent evaluation and by changes of the file."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bridge.access import patterns as patterns_module
from bridge.access.models import AccessFile, AccessRule
from bridge.access.patterns import matches
from bridge.access.policy import Policy
from bridge.keys import Principal
from tests.support.properties import examples
from tests.unit.bridge.access.principals import access, key, user

SUBJECTS = ("*", "key:ci", "group:a", "group:b", "email:x@y.z")
NAMES = ("x", "xy", "y")
PATTERNS = st.sampled_from(("x", "y", "x*", "*y", "*"))
KINDS = ("tool", "resource", "prompt")
LISTS = st.none() | st.lists(PATTERNS, min_size=1, max_size=2)
ITEMS = [
    (workspace, server, kind, name, hints)
    for workspace, server in (("x", "x"), ("xy", "x"), ("x", "y"))
    for kind in KINDS
    for name in NAMES[:2]
    for hints in ((None, {"readOnlyHint": True}) if kind == "tool" else (None,))
]
SOME = examples(50)
Item = tuple[str, str, Any, str, Any]


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    """Any rule."""
    rule: dict[str, Any] = {
        "effect": draw(st.sampled_from(("allow", "deny"))),
        "subject": draw(st.sampled_from(SUBJECTS)),
    }
    lists = {name: draw(LISTS) for name in ("workspaces", "servers", "tools")}
    if draw(st.booleans()):
        lists |= {name: draw(LISTS) for name in ("resources", "prompts")}
    elif draw(st.booleans()):
        lists |= {"annotations": {"readOnlyHint": draw(st.booleans())}}
    return rule | {name: value for name, value in lists.items() if value is not None}


FILES = st.lists(rules(), max_size=6)
PRINCIPALS = st.sampled_from(
    [key("ci"), key("ci", "x"), key("other"), user("group:a"), user("group:a", "email:x@y.z"), user()]
)
MODES = st.sampled_from(("own", "rules"))


def allowed(file: AccessFile, principal: Principal) -> set[int]:
    """The items that the principal may use, by their index in ITEMS."""
    found = Policy(file).permissions(principal)
    return {number for number, item in enumerate(ITEMS) if found.item(*item).allowed}


def about(rule: AccessRule, item: Item) -> bool:
    """Whether a rule is about an item."""
    workspace, server, kind, name, hints = item
    lists = {"tool": rule.tools, "resource": rule.resources, "prompt": rule.prompts}
    if rule.annotations is not None:
        if kind != "tool" or (hints or {}).get("readOnlyHint", False) != rule.annotations["readOnlyHint"]:
            return False
    elif any(lists.values()) and lists[kind] is None:
        return False
    pairs = ((rule.workspaces, workspace), (rule.servers, server), (lists[kind], name))
    return all(patterns is None or any(matches(each, text) for each in patterns) for patterns, text in pairs)


def expected(file: AccessFile, principal: Principal, item: Item) -> bool:
    """The decision as docs/access.md words it."""
    is_key = principal.id.startswith("k")
    subjects = {"*", *principal.subjects, *({f"key:{principal.name}"} if is_key else set())}
    if principal.workspaces is not None and item[0] not in principal.workspaces:
        return False
    effects = {rule.effect for rule in file.rules if rule.subject in subjects and about(rule, item)}
    return "deny" not in effects and ("allow" in effects or (is_key and file.keys == "own"))


@SOME
@given(FILES, MODES, PRINCIPALS)
def test_decisions_are_those_of_the_document(drawn: list[dict[str, Any]], mode: str, principal: Principal) -> None:
    """A denial wins, an allowance is needed, a key has what its own workspaces give."""
    file = access(*drawn, keys=mode)
    assert allowed(file, principal) == {n for n, item in enumerate(ITEMS) if expected(file, principal, item)}


@SOME
@given(FILES, MODES, PRINCIPALS)
def test_every_decision_names_a_rule_that_is_about_the_item(
    drawn: list[dict[str, Any]], mode: str, principal: Principal
) -> None:
    """The rule has the effect that the decision has."""
    file = access(*drawn, keys=mode)
    found = Policy(file).permissions(principal)
    for item in ITEMS:
        decision = found.item(*item)
        if isinstance(decision.rule, int):
            rule = file.rules[decision.rule]
            assert about(rule, item) and (rule.effect == "allow") == decision.allowed


@SOME
@given(FILES, MODES, PRINCIPALS, st.randoms(use_true_random=False))
def test_the_order_of_rules_does_not_matter(
    drawn: list[dict[str, Any]], mode: str, principal: Principal, random: Any
) -> None:
    """Any order of the same rules allows the same."""
    shuffled = list(drawn)
    random.shuffle(shuffled)
    assert allowed(access(*drawn, keys=mode), principal) == allowed(access(*shuffled, keys=mode), principal)


@SOME
@given(FILES, rules(), MODES, PRINCIPALS)
def test_a_further_denial_never_widens_and_a_further_allowance_never_narrows(
    drawn: list[dict[str, Any]], rule: dict[str, Any], mode: str, principal: Principal
) -> None:
    """So removing an allowance never widens either."""
    before = allowed(access(*drawn, keys=mode), principal)
    after = allowed(access(*drawn, rule, keys=mode), principal)
    assert after <= before if rule["effect"] == "deny" else after >= before


@SOME
@given(FILES, rules(), st.sampled_from(("workspaces", "servers", "tools")), PATTERNS, MODES, PRINCIPALS)
def test_narrowing_an_allowance_never_widens(
    drawn: list[dict[str, Any]], rule: dict[str, Any], field: str, pattern: str, mode: str, principal: Principal
) -> None:
    """A list that was missing, or that loses all patterns but one, matches less. (A rule about prompts or resources
    only is about tools, too, if it gets a list of tools.)"""
    wide = rule | {"effect": "allow"}
    assume(field != "tools" or "tools" in wide or not wide.keys() & {"prompts", "resources"})
    narrow = wide | {field: [wide[field][0] if field in wide else pattern]}
    assert allowed(access(*drawn, narrow, keys=mode), principal) <= allowed(access(*drawn, wide, keys=mode), principal)


@SOME
@given(FILES, PRINCIPALS)
def test_keys_by_rules_have_less(drawn: list[dict[str, Any]], principal: Principal) -> None:
    """The setting takes rights away from keys, and changes nothing for users."""
    own, ruled = (allowed(access(*drawn, keys=mode), principal) for mode in ("own", "rules"))
    assert ruled <= own
    assert ruled == own or principal.id.startswith("k")


@SOME
@given(FILES, MODES, PRINCIPALS)
def test_what_is_allowed_is_in_a_server_and_a_workspace_that_are_seen(
    drawn: list[dict[str, Any]], mode: str, principal: Principal
) -> None:
    """A server or workspace is closed only if nothing in it can be allowed; without deny rules nothing is filtered."""
    found = Policy(access(*drawn, keys=mode)).permissions(principal)
    for item in ITEMS:
        workspace, server, *_ = item
        if found.item(*item).allowed:
            assert found.server(workspace, server)
            assert found.may_use(workspace) and found.may_use(workspace, [server])
        else:
            assert not found.whole(workspace, server)


@SOME
@given(FILES, MODES, PRINCIPALS, st.sampled_from(NAMES), st.sampled_from(NAMES))
def test_an_owner_has_exactly_more(
    drawn: list[dict[str, Any]], mode: str, principal: Principal, server: str, workspace: str
) -> None:
    """A role adds what is owned, within what the credential is for, and takes nothing away."""
    roles = [{"subject": "*", "role": "owner", "servers": [server], "workspaces": [workspace]}]
    before = allowed(access(*drawn, keys=mode), principal)
    after = allowed(access(*drawn, keys=mode, roles=roles), principal)
    owned = {n for n, item in enumerate(ITEMS) if item[0] == workspace or item[1] == server}
    within = {n for n, item in enumerate(ITEMS) if principal.may_use(item[0])}
    assert after == before | (owned & within)


@SOME
@given(FILES, FILES, MODES, PRINCIPALS)
def test_permissions_that_are_equal_decide_alike(
    drawn: list[dict[str, Any]], more: list[dict[str, Any]], mode: str, principal: Principal
) -> None:
    """And they are equal if the files differ only in what is for others, wherever that stands."""
    one, two = access(*drawn, keys=mode), access(*more, *drawn, keys=mode)
    first, second = Policy(one).permissions(principal), Policy(two).permissions(principal)
    concerned = {"*", *principal.subjects, f"key:{principal.name}"}
    others_only = all(rule["subject"] not in concerned for rule in more)
    assert (first == second) is others_only
    if first == second:
        assert hash(first) == hash(second)
        assert allowed(one, principal) == allowed(two, principal)


def test_permissions_that_differ_in_a_role_or_a_tenant() -> None:
    """They are not equal: what is owned has no rules, and the tenant has other processes."""
    files = [
        {},
        {"roles": [{"subject": "group:a", "role": "admin"}]},
        {"roles": [{"subject": "group:a", "role": "owner", "servers": ["x"]}]},
        {"roles": [{"subject": "group:a", "role": "owner", "servers": ["x*"]}]},
        {"roles": [{"subject": "group:a", "role": "owner", "workspaces": ["x"]}]},
        {"tenants": ["group:a"]},
    ]
    made = [Policy(AccessFile.model_validate(file)).permissions(user("group:a")) for file in files]
    assert [made.index(each) for each in made] == list(range(len(files)))
    assert Policy(None).permissions(key("ci")) != Policy(AccessFile(keys="rules")).permissions(key("ci"))
    assert Policy(None).permissions(key("ci")) != Policy(None).permissions(key("ci", "x"))


def test_ten_thousand_rules_and_five_thousand_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of comparisons grows with rules plus items, not with their product (50 million here)."""
    compared = 0

    def counted(pattern: str, name: str) -> bool:
        nonlocal compared
        compared += 1
        return matches(pattern, name)

    monkeypatch.setattr(patterns_module, "matches", counted)
    patterns = [
        f"{start}{number}{end}" for number in range(3400) for start, end in (("", ""), ("get_", "_*"), ("*_", ""))
    ]
    listed = [
        {"effect": ("deny", "allow")[number % 2], "subject": "*", "servers": ["s*"], "tools": [pattern]}
        for number, pattern in enumerate(patterns[:9999])
    ]
    file = access(*listed, {"effect": "allow", "subject": "group:a", "workspaces": ["w*"]})
    found = Policy(file).permissions(user("group:a"))
    rights = [found.item("w", f"s{number % 50}", "tool", f"get_{number}_x").allowed for number in range(5000)]
    assert compared < 1_000_000
    assert sum(rights) == sum(1 for number in range(5000) if number >= 3333 or (number * 3 + 1) % 2)
