"""bridge.access.policy: what a principal may use, clause by clause, and why."""

from __future__ import annotations

from typing import Any

import pytest

from bridge import keys
from bridge.access.permissions import Decision
from bridge.access.policy import Policy
from bridge.keys import ADMIN, FRONT, OWN_PRINCIPALS, Principal
from tests.unit.bridge.access.principals import access, allow, deny, key, permissions, user

WHOLE = Principal(ADMIN, ADMIN, None, True)


def test_no_named_key_is_the_hubs_own() -> None:
    """The form of a key's id excludes those of the hub's own principals."""
    assert not any(keys.KEY_ID.fullmatch(each) for each in OWN_PRINCIPALS)


# --- without a file ---------------------------------------------------------------------------------------------------


def test_without_a_file_a_key_may_use_its_workspaces() -> None:
    """As before there was an access.json."""
    found = Policy(None).permissions(key("ci", "dev"))
    assert found.item("dev", "github", "tool", "get").allowed
    assert found.may_use("dev") and found.may_use("dev", ["github"]) and found.server("dev", "github")
    assert not found.may_use("prod") and not found.server("prod", "github")
    assert found.item("prod", "github", "tool", "get")[:2] == (False, "credential")
    assert found.whole("dev", "github") and not found.admin and found.role == "user"
    assert (found.tenant, found.limits) == ("k0000001", ())


def test_without_a_file_a_user_may_use_nothing() -> None:
    """Nothing says what a user may do."""
    found = Policy(None).permissions(user("group:dev"))
    assert found.item("dev", "github", "tool", "get")[:2] == (False, "none")
    assert not found.may_use("dev") and not found.may_use("dev", ["github"]) and not found.server("dev", "github")
    assert not found.whole("dev", "github")


# --- roles ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "principal",
    [WHOLE, Principal(FRONT, FRONT, None, True), Principal("", ""), key("ops", admin=True), user("group:platform")],
    ids=["token", "front", "unprotected", "admin key", "role"],
)
def test_no_rule_is_for_an_admin(principal: Principal) -> None:
    """The hub's token, the front, admin keys and those with the role may use everything."""
    roles = [{"subject": "group:platform", "role": "admin"}]
    found = permissions(principal, deny("*"), deny("key:ops"), roles=roles)
    assert found.item("dev", "github", "tool", "delete")[:2] == (True, "admin")
    assert found.admin and found.role == "admin" and found.whole("dev", "github")
    assert found.may_use("dev", ["a"]) and found.server("dev", "a")
    assert found.owns_server("a") and found.owns_workspace("dev")


def test_a_grant_of_an_admin_is_for_its_workspace_alone() -> None:
    """A credential that is for one workspace opens no other, whoever made it."""
    for principal in (
        Principal(ADMIN, ADMIN, frozenset({"dev"}), grant="g0"),
        user("group:platform", workspaces=frozenset({"dev"})),
    ):
        found = permissions(principal, roles=[{"subject": "group:platform", "role": "admin"}])
        assert found.item("dev", "a", "tool", "x").allowed
        assert found.item("prod", "a", "tool", "x")[:2] == (False, "credential")
        assert not found.may_use("prod") and not found.server("prod", "a")


def test_an_owner_may_use_what_it_owns() -> None:
    """Of a server everywhere, of a workspace everything in it; denials are not for it there."""
    roles = [{"subject": "email:ada@example.com", "role": "owner", "servers": ["git*"], "workspaces": ["dev"]}]
    found = permissions(user("email:ada@example.com"), deny("*"), roles=roles)
    assert found.role == "owner" and not found.admin
    assert found.item("prod", "github", "tool", "x") == Decision(True, "owner", "it is an owner of the server")
    assert found.item("dev", "search", "tool", "x") == Decision(True, "owner", "it is an owner of the workspace")
    assert found.item("prod", "search", "tool", "x")[:2] == (False, 0)
    assert found.owns_server("github") and not found.owns_server("search")
    assert found.owns_workspace("dev") and not found.owns_workspace("prod")
    assert found.may_use("prod") and found.may_use("prod", ["github"]) and not found.may_use("prod", ["search"])


def test_the_highest_role_counts() -> None:
    """A principal can have several, by several subjects."""
    roles = [
        {"subject": "*", "role": "user"},
        {"subject": "group:a", "role": "owner", "servers": ["x"]},
        {"subject": "role:boss", "role": "admin"},
    ]
    found = [
        permissions(user(*subjects), roles=roles).role for subjects in ((), ("group:a",), ("group:a", "role:boss"))
    ]
    assert found == ["user", "owner", "admin"]


