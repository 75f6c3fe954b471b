"""Three-way merge of a file that two programs changed at the same time, by entry. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from yamcp_ui_adapter.format.entry_positions import ABSENT, Content, entries_of, entry_hashes, with_entries

STALE_WINDOW_NS = 1_000_000_000
"""Nanoseconds after a change within which a file with the entry's earlier version counts as a stale copy."""
MAX_PUT_BACKS = 20
"""How often one change is restored; after that, the other program's version is kept."""


class Merged(NamedTuple):
    """The other program's document with the hub's changes, and the entries that both changed; of these, the other
    program's version is kept.
    """

    content: Content
    conflicts: tuple[str, ...]


def merge(file: str, base: Content, ours: Content, theirs: Content) -> Merged:
    """Apply the changes from `base` to `ours` to the document `theirs`."""
    before, wanted, found = (entry_hashes(file, content) for content in (base, ours, theirs))
    mine = [name for name in {**before, **wanted} if before.get(name) != wanted.get(name)]
    conflicts = [name for name in mine if found.get(name) not in (before.get(name), wanted.get(name))]
    entries = entries_of(file, ours)
    changes = {
        name: entries.get(name, ABSENT)
        for name in mine
        if name not in conflicts and found.get(name) != wanted.get(name)
    }
    return Merged(with_entries(file, theirs, changes, list(entries)), tuple(conflicts))


def undone(file: str, base: Content, ours: Content, theirs: Content) -> tuple[str, ...]:
    """Return the entries that the hub changed, and that have their version of `base` in `theirs`."""
    before, wanted, found = (entry_hashes(file, content) for content in (base, ours, theirs))
    mine = (name for name in {**before, **wanted} if before.get(name) != wanted.get(name))
    return tuple(name for name in mine if found.get(name) == before.get(name))


class _OwnChange(NamedTuple):
    """The earlier versions of an entry that the hub changed, each with the time of the change (the file's, in
    nanoseconds).
    """

    past: tuple[tuple[int, str | None], ...]
    put_back: int = 0


class Recent:
    """The hub's changes of the last second. If another program then writes a stale copy of the file, which undoes a
    change, the change is made again.
    """

    def __init__(self) -> None:
        self._changes: dict[str, dict[str, _OwnChange]] = {}
        self._ours: dict[str, Content] = {}

    def note(self, file: str, before: Content, after: Content, at: int) -> None:
        """Record that the hub replaced `before` by `after` at that time."""
        old, new = entry_hashes(file, before), entry_hashes(file, after)
        mine = {
            name: kept for name, kept in self._changes.get(file, {}).items() if at - kept.past[-1][0] <= STALE_WINDOW_NS
        }
        for name in {**old, **new}:
            if old.get(name) != new.get(name):
                kept = mine.get(name, _OwnChange(()))
                mine[name] = kept._replace(past=(*kept.past, (at, old.get(name))))
        self._changes[file], self._ours[file] = mine, after

    def forget(self, file: str) -> None:
        """Forget the changes of a file; later changes by other programs are intended."""
        self._changes.pop(file, None)
        self._ours.pop(file, None)

    def watches(self, file: str) -> bool:
        """Return whether a stale copy could still undo a change of the file."""
        return bool(self._changes.get(file))

    def undone(self, file: str, found: Content, at: int) -> dict[str, Any]:
        """Return the entries that are as they were before a change of the last second, with the values they should
        have.

        An entry with a third value was changed intentionally by another program; the hub's change of it is forgotten.
        """
        ours = self._ours.get(file, {})
        entries, wanted, now = entries_of(file, ours), entry_hashes(file, ours), entry_hashes(file, found)
        result: dict[str, Any] = {}
        for name, mine in list(self._changes.get(file, {}).items()):
            if now.get(name) == wanted.get(name):
                continue
            stale = any(abs(at - when) <= STALE_WINDOW_NS and now.get(name) == value for when, value in mine.past)
            if stale and mine.put_back < MAX_PUT_BACKS:
                result[name] = entries.get(name, ABSENT)
            else:
                del self._changes[file][name]
        return result

    def restored(self, file: str, found: Content, undone: dict[str, Any]) -> Content:
        """Return the document with the undone entries restored at their positions."""
        return with_entries(file, found, undone, list(entries_of(file, self._ours.get(file, {}))))

    def put_back(self, file: str, names: Iterable[str]) -> None:
        """Count that these entries were restored once more."""
        for name in names:
            mine = self._changes[file][name]
            self._changes[file][name] = mine._replace(put_back=mine.put_back + 1)
