"""The edits of `hubctl curation`."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import pytest

from bridge.models import Curation, WorkspaceItem, WorkspaceTools
from hubctl.commands.curation.command import accepted, edited, parse, with_known
from hubctl.errors import ArgumentsInvalid


def after(before: Curation, action: str, **given: Any) -> dict[str, Any]:
    """The tools of the server `s` after an action."""
    now = edited(before, Namespace(action=action, server="s", kind="tool", **given))
    return now.model_dump(mode="json", exclude_unset=True)["servers"]["s"]["tools"]  # type: ignore[no-any-return]


def test_one_item_is_switched_by_its_name_and_several_by_a_rule() -> None:
    """A rule with the same condition is replaced, and comes first."""
    assert after(Curation(), "off", match="a", annotation=None) == {"items": {"a": {"on": False}}}
    one = edited(Curation(), Namespace(action="off", server="s", kind="tool", match="a*", annotation=None))
    assert after(one, "on", match="a*", annotation=None) == {"rules": [{"match": "a*", "on": True}]}
    hint = "readOnlyHint"
    assert after(one, "on", match="*", annotation=hint)["rules"] == [
        {"match": "*", "annotation": hint, "on": True},
        {"match": "a*", "on": False},
    ]


def test_presets() -> None:
    """JSON or text; without a value the preset goes."""
    given = {"item": "t", "argument": "n"}
    fixed = edited(Curation(), Namespace(action="preset", server="s", kind="tool", value="5", default=False, **given))
    assert fixed.servers["s"].tools.items["t"].arguments["n"].model_dump() == {"value": 5, "hidden": True}
    assert after(fixed, "preset", value=None, default=False, **given) == {"items": {"t": {"arguments": {}}}}
    shown = after(fixed, "preset", value="x", default=True, **given)
    assert shown == {"items": {"t": {"arguments": {"n": {"default": "x"}}}}}


def test_an_invalid_name_is_refused() -> None:
    """The message says which field."""
    with pytest.raises(ArgumentsInvalid, match="name"):
        after(Curation(), "rename", item="t", to="no spaces")


def test_accepting_makes_what_there_is_known() -> None:
    """Of a server without known lists nothing is forgotten."""
    tools = {"new": "ask", "known": ["old"]}
    before = Curation.model_validate({"servers": {"s": {"tools": tools}, "away": {"tools": tools}}})
    item = WorkspaceItem(server="s", kind="tool", name="t", exposed=None, tokens=1, state="pending", why="new")
    now = accepted(before, WorkspaceTools(items=(item,), tokens=0))
    assert now.servers["s"].tools.known == ("t",)
    assert now.servers["away"].tools.known == ("old",)


def test_what_there_is_when_new_items_are_asked_about_is_known() -> None:
    """Beside what was known, also of resources and templates; nothing that is shown goes."""
    before = Curation.model_validate({"servers": {"s": {"resources": {"known": ["x://1"]}}}})
    arguments = Namespace(action="new", server="s", kind="resource", new="ask")
    given: dict[str, Any] = {"exposed": None, "tokens": 1, "state": "on", "why": ""}
    kinds: list[Any] = [
        ("s", "resource", "x://2"),
        ("s", "template", "x://{a}"),
        ("s", "tool", "t"),
        ("o", "tool", "u"),
    ]
    items = tuple(WorkspaceItem(server=server, kind=kind, name=name, **given) for server, kind, name in kinds)
    now = with_known(edited(before, arguments), arguments, WorkspaceTools(items=items, tokens=0))
    assert now.model_dump(mode="json", exclude_unset=True) == {
        "servers": {"s": {"resources": {"new": "ask", "known": ["x://1", "x://2", "x://{a}"]}}}
    }


def test_only_a_curation_is_imported() -> None:
    """Unknown fields are refused."""
    with pytest.raises(ArgumentsInvalid):
        parse('{"tools": []}')
