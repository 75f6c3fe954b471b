"""Slugs: readable, different, and kept by whoever had them first."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yamcp_ui_adapter.format.slug import HASH_LENGTHS, assign_slugs, earlier_slug, hashed_slug


def slugs(*names: str, before: dict[str, str] | None = None, **own: str) -> dict[str, str]:
    """The slugs of workspaces in this order; `own`: those that have a slug of their own."""
    return assign_slugs({name: own.get(name) for name in names}, before)


@pytest.mark.parametrize("name", ["demo", "A-b_9", "_", "x" * 64])
def test_a_name_that_fits_is_its_own_slug(name: str) -> None:
    """Nothing to improve."""
    assert slugs(name) == {name: name}


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Project 00", "project-00"), ("a/b ?#", "a-b"), ("Größe", "grosse"), ("Ærø Café", "aero-cafe"),
        ("文件 tools", "tools"), ("my ws\n", "my-ws"), ("x" * 65, "x" * 64),
    ],
)  # fmt: skip
def test_any_other_name_gives_what_is_readable_of_it(name: str, slug: str) -> None:
    """Transliterated, in lower case, without a hash while nobody else has it."""
    assert slugs(name) == {name: slug}


@pytest.mark.parametrize("name", ["文件", "", ".."])
def test_a_name_of_which_nothing_is_readable_gets_a_hash(name: str) -> None:
    """ "workspace" alone would say that it is the only one."""
    assert re.fullmatch(r"workspace-[0-9a-f]{8}", slugs(name)[name])


def test_the_second_workspace_whose_name_gives_the_same_slug_gets_a_hash() -> None:
    """In the order of the file, where nothing is known of before."""
    assert slugs("a b", "a/b") == {"a b": "a-b", "a/b": hashed_slug("a/b")}


def test_the_older_workspace_keeps_its_slug_whatever_the_order_of_the_file() -> None:
    """Also against a newer one whose name is that slug."""
    before = slugs("a b")
    for order in itertools.permutations(["a/b", "a-b", "a b"]):
        assert slugs(*order, before=before)["a b"] == "a-b"


def test_a_slug_that_became_free_is_not_given_to_another() -> None:
    """The clients of a deleted workspace must not meet the tools of another one."""
    before = slugs("a b", "a/b")
    assert slugs("a/b", before=before) == {"a/b": hashed_slug("a/b")}


def test_names_that_are_slugs_come_first_where_nothing_is_known_of_before() -> None:
    """As versions did that gave every other name a hash."""
    assert slugs("a b", "a-b") == {"a b": hashed_slug("a b"), "a-b": "a-b"}


def test_an_own_slug_counts_unless_another_workspace_has_it() -> None:
    """Who has it keeps it; who wanted it gets it when it is free."""
    before = slugs("demo", "Other one", demo="team")
    assert before == {"demo": "team", "Other one": "other-one"}
    wanted = {"demo": "other-one"}
    assert slugs("demo", "Other one", before=before, **wanted) == {"demo": "demo", "Other one": "other-one"}
    assert slugs("demo", before=before, **wanted) == {"demo": "other-one"}
    assert slugs("demo", before=before) == {"demo": "demo"}, "taken back"


def test_somebody_may_have_named_workspaces_after_every_hash_of_another() -> None:
    """It gets a slug all the same."""
    squatters = ["a-b", *(hashed_slug("a b", length) for length in HASH_LENGTHS)]
    found = slugs(*squatters, "a b")
    assert [found[name] for name in squatters] == squatters
    assert re.fullmatch(r"[0-9a-f]{63}", found["a b"])


def test_the_slug_of_the_first_versions_is_known() -> None:
    """URLs with it were copied."""
    assert earlier_slug("my team") == "my-team-0855b74b"
    assert earlier_slug("demo") == ""


NAMES = st.lists(st.one_of(st.text(max_size=80), st.text("ab /-", max_size=3)), unique=True, max_size=12)
OWN = st.dictionaries(st.integers(0, 11), st.text("abc-", min_size=1, max_size=2), max_size=4)


@given(NAMES, OWN, st.data())
def test_slugs_fit_differ_and_stay(names: list[str], own: dict[int, str], data: st.DataObject) -> None:
    """Whatever the names are, and whoever comes, in any order."""
    wanted = {name: own.get(place) for place, name in enumerate(names)}
    some = data.draw(st.lists(st.sampled_from(names), unique=True)) if names else []
    before = assign_slugs({name: wanted[name] for name in some})
    result = assign_slugs(wanted, before)
    assert list(result) == names
    assert len(set(result.values())) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", slug) for slug in result.values())
    assert result == {**result, **before}, "an older workspace got another slug"
    assert assign_slugs(dict(reversed(wanted.items())), result) == result
