"""Finds entries of the catalogue for agents, by words. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bridge.models.approvals import (
    RegistryEntry,
)
from yamcp_ui_adapter.activation.errors import EntryUnsupported
from yamcp_ui_adapter.activation.plan import described
from yamcp_ui_adapter.activation.target import Json

_WORD = re.compile(r"\w+")
WEIGHTS = (("name", 4), ("title", 3), ("description", 1))


def find(entries: Iterable[Json], text: str) -> list[Json]:
    """Return the newest version of each entry that has a word of the text, best first; all of them without words."""
    newest = {str(each.get("name", "")): each for each in entries}
    words = set(_WORD.findall(text.lower()))
    scored = [(_score(each, words), each) for each in newest.values()]
    return [each for score, each in sorted(scored, key=lambda one: -one[0]) if score or not words]


def shown(entry: Json, source: str, *, local: bool) -> RegistryEntry | None:
    """Return an entry as agents see it; None if the hub cannot activate it."""
    try:
        about = described(entry, local=local)
    except EntryUnsupported:
        return None
    return RegistryEntry(
        name=str(entry.get("name", "")),
        version=str(entry.get("version", "")),
        title=str(entry.get("title", "")),
        description=str(entry.get("description", "")),
        source=source,
        inputs=tuple(each for each in about.inputs if each.fixed is None),
    )


def _score(entry: Json, words: set[str]) -> int:
    """How well an entry fits: each word counts once in each field, wherever it begins a word there."""
    score = 0
    for field, weight in WEIGHTS:
        there = _WORD.findall(str(entry.get(field, "")).lower().replace("_", " "))
        score += weight * sum(any(one.startswith(word) for one in there) for word in words)
    return score
