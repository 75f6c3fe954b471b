"""Multi-pattern search: finds thousands of known values in a text, in time that depends on the text's length only."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

GRAM_LENGTH = 6
"""Characters of the substring (n-gram) by which a value is indexed; shorter values are found as whole words only."""
MAX_OFFSETS = 64
"""Positions in a value that are tried to find a gram by which no other value is indexed."""
_WORD_STARTS = re.compile(r"(?<!\w)(?=\S)|(?<=\\[nrt])(?=\w)")


class SecretIndex:
    """An index of values by one gram (six consecutive characters) of each; a search looks up every gram of the text.

    Values with a common prefix (`Bearer …`) are indexed by a later gram, so that few values have to be compared at any
    position. Values of fewer than six characters match only as whole words. Values are reference-counted: one that was
    added twice is found until it has been removed twice.
    """

    def __init__(self) -> None:
        self._count: Counter[str] = Counter()
        self._grams: dict[str, list[tuple[int, str]]] = {}
        self._anchors: dict[str, int] = {}
        self._short: set[str] = set()
        self._short_lengths: tuple[int, ...] = ()

    def add(self, values: Iterable[str]) -> None:
        """Add values to the index."""
        for value in values:
            self._count[value] += 1
            if self._count[value] == 1 and value:
                self._insert(value)

    def remove(self, values: Iterable[str]) -> None:
        """Remove values; each must have been added before."""
        for value in values:
            self._count[value] -= 1
            if self._count[value] <= 0:
                del self._count[value]
                self._delete(value)

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Begin and end of each part of the text that values cover, in order; touching parts are merged."""
        found = self._long_spans(text) if self._grams else []
        if self._short:
            found += self._short_spans(text)
        return _united(found)

    def _insert(self, value: str) -> None:
        if len(value) < GRAM_LENGTH:
            self._short.add(value)
            self._short_lengths = tuple({len(short) for short in self._short})
            return
        best, fewest = 0, -1
        for place in range(min(len(value) - GRAM_LENGTH + 1, MAX_OFFSETS)):
            load = len(self._grams.get(value[place : place + GRAM_LENGTH], ()))
            if fewest < 0 or load < fewest:
                best, fewest = place, load
            if not load:
                break
        self._anchors[value] = best
        self._grams.setdefault(value[best : best + GRAM_LENGTH], []).append((best, value))

    def _delete(self, value: str) -> None:
        if len(value) < GRAM_LENGTH:
            self._short.discard(value)
            self._short_lengths = tuple({len(short) for short in self._short})
            return
        place = self._anchors.pop(value)
        gram = value[place : place + GRAM_LENGTH]
        self._grams[gram].remove((place, value))
        if not self._grams[gram]:
            del self._grams[gram]

    def _long_spans(self, text: str) -> list[tuple[int, int]]:
        grams = self._grams
        places = [place for place in range(len(text) - GRAM_LENGTH + 1) if text[place : place + GRAM_LENGTH] in grams]
        return [
            (place - offset, place - offset + len(value))
            for place in places
            for offset, value in grams[text[place : place + GRAM_LENGTH]]
            if offset <= place and text.startswith(value, place - offset)
        ]

    def _short_spans(self, text: str) -> list[tuple[int, int]]:
        found = []
        for match in _WORD_STARTS.finditer(text):
            for length in self._short_lengths:
                end = match.start() + length
                if text[match.start() : end] in self._short and not _in_word(text[end : end + 1]):
                    found.append((match.start(), end))
        return found


def _in_word(char: str) -> bool:
    return char.isalnum() or char == "_"


def _united(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    united: list[tuple[int, int]] = []
    for begin, end in sorted(spans):
        if united and begin <= united[-1][1]:
            united[-1] = united[-1][0], max(end, united[-1][1])
        else:
            united.append((begin, end))
    return united
