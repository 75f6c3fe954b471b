"""Search for tools by words: an index over the tools of a view, ranked by BM25F. Pure.

BM25F (Robertson, Zaragoza, Taylor, "Simple BM25 extension to multiple weighted fields", CIKM 2004) counts a word by
the field in which it stands. The share of each word in the score of each tool is computed once, with the index, so that
a search only adds numbers. docs/tool-search.md has what was measured.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sidecar.protocol.catalog import Item
from sidecar.routing.stems import stem, stems, words

MAX_QUERY = 1000
"""Characters of a query that are read."""
MAX_RESULTS = 20
MAX_TEXT = 4000
"""Characters of a description, and of all descriptions of a tool's parameters, that are read."""
MAX_PARAMETERS = 200
"""Parameters of a tool that are read, nested ones included."""
MAX_DEPTH = 4
SATURATION = 1.2
"""BM25's k1: how soon further occurrences of a word stop to count."""
WEIGHTS = {"name": 5.0, "title": 2.0, "server": 2.0, "description": 1.0, "parameters": 0.5, "details": 0.3}
NORMALISED = {"name": 0.3, "title": 0.3, "server": 0.0, "description": 0.7, "parameters": 0.7, "details": 0.7}
"""BM25's b of each field: how much a word counts less in a longer one."""
_UNSAID = """
a about all also am an and any are as at be been but by can could did do does done for from give had has have
how i if in into is it its just let like lot make many me mine must my need new no not now of on one or other
our out over please should show so some somebody such tell than that the their them then there these they this
to up us use used using very want was we were what when where whether which while who whom whose why will with
would you your
"""
UNSAID = frozenset(_UNSAID.split())
"""Words of queries that say nothing about a tool; they count if a query has no others."""

Field = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """A tool: its item as it is exposed, its server, and the name there."""

    item: Item
    server: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Found:
    """A tool that was found; a higher score fits better."""

    entry: Entry
    score: float


class ToolIndex:
    """An index over tools. It does not change."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = tuple(entries)
        self._shares: Mapping[str, tuple[tuple[int, float], ...]] = _shares([_counts(each) for each in self.entries])
        """By stem, the tools that have it, each with its share in the score."""

    def find(self, text: str, limit: int = 8, server: str | None = None) -> list[Found]:
        """The tools that fit best, best first; `server` restricts them to one server's, by key or namespace."""
        scores: dict[int, float] = defaultdict(float)
        for word in _query(text):
            for number, share in self._shares.get(word, ()):
                scores[number] += share
        entries = self.entries
        if server is not None:
            scores = {
                number: score
                for number, score in scores.items()
                if server in (entries[number].server, entries[number].namespace)
            }
        best = sorted(scores.items(), key=lambda each: (-each[1], each[0]))[: max(0, min(limit, MAX_RESULTS))]
        return [Found(entries[number], score) for number, score in best]


def _query(text: str) -> set[str]:
    found = set(words(text[:MAX_QUERY]))
    return {stem(word) for word in (found - UNSAID or found)}


def _counts(entry: Entry) -> dict[str, Counter[str]]:
    """The stems of each field of a tool, with how often they stand there."""
    item = entry.item
    schema = item.get("inputSchema")
    parameters = list(_parameters(schema, 0))[:MAX_PARAMETERS] if isinstance(schema, dict) else []
    annotations = item.get("annotations")
    title = item.get("title") or (annotations.get("title") if isinstance(annotations, dict) else "")
    details = " ".join(text for _, text in parameters)
    texts = {
        "name": entry.name,
        "title": _text(title),
        "server": entry.namespace,
        "description": _text(item.get("description"))[:MAX_TEXT],
        "parameters": " ".join(name for name, _ in parameters),
        "details": details[:MAX_TEXT],
    }
    return {field: Counter(stems(text)) for field, text in texts.items()}


def _parameters(schema: Mapping[str, Any], depth: int) -> Iterator[tuple[str, str]]:
    """The names and descriptions of the parameters, with those within objects and arrays."""
    properties = schema.get("properties")
    for name, value in properties.items() if isinstance(properties, dict) else ():
        if not isinstance(value, dict):
            continue
        yield name, _text(value.get("description"))
        if depth < MAX_DEPTH:
            yield from _parameters(value, depth + 1)
            if isinstance(items := value.get("items"), dict):
                yield from _parameters(items, depth + 1)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _shares(counts: list[dict[str, Counter[str]]]) -> dict[str, tuple[tuple[int, float], ...]]:
    """By stem, the tools that have it with its share in the score of each."""
    number = len(counts) or 1
    average = {field: sum(each[field].total() for each in counts) / number or 1.0 for field in WEIGHTS}
    weighted: defaultdict[str, dict[int, float]] = defaultdict(dict)
    for index, fields in enumerate(counts):
        for field, found in fields.items():
            share = NORMALISED[field]
            weight = WEIGHTS[field] / (1 - share + share * found.total() / average[field])
            for word, count in found.items():
                tools = weighted[word]
                tools[index] = tools.get(index, 0.0) + weight * count
    return {
        word: tuple((index, _rarity(len(tools), number) * sum_ / (SATURATION + sum_)) for index, sum_ in tools.items())
        for word, tools in weighted.items()
    }


def _rarity(tools: int, number: int) -> float:
    """The weight of a word that this many of the tools have (BM25's idf)."""
    return math.log(1 + (number - tools + 0.5) / (tools + 0.5))
