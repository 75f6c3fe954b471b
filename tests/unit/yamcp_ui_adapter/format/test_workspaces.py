"""workspaces.json: what each entry becomes, and what is reported."""

from __future__ import annotations

import json
from typing import Any

import pytest

from yamcp_ui_adapter.format.entries import WorkspacesFile
from yamcp_ui_adapter.format.workspaces import parse_workspaces


def parse(content: object, last: WorkspacesFile | None = None) -> WorkspacesFile:
    """The parse of a file with that content."""
    return parse_workspaces(json.dumps(content).encode(), last or WorkspacesFile())


@pytest.mark.parametrize(
    ("value", "members", "reported"),
    [
        (["a", "b"], ("a", "b"), []),
        ([], (), []),
        ([""], ("",), []),
        (["b", "a", "b", "b"], ("b", "a"), ["MEMBER_DUPLICATE"] * 2),
        (["a", None, 3, {"x": 1}, "\ud800"], ("a",), ["MEMBER_INVALID"] * 4),
        ({"name": "W", "servers": ["a"]}, ("a",), ["WORKSPACE_OBJECT"]),
    ],
)
def test_a_workspace_that_can_be_used(value: Any, members: tuple[str, ...], reported: list[str]) -> None:
    """Its members as text, each once, in order."""
    parsed = parse({"w": value})
    assert parsed.entries["w"].members == members
    assert [found.code for found in parsed.issues] == reported


BAD = [None, "a,b", 7, {}, {"name": "W"}, {"servers": None}, {"servers": "a"}]


@pytest.mark.parametrize("value", BAD)
def test_a_bad_workspace_is_left_out_and_its_neighbour_stays(value: Any) -> None:
    """Never good: reported and left out."""
    parsed = parse({"w": value, "good": ["a"]})
    assert list(parsed.entries) == ["good"]
    assert [(found.code, found.subject) for found in parsed.issues] == [("WORKSPACE_INVALID", "workspace:w")]


@pytest.mark.parametrize("value", BAD)
def test_a_workspace_that_turned_bad_keeps_its_members(value: Any) -> None:
    """As long as its name stands in the file."""
    last = parse({"w": ["a"]})
    assert parse({"w": value}, last).entries == last.entries
    assert parse({}, last).entries == {}


@pytest.mark.parametrize("name", ["", " ", "a/b ?#%", "..", "ünï", "x" * 500])
def test_any_text_can_be_a_name(name: str) -> None:
    """Names are data, not paths."""
    assert list(parse({name: []}).entries) == [name]


def test_a_name_that_cannot_be_sent_is_reported_readably() -> None:
    """The issue itself has to cross the bridge."""
    parsed = parse({"\ud800": ["a"], "good": []})
    assert list(parsed.entries) == ["good"]
    assert [found.code for found in parsed.issues] == ["WORKSPACE_INVALID"]
    assert WorkspacesFile.model_validate_json(parsed.model_dump_json()) == parsed
