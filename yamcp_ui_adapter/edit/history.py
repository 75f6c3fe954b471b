"""The last changes that the hub made, by entry, so that they can be undone. Pure."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from bridge.models import LastChange
from yamcp_ui_adapter.edit.edits import ROLES, Contents, Files
from yamcp_ui_adapter.errors import EditConflict
from yamcp_ui_adapter.format.entries import PROVIDERS, WORKSPACES
from yamcp_ui_adapter.format.entry_positions import ABSENT, Content, entries_of, with_entries
from yamcp_ui_adapter.format.jsontext import same_content

MOST_CHANGES = 20
SECTIONS = {"servers": "settings of server", "workspaces": "settings of workspace"}
NOUNS = {PROVIDERS: "server", WORKSPACES: "workspace"}
MAX_LISTED_NAMES = 3
"""Number of names that a summary lists."""


class Entry(NamedTuple):
    """One entry before and after a change. Each section of hub.json is treated as a file."""

    file: str
    name: str
    before: Any
    after: Any

    @property
    def verb(self) -> str:
        """What the change did to the entry, for the summary."""
        return "added" if self.before is ABSENT else "removed" if self.after is ABSENT else "changed"


class Change(NamedTuple):
    """The entries that one request changed."""

    id: str
    at: float
    entries: tuple[Entry, ...]
    order: Mapping[str, list[str]]
    """The names in each of YAMCP's files before the change, in order."""
    renamed: Mapping[str, str]
    """Workspaces that the change renamed, old name to new."""

    @property
    def shown(self) -> LastChange:
        """The change as it is sent over the bridge."""
        return LastChange(id=self.id, at=self.at, summary=_summary(self.entries))


class History:
    """The newest changes that were not undone. They are kept in memory only, because entries may hold secrets."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._made = 0
        self._changes: deque[Change] = deque(maxlen=MOST_CHANGES)

    @property
    def last(self) -> Change | None:
        """The change that can be undone now."""
        return self._changes[-1] if self._changes else None

    @property
    def shown(self) -> dict[str, Any]:
        """The fields of `Desired` about changes that can be undone."""
        last = self.last.shown if self.last else None
        return {"last_change": last, "undoable": tuple(change.id for change in self._changes)}

    def find(self, change: str) -> Change | None:
        """Return the change with that id; None if it is not remembered."""
        return next((each for each in self._changes if each.id == change), None)

    def record(
        self,
        written: Mapping[str, tuple[Content, Content]],
        hub: tuple[Content, Content] | None,
        renamed: Mapping[str, str] | None = None,
    ) -> Change | None:
        """Record that a request changed these files (each before and after), and hub.json. Return the change; None if
        nothing changed.
        """
        entries = [entry for file, (old, new) in sorted(written.items()) for entry in _entries(file, old, new)]
        if hub is not None:
            for name in SECTIONS:
                entries += _differing(name, *(_section(content, name) for content in hub))
        if not entries:
            return None
        self._made += 1
        order = {file: list(entries_of(file, before)) for file, (before, _) in written.items()}
        made = round(self._clock(), 3)
        change = Change(f"{made}-{self._made}", made, tuple(entries), order, renamed or {})
        self._changes.append(change)
        return change

    def forget(self, change: Change) -> None:
        """Remove a change that was undone."""
        self._changes.remove(change)


def undo_files(files: Files, change: Change) -> Contents:
    """Return YAMCP's files with the entries as they were before a change.

    Raises:
        EditConflict: one of the entries was changed since.
        ConfigFileBroken: a file cannot be parsed.
    """
    contents: Contents = {}
    for file in (PROVIDERS, WORKSPACES):
        touched = [entry for entry in change.entries if entry.file == file]
        if touched:
            there = entries_of(file, files[file].content)
            _check(touched, there, ROLES[file])
            before = {entry.name: entry.before for entry in touched}
            contents[file] = with_entries(file, files[file].content, before, change.order[file])
    return contents


def undo_settings(content: Content, change: Change) -> Content:
    """Return hub.json with the settings as they were before a change. Raises EditConflict."""
    result = dict(content)
    for section in SECTIONS:
        touched = [entry for entry in change.entries if entry.file == section]
        if touched:
            there = _section(content, section)
            _check(touched, there, "hub")
            changed = {**there, **{entry.name: entry.before for entry in touched}}
            result[section] = {name: value for name, value in changed.items() if value is not ABSENT}
    return result


def changes_settings(change: Change) -> bool:
    """Return whether the change affects hub.json."""
    return any(entry.file in SECTIONS for entry in change.entries)


def _check(touched: list[Entry], there: Content, role: str) -> None:
    for entry in touched:
        now = there.get(entry.name, ABSENT)
        if now is entry.after or (now is not ABSENT and entry.after is not ABSENT and same_content(now, entry.after)):
            continue
        message = f"{entry.name!r} was changed since, so that change cannot be undone; nothing was written."
        raise EditConflict(message, data={"file": role, "key": entry.name})


def _entries(file: str, before: Content, after: Content) -> Iterator[Entry]:
    return _differing(file, entries_of(file, before), entries_of(file, after))


def _differing(file: str, before: Content, after: Content) -> Iterator[Entry]:
    for name in {**before, **after}:
        old, new = before.get(name, ABSENT), after.get(name, ABSENT)
        if ABSENT in (old, new) or not same_content(old, new):
            yield Entry(file, name, old, new)


def _section(content: Content, name: str) -> Content:
    value = content.get(name)
    return value if isinstance(value, dict) else {}


def _summary(entries: tuple[Entry, ...]) -> str:
    """Return a summary in words: `server 'a' removed; workspace 'w' changed`. Settings are named only if nothing else
    changed.
    """
    files = [entry for entry in entries if entry.file in NOUNS]
    groups: dict[tuple[str, str], list[str]] = {}
    for entry in files or entries:
        noun = NOUNS.get(entry.file) or SECTIONS[entry.file]
        groups.setdefault((noun, entry.verb if files else "changed"), []).append(entry.name)
    return "; ".join(_group(noun, verb, names) for (noun, verb), names in groups.items())


def _group(noun: str, verb: str, names: list[str]) -> str:
    if len(names) > MAX_LISTED_NAMES:
        many = noun.replace("settings of ", "")
        return f"{len(names)} {many}s: settings {verb}" if noun in SECTIONS.values() else f"{len(names)} {noun}s {verb}"
    return f"{noun}{'s' if len(names) > 1 else ''} {', '.join(map(repr, names))} {verb}"
