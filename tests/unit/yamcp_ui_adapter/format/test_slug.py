"""Slugs: stable, readable, different."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yamcp_ui_adapter.format.slug import derived, slugs


@pytest.mark.parametrize("name", ["demo", "A-b_9", "_", "x" * 64])
def test_a_name_that_fits_is_its_own_slug(name: str) -> None:
    """Nothing to improve."""
    assert slugs([name]) == {name: name}


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("a/b ?#", "a-b-"), ("Größe", "Grosse-"), ("Ærø Café", "AEro-Cafe-"), ("文件", "workspace-"),
        ("", "workspace-"), ("..", "workspace-"), ("my ws\n", "my-ws-"), ("x" * 65, "x" * 55 + "-"),
    ],
)  # fmt: skip
def test_any_other_name_gets_a_readable_one_with_its_hash(name: str, start: str) -> None:
    """Transliterated, then eight hex digits."""
    slug = slugs([name])[name]
    assert slug.startswith(start)
    assert re.fullmatch(r"[0-9a-f]{8}", slug.removeprefix(start))


def test_a_slug_never_depends_on_the_order_nor_on_who_else_is_there() -> None:
    """The URL of a workspace outlives edits of the others."""
    names = ["a b", "a/b", "a-b", "ä", "文", "demo"]
    alone = {name: slugs([name])[name] for name in names}
    assert all(slugs(order) == alone for order in itertools.permutations(names))


def test_a_name_that_is_the_slug_of_another_keeps_it() -> None:
    """The other gets more of its hash, the same way every time."""
    taken = derived("a b")
    for order in (["a b", taken], [taken, "a b"]):
        result = slugs(order)
        assert result[taken] == taken
        assert result["a b"] == derived("a b", 16)


@given(st.lists(st.text(max_size=80), unique=True, max_size=20))
def test_slugs_fit_and_differ(names: list[str]) -> None:
    """Whatever the names are."""
    result = slugs(names)
    assert set(result) == set(names)
    assert len(set(result.values())) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", slug) for slug in result.values())
