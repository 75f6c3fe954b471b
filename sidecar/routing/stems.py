"""Words of a text, and their stems: `listing`, `lists` and `listed` become `list`. Pure.

The stems are those of M. F. Porter, "An algorithm for suffix stripping", Program 14 (1980) 3, which fit English.
Words with characters outside a-z stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise

MAX_WORD = 40
"""Letters of a word that count; longer ones are data, such as keys and Base64."""
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
_STEP_2 = {
    "ational": "ate", "tional": "tion", "enci": "ence", "anci": "ance", "izer": "ize", "abli": "able", "alli": "al",
    "entli": "ent", "eli": "e", "ousli": "ous", "ization": "ize", "ation": "ate", "ator": "ate", "alism": "al",
    "iveness": "ive", "fulness": "ful", "ousness": "ous", "aliti": "al", "iviti": "ive", "biliti": "ble",
}  # fmt: skip
_STEP_3 = {"icate": "ic", "ative": "", "alize": "al", "iciti": "ic", "ical": "ic", "ful": "", "ness": ""}
_STEP_4 = (
    "ement", "ance", "ence", "able", "ible", "ment", "ant", "ent", "ism", "ate", "iti", "ous", "ive", "ize", "ion",
    "al", "er", "ic", "ou",
)  # fmt: skip


def words(text: str) -> Iterator[str]:
    """The words of a text in lower case; `camelCase`, `snake_case` and `v2` are two words each."""
    for match in _WORD.finditer(text):
        yield match[0][:MAX_WORD].lower()


def stems(text: str) -> Iterator[str]:
    """The stems of the words of a text."""
    return map(stem, words(text))


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """The stem of a word in lower case."""
    if len(word) <= 2 or not (word.isascii() and word.isalpha()):
        return word
    word = _past_and_progressive(_plural(word))
    if word.endswith("y") and _has_vowel(word[:-1]):
        word = word[:-1] + "i"
    word = _replaced(_replaced(word, _STEP_2), _STEP_3)
    return _end(_without_ending(word))


def _plural(word: str) -> str:
    if word.endswith(("sses", "ies")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def _past_and_progressive(word: str) -> str:
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) else word
    for ending in ("ed", "ing"):
        base = word.removesuffix(ending)
        if base != word and _has_vowel(base):
            break
    else:
        return word
    if base.endswith(("at", "bl", "iz")):
        return base + "e"
    if _doubled(base) and base[-1] not in "lsz":
        return base[:-1]
    return base + "e" if _measure(base) == 1 and _short_end(base) else base


def _replaced(word: str, endings: dict[str, str]) -> str:
    """The word with the longest of the endings replaced, if enough of it is left."""
    for length in range(min(7, len(word) - 1), 1, -1):
        new = endings.get(word[-length:])
        if new is not None:
            base = word[:-length]
            return base + new if _measure(base) else word
    return word


def _without_ending(word: str) -> str:
    for ending in _STEP_4:
        if word.endswith(ending):
            base = word[: -len(ending)]
            removable = _measure(base) > 1 and (ending != "ion" or base.endswith(("s", "t")))
            return base if removable else word
    return word


def _end(word: str) -> str:
    if word.endswith("e"):
        base = word[:-1]
        measure = _measure(base)
        if measure > 1 or (measure == 1 and not _short_end(base)):
            word = base
    return word[:-1] if word.endswith("ll") and _measure(word) > 1 else word


def _consonant(word: str, index: int) -> bool:
    letter = word[index]
    if letter in "aeiou":
        return False
    return letter != "y" or index == 0 or not _consonant(word, index - 1)


def _measure(word: str) -> int:
    """How many times a vowel is followed by a consonant."""
    kinds = [_consonant(word, index) for index in range(len(word))]
    return sum(after and not before for before, after in pairwise(kinds))


def _has_vowel(word: str) -> bool:
    return not all(_consonant(word, index) for index in range(len(word)))


def _doubled(word: str) -> bool:
    return len(word) > 1 and word[-1] == word[-2] and _consonant(word, len(word) - 1)


def _short_end(word: str) -> bool:
    """Whether it ends in consonant, vowel, consonant, the last of which is not w, x or y."""
    if len(word) < 3 or word[-1] in "wxy":
        return False
    end = len(word)
    return _consonant(word, end - 3) and not _consonant(word, end - 2) and _consonant(word, end - 1)