# --- rules ------------------------------------------------------------------------------------------------------------


def test_a_denial_wins() -> None:
    """Also over an allowance that is more exact, or comes later."""
    found = permissions(user("group:dev"), deny("*", tools=["delete_*"]), allow("group:dev", tools=["delete_draft"]))
    assert found.item("dev", "a", "tool", "delete_draft") == Decision(False, 0, "rule 0 denies it to *")
    assert found.item("dev", "a", "tool", "delete_repo")[:2] == (False, 0)


def test_an_allowance_is_needed() -> None:
    """No rule means no; the decision names the rule that allows."""
    found = permissions(user("group:dev"), deny("*", tools=["x"]), allow("group:dev", tools=["get_*"]))
    assert found.item("dev", "a", "tool", "get_issue") == Decision(True, 1, "rule 1 allows it to group:dev")
    assert found.item("dev", "a", "tool", "put_issue") == Decision(False, "none", "no rule allows it")
    assert found.item("dev", "a", "prompt", "get_issue")[:2] == (False, "none")


@pytest.mark.parametrize(
    ("rule", "allowed"),
    [
        ({}, {"tool", "resource", "prompt"}),
        ({"workspaces": ["d*"]}, {"tool", "resource", "prompt"}),
        ({"workspaces": ["D*"]}, set()),
        ({"servers": ["git"]}, set()),
        ({"servers": ["x", "git*"]}, {"tool", "resource", "prompt"}),
        ({"tools": ["*"]}, {"tool"}),
        ({"resources": ["n*"], "prompts": ["name"]}, {"resource", "prompt"}),
        ({"annotations": {"readOnlyHint": False}}, {"tool"}),
        ({"annotations": {"readOnlyHint": True}}, set()),
        ({"tools": ["other"], "annotations": {"readOnlyHint": False}}, set()),
    ],
)
def test_a_rule_is_about_what_all_its_lists_match(rule: dict[str, Any], allowed: set[str]) -> None:
    """A list that is missing means all; a rule that names items of one kind is about that kind."""
    found = permissions(user("group:dev"), allow("group:dev", **rule))
    kinds = ("tool", "resource", "prompt")
    assert {kind for kind in kinds if found.item("dev", "github", kind, "name").allowed} == allowed


@pytest.mark.parametrize(
    ("condition", "annotations", "fits"),
    [
        ({"readOnlyHint": True}, {"readOnlyHint": True}, True),
        ({"readOnlyHint": True}, {"readOnlyHint": "true"}, False),
        ({"readOnlyHint": True}, None, False),
        ({"destructiveHint": True}, None, True),
        ({"destructiveHint": True}, {"readOnlyHint": True}, False),
        ({"destructiveHint": True}, {"readOnlyHint": True, "destructiveHint": True}, True),
        ({"idempotentHint": True}, {"readOnlyHint": True}, True),
        ({"openWorldHint": True}, {}, True),
        ({"openWorldHint": False, "readOnlyHint": True}, {"openWorldHint": False}, False),
    ],
)
def test_annotations_have_the_defaults_of_the_protocol(
    condition: dict[str, bool], annotations: dict[str, object] | None, fits: bool
) -> None:
    """A tool that declares nothing may be destructive; values that are no booleans declare nothing."""
    found = permissions(user("group:dev"), allow("group:dev", annotations=condition))
    assert found.item("dev", "a", "tool", "x", annotations).allowed is fits


@pytest.mark.parametrize("subject", ["*", "key:ci", "key:k0000001", "group:dev"])
def test_a_rule_is_for_the_subjects_of_the_principal(subject: str) -> None:
    """A key has its name and its id; others come with the principal."""
    principal = Principal("k0000001", "ci", subjects=frozenset({"group:dev"}))
    assert not permissions(principal, deny(subject)).item("dev", "a", "tool", "x").allowed
    assert permissions(principal, deny("key:other"), deny("user:k0000001")).item("dev", "a", "tool", "x").allowed


def test_a_user_is_no_key() -> None:
    """A key's name or id in a rule is not for a user of the same name."""
    principal = user("email:ada@example.com")
    assert permissions(principal, allow("user:u0123456789abcde")).item("dev", "a", "tool", "x").allowed
    assert not permissions(principal, allow("key:Ada"), allow("key:u0123456789abcde")).may_use("dev")


