"""Finds entries of the catalogue by words. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from yamcp_ui_adapter.activation.target import META, Json

_WORD = re.compile(r"\w+")
MAX_WORDS = 20
"""Words of a text that count."""
WEIGHTS = (("title", 4), ("name", 3), ("category", 2), ("description", 1))


def find(entries: Iterable[tuple[Json, str]], text: str) -> list[tuple[Json, str]]:
    """Return the entries (with their sources) that have every word of the text, best first; then those with some of
    them. All entries without words, in their order."""
    words = list(dict.fromkeys(_WORD.findall(text.lower())))[:MAX_WORDS]
    if not words:
        return list(entries)
    scored = [(_score(entry, words), entry, source) for entry, source in entries]
    scored.sort(key=lambda each: each[0], reverse=True)
    return [(entry, source) for (number, _), entry, source in scored if number]


def named(entries: Iterable[Json], name: str) -> list[Json]:
    """Return the entries of that name, in their order; if there are none and the name has no namespace, those whose
    names end in it: `time` finds `com.example/time`."""
    found = list(entries)
    exact = [entry for entry in found if entry.get("name") == name]
    if exact or "/" in name:
        return exact
    return [entry for entry in found if str(entry.get("name", "")).rpartition("/")[2] == name]


def _score(entry: Json, words: Sequence[str]) -> tuple[int, int]:
    """How many of the words an entry has, and how well they fit: where each begins a word, or is one."""
    number = total = 0
    fields = [(set(_WORD.findall(_text(entry, field).lower().replace("_", " "))), weight) for field, weight in WEIGHTS]
    for word in words:
        best = max(weight * _fit(word, there) for there, weight in fields)
        number += best > 0
        total += best
    return number, total


def _fit(word: str, there: Collection[str]) -> int:
    """2 if a word is there, 1 if it begins one, else 0."""
    return 2 if word in there else int(any(each.startswith(word) for each in there))


def _text(entry: Json, field: str) -> str:
    if field != "category":
        return str(entry.get(field, ""))
    meta = entry.get("_meta")
    ours = meta.get(META) if isinstance(meta, dict) else None
    return str(ours.get("category", "")) if isinstance(ours, dict) else ""
