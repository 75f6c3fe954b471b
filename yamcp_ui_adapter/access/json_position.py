"""Finds where a value stands in a JSON text. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\r\n]*+")


def line_of(text: str, path: Sequence[str | int]) -> int:
    """Return the line (from 1) on which the value at a path begins, or the innermost value on the path that exists.

    `text` must be valid JSON. Of a name that an object has twice, the last one counts.
    """
    at = _skip(text, 0)
    for step in path:
        found = [start for key, start in _children(text, at) if key == step]
        if not found:
            break
        at = found[-1]
    return text.count("\n", 0, at) + 1


def _skip(text: str, at: int) -> int:
    return _SPACE.match(text, at).end()  # type: ignore[union-attr]  # it matches nothing, too


def _children(text: str, at: int) -> Iterator[tuple[str | int, int]]:
    """The name or index, and the position, of each value in the object or list that begins at a position."""
    if text[at] not in "{[":
        return
    is_object, number, at = text[at] == "{", 0, _skip(text, at + 1)
    while text[at] not in "}]":
        key: str | int = number
        if is_object:
            key, at = _DECODER.raw_decode(text, at)
            at = _skip(text, _skip(text, at) + 1)
        yield key, at
        _, at = _DECODER.raw_decode(text, at)
        at, number = _skip(text, at), number + 1
        at = _skip(text, at + 1) if text[at] == "," else at
