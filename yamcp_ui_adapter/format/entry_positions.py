"""Where entries stand in a file, and changing them where they stand (pure).

`providers.json` may hold its entries at the top level, inside `mcpServers`, or both; the top level counts then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Final

from yamcp_ui_adapter.format.entries import PROVIDERS
from yamcp_ui_adapter.format.jsontext import entry_hash
from yamcp_ui_adapter.format.providers import FIELDS, WRAPPER, wrapped


class _Absent(Enum):
    ABSENT = 0


ABSENT: Final = _Absent.ABSENT
"""In the place of an entry: there is to be none."""

Content = dict[str, Any]


def entries_of(file: str, content: Content) -> dict[str, Any]:
    """Every entry of a file by its name, wherever it stands."""
    inner = _inner(file, content)
    if inner is None:
        return content
    outer = {name: entry for name, entry in content.items() if name != WRAPPER}
    return {**{name: entry for name, entry in inner.items() if name not in outer}, **outer}


def hashes(file: str, content: Content) -> dict[str, str]:
    """The hash of every entry."""
    return {name: entry_hash(entry) for name, entry in entries_of(file, content).items()}


def with_entries(file: str, content: Content, changes: Mapping[str, Any], order: Sequence[str] = ()) -> Content:
    """The document with entries changed where they stand, or removed (ABSENT).

    A new one comes after the one that it follows in `order`, else at the end; it goes where the others are, or what it
    takes the place of.
    """
    inner = _inner(file, content)
    if inner is None:
        return _changed(content, changes, [name for name in changes if name not in content], order)
    outer = {name: entry for name, entry in content.items() if name != WRAPPER}
    new = [name for name in changes if name not in outer and name not in inner]
    gone = [name for name, value in changes.items() if value is ABSENT and name in {**inner, **outer}]
    within = not outer or (bool(gone) and not any(name in outer for name in gone))
    inside = [name for name in new if name == WRAPPER or (within and name not in FIELDS)]
    inner = _changed(
        inner, {name: value for name, value in changes.items() if _concerns_inner(name, value, outer)}, inside, order
    )
    here = {name: value for name, value in changes.items() if name != WRAPPER}
    result = _changed(content, here, [name for name in new if name not in inside], order)
    return {**result, WRAPPER: inner}


def _inner(file: str, content: Content) -> Content | None:
    return wrapped(content) if file == PROVIDERS else None


def _concerns_inner(name: str, value: Any, outer: Content) -> bool:
    """What stands in both places is changed outside, where it counts, and removed in both."""
    return value is ABSENT or name not in outer


def _changed(entries: Content, changes: Mapping[str, Any], new: Sequence[str], order: Sequence[str]) -> Content:
    names = list(entries)
    for name in sorted(new, key=lambda name: order.index(name) if name in order else len(order)):
        names.insert(_place(names, name, order), name)
    result = {name: changes.get(name, entries.get(name)) for name in names}
    return {name: value for name, value in result.items() if value is not ABSENT}


def _place(names: list[str], name: str, order: Sequence[str]) -> int:
    if name not in order:
        return len(names)
    before = [other for other in order[: order.index(name)] if other in names]
    return names.index(before[-1]) + 1 if before else 0
