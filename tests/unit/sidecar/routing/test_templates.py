"""routing.templates: URIs that only fit templates that are switched off."""

from __future__ import annotations

import pytest

from sidecar.routing.templates import hidden_templates


@pytest.mark.parametrize(
    ("hidden", "shown", "refused", "left"),
    [
        (["db://{table}"], [], ["db://a", "DB://a", "db://a/b?c"], ["x://a", "db:/a"]),
        (["db://{table}"], ["db://{table}/schema"], ["db://a", "db://a/b/schema"], ["db://a/schema"]),
        (["file:///{+path}"], ["file:///docs/{name}"], ["file:///a", "file:///docs/a/b"], ["file:///docs/a"]),
        (["x://{a}"], ["x://docs/{b*}"], ["x://a/b"], ["x://docs/b/c"]),
        (["x://q{?a,b}"], ["x://q/{id}{?c}"], ["x://q", "x://q?a=1"], ["x://q/1?c=a/b", "x://other"]),
        (["x://a%20b/{c}"], [], ["x://a%20b/1", "x://a b/1"], ["x://a/b/1"]),
        (["x://{", "x://y}"], [], ["x://{"], ["x://a", "x://y"]),
    ],
)
def test_what_is_hidden(hidden: list[str], shown: list[str], refused: list[str], left: list[str]) -> None:
    found = hidden_templates([*shown, *hidden], shown)
    assert found is not None
    assert [uri for uri in refused + left if found.hide(uri)] == refused


def test_nothing_is_hidden_where_all_templates_are_shown() -> None:
    assert hidden_templates(["x://{a}"], ["x://{a}"]) is None


def test_long_templates_and_uris_take_no_time() -> None:
    """Regular expressions would need longer than the age of the universe."""
    found = hidden_templates(["x://" + "{a}" * 2000 + "!"], [])
    assert found is not None
    assert not found.hide("x://" + "a" * 100_000)
