"""Name patterns with `*`, for many patterns and many names. Pure.

A pattern is compared without regular expressions, in time proportional to its length and that of the name.
"""

from __future__ import annotations

from collections.abc import Iterable

EVERY = "*"
GRAM = 3
"""Letters of a pattern under which it is found; see `PatternIndex`."""


def matches(pattern: str, name: str) -> bool:
    """Whether the whole name fits the pattern, in which each `*` stands for any characters, also none."""
    if EVERY not in pattern:
        return pattern == name
    first, *middle, last = pattern.split(EVERY)
    end = len(name) - len(last)
    if end < len(first) or not name.startswith(first) or not name.endswith(last):
        return False
    at = len(first)
    for part in middle:
        found = name.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


class PatternSet:
    """Patterns of which one has to match."""

    __slots__ = ("_exact", "_wild")

    def __init__(self, patterns: Iterable[str]) -> None:
        found = frozenset(patterns)
        self._wild = tuple(sorted(pattern for pattern in found if EVERY in pattern))
        self._exact = found.difference(self._wild)

    @property
    def patterns(self) -> frozenset[str]:
        """The patterns."""
        return self._exact.union(self._wild)

    def __bool__(self) -> bool:
        """Whether there are patterns."""
        return bool(self._exact or self._wild)

    def __contains__(self, name: str) -> bool:
        """Whether a pattern matches the name."""
        return name in self._exact or any(matches(pattern, name) for pattern in self._wild)


class PatternIndex:
    """Numbered patterns; finds the lowest number whose pattern matches a name.

    A pattern with `*` is kept under the last three letters of its longest literal part, and compared only with names
    that contain these letters. So a name is compared with few of many patterns.
    """

    __slots__ = ("_every", "_exact", "_lengths", "_wild")

    def __init__(self) -> None:
        self._every: int | None = None
        self._exact: dict[str, int] = {}
        self._wild: dict[str, dict[str, int]] = {}
        """Patterns and their numbers, by the letters under which they are kept."""
        self._lengths: set[int] = set()

    def add(self, pattern: str, number: int) -> None:
        """Add a pattern; of several equal ones the lowest number counts."""
        if not pattern.strip(EVERY):
            self._every = number if self._every is None else min(self._every, number)
            return
        where = self._exact if EVERY not in pattern else self._wild.setdefault(letters := _letters(pattern), {})
        where[pattern] = min(where.get(pattern, number), number)
        if EVERY in pattern:
            self._lengths.add(len(letters))

    def first(self, name: str) -> int | None:
        """The lowest number whose pattern matches; None if none does."""
        found = [number for number in (self._every, self._exact.get(name)) if number is not None]
        for length in self._lengths:
            for letters in {name[at : at + length] for at in range(len(name) - length + 1)}:
                patterns = self._wild.get(letters, {})
                found += [number for pattern, number in patterns.items() if matches(pattern, name)]
        return min(found, default=None)

    @property
    def every(self) -> int | None:
        """The lowest number of the pattern `*`, which matches every name; None if it was not added."""
        return self._every


def _letters(pattern: str) -> str:
    return max(pattern.split(EVERY), key=len)[-GRAM:]