# --- keys -------------------------------------------------------------------------------------------------------------


def test_a_key_may_use_what_no_rule_denies() -> None:
    """Unless the file says that keys have only what rules allow."""
    found = permissions(key("ci"), deny("key:ci", tools=["delete_*"]))
    assert found.item("dev", "a", "tool", "get") == Decision(True, "key", found.item("dev", "a", "tool", "get").why)
    assert found.item("dev", "a", "tool", "delete_x")[:2] == (False, 0)
    assert not found.whole("dev", "a")
    ruled = permissions(key("ci"), allow("key:ci", tools=["get"]), keys="rules")
    assert ruled.item("dev", "a", "tool", "get")[:2] == (True, 0)
    assert ruled.item("dev", "a", "tool", "put")[:2] == (False, "none")
    assert not permissions(key("ci"), keys="rules").may_use("dev")


def test_no_rule_reaches_beyond_the_workspaces_of_a_key() -> None:
    """keys.json says at most what a key may use."""
    roles = [{"subject": "key:ci", "role": "owner", "workspaces": ["*"]}]
    found = permissions(key("ci", "dev"), allow("*"), roles=roles)
    assert found.item("dev", "a", "tool", "x").allowed
    assert found.item("prod", "a", "tool", "x")[:2] == (False, "credential")


# --- workspaces and servers -------------------------------------------------------------------------------------------


def test_a_server_of_which_nothing_can_be_allowed_is_not_seen() -> None:
    """So it is not started for the principal."""
    found = permissions(user("group:dev"), allow("group:dev", servers=["a", "b"]), deny("*", servers=["b"]))
    assert found.server("dev", "a") and not found.server("dev", "b") and not found.server("dev", "c")
    assert found.may_use("dev") and found.may_use("dev", ["b", "a"])
    assert not found.may_use("dev", ["b", "c"])
    kinds = permissions(key(), deny("*", tools=["*"], prompts=["*"]), deny("*", resources=["**"]))
    assert not kinds.server("dev", "a")
    assert permissions(key(), deny("*", tools=["*"])).server("dev", "a")


def test_a_workspace_without_servers_is_there_for_its_keys() -> None:
    """And for users who may use anything in it; not if it is denied."""
    assert permissions(key()).may_use("dev", [])
    assert permissions(user("group:a"), allow("group:a", workspaces=["dev"])).may_use("dev", [])
    assert not permissions(user("group:a"), allow("group:a", workspaces=["prod"])).may_use("dev", [])
    assert not permissions(key(), deny("*", workspaces=["dev"])).may_use("dev", [])
    assert permissions(key(), deny("*", servers=["a"])).may_use("dev", [])


# --- tenants and limits -----------------------------------------------------------------------------------------------


def test_the_tenant_is_the_first_in_the_file_to_which_the_principal_belongs() -> None:
    """Else it is the principal itself."""
    tenants = ["group:a", "group:b", "key:ci"]
    assert permissions(user("group:b", "group:a"), tenants=tenants).tenant == "group:a"
    assert permissions(user("group:b"), tenants=tenants).tenant == "group:b"
    assert permissions(key("ci"), tenants=tenants).tenant == "key:ci"
    assert permissions(user("group:c"), tenants=tenants).tenant == "u0123456789abcde"
    assert permissions(WHOLE, tenants=["*"]).tenant == ADMIN


def test_limits_are_those_of_the_subjects_in_order() -> None:
    """The hub's own principals have none."""
    limits = [
        {"subject": "group:dev", "concurrent": 1},
        {"subject": "group:ops", "concurrent": 2},
        {"subject": "*", "concurrent": 3},
        {"subject": "group:dev", "concurrent": 1, "tools": ["x"]},
    ]
    found = permissions(user("group:dev"), limits=limits).limits
    assert [(limit.concurrent, limit.tools) for limit in found] == [(1, None), (3, None), (1, ("x",))]
    assert permissions(WHOLE, limits=limits).limits == ()


def test_permissions_are_kept_for_equal_principals() -> None:
    """A principal whose groups have changed gets others."""
    policy = Policy(access(allow("group:dev")))
    assert policy.permissions(user("group:dev")) is policy.permissions(user("group:dev"))
    assert not policy.permissions(user("group:ops")).may_use("dev")
    assert policy.permissions(user("group:dev")).may_use("dev")
