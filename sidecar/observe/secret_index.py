"""Finds thousands of known values in a text, in time that grows with the text alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

GRAM = 6
"""Characters that a value is looked up by; values with fewer are found as whole words only."""
ANCHORS = 64
"""Places in a value that are tried for one that no other value is looked up by."""
_WORD_STARTS = re.compile(r"(?<!\w)(?=\S)|(?<=\\[nrt])(?=\w)")


class SecretIndex:
    """Values by six consecutive characters of each: a text is cut at each of its positions, and looked up.

    Values that begin alike (`Bearer …`) are looked up by a later part of them, so that few are compared at any
    position. A value of fewer than six characters counts only where it stands alone, between characters that are
    not part of a word. Values are counted: one that was added twice is found until it was removed twice.
    """

    def __init__(self) -> None:
        self._count: Counter[str] = Counter()
        self._grams: dict[str, list[tuple[int, str]]] = {}
        self._anchors: dict[str, int] = {}
        self._short: set[str] = set()
        self._short_lengths: tuple[int, ...] = ()

    def add(self, values: Iterable[str]) -> None:
        """Find these too."""
        for value in values:
            self._count[value] += 1
            if self._count[value] == 1 and value:
                self._insert(value)

    def remove(self, values: Iterable[str]) -> None:
        """Forget these."""
        for value in values:
            self._count[value] -= 1
            if self._count[value] <= 0:
                del self._count[value]
                self._delete(value)

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Begin and end of each stretch of the text that values cover, in order; what overlaps or touches is one."""
        found = self._long_spans(text) if self._grams else []
        if self._short:
            found += self._short_spans(text)
        return _united(found)

    def _insert(self, value: str) -> None:
        if len(value) < GRAM:
            self._short.add(value)
            self._short_lengths = tuple({len(short) for short in self._short})
            return
        best, fewest = 0, -1
        for place in range(min(len(value) - GRAM + 1, ANCHORS)):
            load = len(self._grams.get(value[place : place + GRAM], ()))
            if fewest < 0 or load < fewest:
                best, fewest = place, load
            if not load:
                break
        self._anchors[value] = best
        self._grams.setdefault(value[best : best + GRAM], []).append((best, value))

    def _delete(self, value: str) -> None:
        if len(value) < GRAM:
            self._short.discard(value)
            self._short_lengths = tuple({len(short) for short in self._short})
            return
        place = self._anchors.pop(value)
        gram = value[place : place + GRAM]
        self._grams[gram].remove((place, value))
        if not self._grams[gram]:
            del self._grams[gram]

    def _long_spans(self, text: str) -> list[tuple[int, int]]:
        grams = self._grams
        places = [place for place in range(len(text) - GRAM + 1) if text[place : place + GRAM] in grams]
        return [
            (place - offset, place - offset + len(value))
            for place in places
            for offset, value in grams[text[place : place + GRAM]]
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
