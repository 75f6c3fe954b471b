"""docs/access.md: its examples are valid, and decide as it says."""

from __future__ import annotations

import re
from pathlib import Path

from bridge.access.models import AccessFile
from bridge.access.policy import Policy
from tests.unit.bridge.access.principals import key, user

TEXT = (Path(__file__).resolve().parents[4] / "docs" / "access.md").read_text("utf-8")
FIRST, FAMILY, TEAM, ORGANISATION = (
    Policy(AccessFile.model_validate_json(text)) for text in re.findall(r"```json\n(\{.*?)```", TEXT, re.DOTALL)
)


def test_the_first_example() -> None:
    """A denial for all, and a key that may read beside what it has."""
    dev = FIRST.permissions(user("group:dev"))
    assert dev.item("dev", "github", "tool", "get_issue").allowed
    assert not dev.item("dev", "github", "tool", "delete_repo").allowed
    assert not dev.may_use("prod")
    assert FIRST.permissions(user("email:ada@example.com")).item("x", "gitlab", "tool", "delete_repo").allowed
    assert FIRST.permissions(user("group:platform")).admin


def test_the_family() -> None:
    """What a tool does not declare may be destructive."""
    mia = FAMILY.permissions(key("mia"))
    assert not mia.server("home", "door") and mia.server("home", "lamps")
    assert mia.item("home", "lamps", "tool", "state", {"readOnlyHint": True}).allowed
    assert not mia.item("home", "lamps", "tool", "reset").allowed
    assert FAMILY.permissions(key("mum")).whole("home", "door") is True


def test_the_team() -> None:
    """The CI system only reads, by tools."""
    ci = TEAM.permissions(key("ci"))
    assert ci.item("dev", "a", "tool", "get", {"readOnlyHint": True}).allowed
    assert not ci.item("dev", "a", "tool", "put").allowed
    assert not ci.item("dev", "a", "resource", "repo://x").allowed
    assert TEAM.permissions(key("grace")).owns_server("a")


def test_the_organisation() -> None:
    """Keys have what rules give them; departments share processes."""
    sales = ORGANISATION.permissions(user("group:sales"))
    assert (sales.may_use("sales-eu"), sales.may_use("eng"), sales.tenant) == (True, False, "group:sales")
    assert not ORGANISATION.permissions(key("ci")).may_use("sales")
    assert ORGANISATION.permissions(key("nightly-report")).may_use("sales-reports")
    audit = ORGANISATION.permissions(user("group:audit"))
    assert audit.item("eng", "a", "tool", "get", {"readOnlyHint": True}).allowed
    assert not audit.item("eng", "a", "tool", "get").allowed
    assert len(sales.limits) == 1
