"""bridge.models.access_file: what access.json may hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from bridge.access.models import AccessFile
from tests.unit.bridge.access.principals import allow

EXAMPLE = {
    "version": 1,
    "roles": [
        {"subject": "group:platform", "role": "admin"},
        {"subject": "email:Ada@Example.com", "role": "owner", "servers": ["git*"], "workspaces": ["dev"]},
        {"subject": "group:dev", "role": "user"},
    ],
    "rules": [
        {"effect": "allow", "subject": "group:dev", "workspaces": ["dev*"]},
        {"effect": "deny", "subject": "*", "servers": ["github"], "tools": ["delete_*"]},
        {"effect": "allow", "subject": "key:ci", "tools": ["*"], "annotations": {"readOnlyHint": True}},
    ],
    "tenants": ["group:team-a", "group:team-b"],
    "limits": [
        {"subject": "*", "requests_per_second": 50, "burst": 100, "concurrent": 32, "sessions": 50},
        {"subject": "group:dev", "servers": ["search"], "tools": ["*"], "requests_per_second": 2},
    ],
}


def test_the_example_of_the_document_is_valid() -> None:
    """E-mail addresses are compared in lower case; what is sent over the bridge is the same again."""
    parsed = AccessFile.model_validate_json(json.dumps(EXAMPLE))
    assert parsed.roles[1].subject == "email:ada@example.com"
    assert AccessFile.model_validate(parsed.model_dump(mode="json")) == parsed


def test_an_empty_file_allows_what_keys_json_allows() -> None:
    """All parts may be missing."""
    assert AccessFile.model_validate({}) == AccessFile()
    assert AccessFile().keys == "own"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({"rulez": []}, "Extra inputs"),
        ({"version": 2}, "less than or equal to 1"),
        ({"keys": "none"}, "'own' or 'rules'"),
        ({"rules": [{"effect": "maybe", "subject": "*"}]}, "'allow' or 'deny'"),
        ({"rules": [allow("*", tols=["x"])]}, "Extra inputs"),
        ({"rules": [allow("*", tools="x")]}, "valid tuple"),
        ({"rules": [allow("*", tools=[])]}, "at least 1 item"),
        ({"rules": [allow("*", tools=[1])]}, "valid string"),
        ({"rules": [allow("dev")]}, "a subject is"),
        ({"rules": [allow("group:")]}, "a subject is"),
        ({"rules": [allow("group:*")]}, "is exact"),
        ({"rules": [allow("email:*@example.com")]}, "is exact"),
        ({"rules": [allow("group: dev")]}, "is exact"),
        ({"rules": [allow("*", annotations={"readonlyHint": True})]}, "no annotation 'readonlyHint'"),
        ({"rules": [allow("*", annotations={"readOnlyHint": "yes"})]}, "valid boolean"),
        ({"rules": [allow("*", annotations={"readOnlyHint": True}, prompts=["x"])]}, "are those of tools"),
        ({"roles": [{"subject": "*", "role": "chief"}]}, "'admin', 'owner' or 'user'"),
        ({"roles": [{"subject": "*", "role": "owner"}]}, "an owner needs"),
        ({"roles": [{"subject": "*", "role": "admin", "servers": ["a"]}]}, "only the role 'owner'"),
        ({"limits": [{"subject": "*"}]}, "it limits nothing"),
        ({"limits": [{"subject": "*", "burst": 3, "concurrent": 1}]}, "'burst' belongs to"),
        ({"limits": [{"subject": "*", "requests_per_second": 0}]}, "greater than 0"),
        ({"limits": [{"subject": "*", "concurrent": True}]}, "valid integer"),
        ({"limits": [{"subject": "*", "sessions": 1, "tools": ["a"]}]}, "not of single"),
    ],
)
def test_what_is_not_understood_is_an_error(content: dict[str, Any], why: str) -> None:
    """A field or value that could mean something else is refused, not ignored: a rule without it would be wider."""
    with pytest.raises(ValidationError, match=why):
        AccessFile.model_validate(content)
