"""Bringing together what two writers did to one file at the same time, entry by entry (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from yamcp_ui_adapter.format.entry_positions import ABSENT, Content, entries_of, entry_hashes, with_entries

WINDOW = 1_000_000_000
"""Nanoseconds after a change of ours within which another's file that has the entry as before is taken for stale."""
LONGEST = 20
"""How often one change is put back: a program that insists wins."""


class Merged(NamedTuple):
    """Their document with our changes, and the entries that both changed: these are left as they have them."""

    content: Content
    conflicts: tuple[str, ...]


def merge(file: str, base: Content, ours: Content, theirs: Content) -> Merged:
    """What we made of `base`, done to what they made of it."""
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
    """What we changed of `base` and is in theirs as it was."""
    before, wanted, found = (entry_hashes(file, content) for content in (base, ours, theirs))
    mine = (name for name in {**before, **wanted} if before.get(name) != wanted.get(name))
    return tuple(name for name in mine if found.get(name) == before.get(name))


class _Mine(NamedTuple):
    """What an entry was before changes of ours, and when each was made (the file's time, in nanoseconds)."""

    past: tuple[tuple[int, str | None], ...]
    put_back: int = 0


class Recent:
    """What we changed within the last second, so that a stale copy which another program writes does not undo it."""

    def __init__(self) -> None:
        self._mine: dict[str, dict[str, _Mine]] = {}
        self._ours: dict[str, Content] = {}

    def note(self, file: str, before: Content, after: Content, at: int) -> None:
        """We replaced `before` by `after` at that time."""
        old, new = entry_hashes(file, before), entry_hashes(file, after)
        mine = {name: kept for name, kept in self._mine.get(file, {}).items() if at - kept.past[-1][0] <= WINDOW}
        for name in {**old, **new}:
            if old.get(name) != new.get(name):
                kept = mine.get(name, _Mine(()))
                mine[name] = kept._replace(past=(*kept.past, (at, old.get(name))))
        self._mine[file], self._ours[file] = mine, after

    def forget(self, file: str) -> None:
        """Whatever becomes of the file from now on is meant."""
        self._mine.pop(file, None)
        self._ours.pop(file, None)

    def watches(self, file: str) -> bool:
        """Whether anything of the file could be undone by a stale copy."""
        return bool(self._mine.get(file))

    def undone(self, file: str, found: Content, at: int) -> dict[str, Any]:
        """The entries that are as they were before a change of ours of the last second, as they should be.

        An entry that is neither as before nor as we made it was changed by somebody who meant it: theirs from now on.
        """
        ours = self._ours.get(file, {})
        entries, wanted, now = entries_of(file, ours), entry_hashes(file, ours), entry_hashes(file, found)
        result: dict[str, Any] = {}
        for name, mine in list(self._mine.get(file, {}).items()):
            if now.get(name) == wanted.get(name):
                continue
            stale = any(abs(at - when) <= WINDOW and now.get(name) == value for when, value in mine.past)
            if stale and mine.put_back < LONGEST:
                result[name] = entries.get(name, ABSENT)
            else:
                del self._mine[file][name]
        return result

    def restored(self, file: str, found: Content, undone: dict[str, Any]) -> Content:
        """Their document with what it undid put back where it was."""
        return with_entries(file, found, undone, list(entries_of(file, self._ours.get(file, {}))))

    def put_back(self, file: str, names: Iterable[str]) -> None:
        """These were put back once more."""
        for name in names:
            mine = self._mine[file][name]
            self._mine[file][name] = mine._replace(put_back=mine.put_back + 1)
