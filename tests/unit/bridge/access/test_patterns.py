"""bridge.access.patterns: names and patterns with `*`."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.access.patterns import PatternIndex, PatternSet, matches
from tests.unit.bridge import vectors

NAMES = st.text("ab_/", max_size=8)
PATTERNS = st.text("ab_*", min_size=1, max_size=8)


def expected(pattern: str, name: str) -> bool:
    """The same by a regular expression."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name, re.DOTALL) is not None


@given(PATTERNS, NAMES)
def test_a_pattern_matches_as_the_regular_expression_would(pattern: str, name: str) -> None:
    """Each `*` stands for any characters, and everything else for itself."""
    assert matches(pattern, name) == expected(pattern, name)


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("delete_*", "delete_repo", True),
        ("delete_*", "Delete_repo", False),
        ("a*a", "a", False),
        ("*", "", True),
        ("a?c", "abc", False),
        ("[ab]", "a", False),
        ("repo://*/main", "repo://x/y/main", True),
        ("a*", "a\nb", True),
    ],
)
def test_only_the_asterisk_is_special(pattern: str, name: str, fits: bool) -> None:
    """Letter case counts, the parts of a pattern do not overlap, and other wildcards stand for themselves."""
    assert matches(pattern, name) is fits


@given(st.lists(PATTERNS, max_size=8), NAMES)
def test_a_set_contains_what_one_of_its_patterns_matches(patterns: list[str], name: str) -> None:
    """A set without patterns contains nothing."""
    assert (name in PatternSet(patterns)) == any(expected(pattern, name) for pattern in patterns)
    assert bool(PatternSet(patterns)) == bool(patterns)


@given(st.lists(st.tuples(PATTERNS, st.integers(0, 20)), max_size=12), NAMES)
def test_an_index_finds_the_lowest_number_that_matches(patterns: list[tuple[str, int]], name: str) -> None:
    """In whatever order the patterns were added."""
    index = PatternIndex()
    for pattern, number in patterns:
        index.add(pattern, number)
    fitting = [number for pattern, number in patterns if expected(pattern, name)]
    assert index.first(name) == min(fitting, default=None)
    every = [number for pattern, number in patterns if not pattern.strip("*")]
    assert index.every == min(every, default=None)


@pytest.mark.parametrize(
    "vector", vectors.load("patterns"), ids=lambda vector: f"{vector['pattern']} {vector['name']!r}"
)
def test_the_front_matches_alike(vector: dict[str, Any]) -> None:
    """The vectors, which front/server/state/owned.mjs is tested by too."""
    assert matches(vector["pattern"], vector["name"]) is vector["matches"]
