"""What is installed follows providers.json, in which people and YAMCP-UI rename, copy and delete servers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from yamcp_ui_adapter.activation.install.folders import Record, Version

KEPT_SECONDS = 86_400.0
"""How long a deleted server stays installed: an undo, or a restored backup, finds it as it was."""

Entries = Mapping[str, Any]


def runs(entry: Any, version: Version) -> bool:
    """Whether an entry of providers.json runs what was installed as a version."""
    if not version.program:
        return bool(entry == version.entry)
    return _line(entry)[: len(version.program)] == [*version.program]


def settled(records: Mapping[str, Record], entries: Entries, now: float) -> dict[str, Record]:
    """Return the records under the keys that their servers have now; those without an entry are `unused`."""
    found: dict[str, Record] = {}
    for key, record in records.items():
        if record.pending or key in entries:
            found[key] = record if record.unused is None else record.model_copy(update={"unused": None})
    for key, record in records.items():
        if key in found:
            continue
        heir = next((other for other in entries if other not in records and _same(entries[other], record)), None)
        if heir is not None and heir not in found:
            found[heir] = record.model_copy(update={"unused": None})
        else:
            found[key] = record if record.unused is not None else record.model_copy(update={"unused": now})
    return found


def expired(records: Mapping[str, Record], now: float) -> list[str]:
    """The keys of the servers that were deleted long enough ago."""
    return [
        key
        for key, record in records.items()
        if record.unused is not None and not 0 <= now - record.unused < KEPT_SECONDS
    ]


def folders_of(*records: Record | None) -> set[str]:
    """The folders of their versions, below the data directory."""
    versions = (each for record in records if record for each in (record.now, record.previous))
    return {each.folder for each in versions if each and each.folder}


def free(folders: Iterable[str], data_dir: Path, entries: Entries) -> set[str]:
    """Those of the folders from which no entry runs anything: a copy of an entry runs what its original does."""
    lines = [Path(text) for entry in entries.values() for text in _line(entry) if text.startswith("/")]
    return {each for each in folders if not any(line.is_relative_to(data_dir / each) for line in lines)}


def _same(entry: Any, record: Record) -> bool:
    """Whether an entry is that of a record under another key, or a copy of it."""
    if record.now.folder:
        return runs(entry, record.now)
    names = ("type", "providerParameters")
    return isinstance(entry, dict) and [entry.get(name) for name in names] == [
        record.now.entry.get(name) for name in names
    ]


def _line(entry: Any) -> list[str]:
    parameters = entry.get("providerParameters") if isinstance(entry, dict) else None
    if not isinstance(parameters, dict):
        return []
    given = parameters.get("args")
    return [str(text) for text in (parameters.get("command"), *(given if isinstance(given, list) else ()))]
