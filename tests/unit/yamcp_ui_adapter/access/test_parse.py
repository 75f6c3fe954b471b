"""Parsing of access.json: faults and where they are, names that match nothing, renames."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bridge.models import AccessFile
from yamcp_ui_adapter.access.json_position import line_of
from yamcp_ui_adapter.access.parse import (
    MAX_BYTES,
    MAX_ISSUES,
    check_access,
    parse_access,
    renamed_access,
    unknown_names,
)
from yamcp_ui_adapter.errors import FileUnusable
from yamcp_ui_adapter.format.entries import AccessContent

TEXT = """{
  "version": 1,
  "rules": [
    {"effect": "deny", "subject": "*", "tools": ["delete_*"]},
    {
      "effect": "allow",
      "subject": "dev",
      "tols": ["x"]
    }
  ]
}
"""


def access(**content: Any) -> AccessFile:
    return AccessFile.model_validate(content)


def rule(**fields: Any) -> dict[str, Any]:
    return {"effect": "deny", "subject": "*", **fields}


def test_each_fault_has_its_place() -> None:
    """The line in the text, and the path of the value; nothing of the file is used."""
    checked = check_access(TEXT.encode())
    assert checked.file is None
    assert [(found.code, found.severity, found.subject) for found in checked.issues] == [
        ("ACCESS_INVALID", "error", "file:access.json")
    ] * 2
    assert [found.message.partition(": ")[0] for found in checked.issues] == [
        "access.json, line 7",
        "access.json, line 8",
    ]
    assert "rules[1].subject: a subject is '*', or one of" in checked.issues[0].message
    assert checked.issues[1].message == "access.json, line 8: rules[1].tols: nothing reads this field."


def test_a_fault_keeps_the_last_good_version() -> None:
    """The whole of it: a rule alone that is left out could be a denial."""
    with pytest.raises(FileUnusable) as caught:
        parse_access(TEXT.encode(), AccessContent())
    assert "line 7" in caught.value.issue.message
    assert "last good version" in caught.value.issue.message
    assert "There are 1 more faults." in caught.value.issue.message


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "FILE_EMPTY"),
        (b"{", "FILE_UNPARSABLE"),
        (b"[]", "FILE_NOT_OBJECT"),
        (b"\xff", "FILE_UNPARSABLE"),
        (b'{"rules": [], "rules": []}', "ACCESS_INVALID"),
        (b'{"keys": "own\\u0000"}', "ACCESS_INVALID"),
        (b'{"tenants": ["group:\\ud800"]}', "ACCESS_INVALID"),
        (b'{"version": true}', "ACCESS_INVALID"),
        (b" " * (MAX_BYTES + 1), "ACCESS_INVALID"),
    ],
)
def test_what_is_no_access_file_is_refused(raw: bytes, code: str) -> None:
    """A name that an object has twice included: its readers could take either."""
    assert [found.code for found in check_access(raw).issues] == [code]
    with pytest.raises(FileUnusable):
        parse_access(raw, AccessContent())


def test_a_missing_file_is_known_to_be_missing() -> None:
    """The feature is off then."""
    assert parse_access(None, AccessContent(file=AccessFile())) == AccessContent(known=True)
    assert parse_access(b"\xef\xbb\xbf{}", AccessContent()) == AccessContent(file=AccessFile(), known=True)


def test_many_faults_are_cut() -> None:
    """A reader corrects the first ones first."""
    text = json.dumps({"rules": [{}] * 100})
    assert len(check_access(text.encode()).issues) == MAX_ISSUES


def test_names_that_match_nothing_are_reported() -> None:
    """With their place; patterns that match something are not."""
    file = access(
        roles=[{"subject": "*", "role": "owner", "servers": ["github", "gitlab"]}],
        rules=[rule(servers=["git*", "x*"], workspaces=["dev", "prod"]), rule(servers=["x*"])],
        limits=[{"subject": "*", "concurrent": 1, "servers": ["*"]}],
    )
    found = unknown_names(file, {"github"}, {"dev"})
    assert {issue.code for issue in found} == {"ACCESS_NAME_UNKNOWN"}
    assert [issue.message for issue in found] == [
        "access.json, roles[0].servers: no server matches 'gitlab'.",
        "access.json, rules[0].servers: no server matches 'x*'.",
        "access.json, rules[0].workspaces: no workspace matches 'prod'.",
        "access.json, rules[1].servers: no server matches 'x*'.",
    ]
    assert len(unknown_names(access(rules=[rule(servers=["x"])] * 100), (), ())) == MAX_ISSUES


def test_exact_names_follow_renames() -> None:
    """Each in its own list; patterns stay, and a file without the name is the same object."""
    before = AccessContent(
        file=access(
            roles=[{"subject": "*", "role": "owner", "servers": ["a"], "workspaces": ["a"]}],
            rules=[rule(servers=["a", "b", "a*"], tools=["a"])],
            limits=[{"subject": "*", "concurrent": 1, "servers": ["a"]}],
        ),
        known=True,
    )
    after = renamed_access(before, {"a": "b"}, {}).file
    assert after is not None
    assert (after.roles[0].servers, after.roles[0].workspaces) == (("b",), ("a",))
    assert (after.rules[0].servers, after.rules[0].tools) == (("b", "a*"), ("a",))
    assert after.limits[0].servers == ("b",)
    assert renamed_access(before, {"c": "d"}, {"x": "y"}) is before
    assert renamed_access(AccessContent(), {"a": "b"}, {}) == AccessContent()


def test_a_line_is_that_of_the_value() -> None:
    """Or of the innermost one that is there."""
    assert [line_of(TEXT, path) for path in ((), ("version",), ("rules", 0, "tools", 0), ("rules", 1))] == [1, 2, 4, 5]
    assert line_of(TEXT, ("rules", 1, "absent")) == 5
    assert line_of(TEXT, ("version", "x")) == 2
    assert line_of('{"a": {}, "b": [],\n"c": [[1, 2],\n{"d": 0}]}', ("c", 1, "d")) == 3
