"""Finds the entries of a file wherever they stand, and changes them in place. Pure.

`providers.json` may hold entries at the top level, inside `mcpServers`, or both; for a name in both places, the top
level takes precedence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Final

from yamcp_ui_adapter.format.entries import PROVIDERS
from yamcp_ui_adapter.format.jsontext import entry_hash
from yamcp_ui_adapter.format.providers import FIELDS, WRAPPER, wrapped_entries


class _Absent(Enum):
    ABSENT = 0


ABSENT: Final = _Absent.ABSENT
"""In place of an entry: the entry is to be removed."""

Content = dict[str, Any]


def entries_of(file: str, content: Content) -> dict[str, Any]:
    """Return every entry of a file by its name, from the top level and from the wrapper."""
    inner = _wrapped_entries(file, content)
    if inner is None:
        return content
    outer = {name: entry for name, entry in content.items() if name != WRAPPER}
    return {**{name: entry for name, entry in inner.items() if name not in outer}, **outer}


def entry_hashes(file: str, content: Content) -> dict[str, str]:
    """Return the hash of every entry, by name."""
    return {name: entry_hash(entry) for name, entry in entries_of(file, content).items()}


def with_entries(file: str, content: Content, changes: Mapping[str, Any], order: Sequence[str] = ()) -> Content:
    """Return the document with entries changed in place, or removed (`ABSENT`).

    A new entry is inserted after the entry that it follows in `order`, otherwise at the end. It goes where the other
    entries are, or to the position of the entry that it replaces.
    """
    inner = _wrapped_entries(file, content)
    if inner is None:
        return _with_changes(content, changes, [name for name in changes if name not in content], order)
    outer = {name: entry for name, entry in content.items() if name != WRAPPER}
    new = [name for name in changes if name not in outer and name not in inner]
    gone = [name for name, value in changes.items() if value is ABSENT and name in {**inner, **outer}]
    within = not outer or (bool(gone) and not any(name in outer for name in gone))
    inside = [name for name in new if name == WRAPPER or (within and name not in FIELDS)]
    inner = _with_changes(
        inner, {name: value for name, value in changes.items() if _changes_wrapper(name, value, outer)}, inside, order
    )
    here = {name: value for name, value in changes.items() if name != WRAPPER}
    result = _with_changes(content, here, [name for name in new if name not in inside], order)
    return {**result, WRAPPER: inner}


def _wrapped_entries(file: str, content: Content) -> Content | None:
    return wrapped_entries(content) if file == PROVIDERS else None


def _changes_wrapper(name: str, value: Any, outer: Content) -> bool:
    """Return whether a change applies to the wrapper: an entry in both places is changed at the top level, where it
    takes precedence, but removed from both.
    """
    return value is ABSENT or name not in outer


def _with_changes(entries: Content, changes: Mapping[str, Any], new: Sequence[str], order: Sequence[str]) -> Content:
    names = list(entries)
    for name in sorted(new, key=lambda name: order.index(name) if name in order else len(order)):
        names.insert(_insert_position(names, name, order), name)
    result = {name: changes.get(name, entries.get(name)) for name in names}
    return {name: value for name, value in result.items() if value is not ABSENT}


def _insert_position(names: list[str], name: str, order: Sequence[str]) -> int:
    if name not in order:
        return len(names)
    before = [other for other in order[: order.index(name)] if other in names]
    return names.index(before[-1]) + 1 if before else 0
