"""The documents of a shared configuration, and which version of each counts. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from bridge.settings.variables import VARIABLES_FILE
from yamcp_ui_adapter.edit.merge import merge
from yamcp_ui_adapter.format.entries import ACCESS, HUB, PROVIDERS, WORKSPACES
from yamcp_ui_adapter.format.jsontext import stringify

KEYS = "keys.json"
NAMES = (PROVIDERS, WORKSPACES, HUB, ACCESS, KEYS, VARIABLES_FILE)
"""The documents, by the names of their files."""
MERGED = (PROVIDERS, WORKSPACES)
"""Documents whose entries are merged one by one."""

Contents = Mapping[str, bytes]
"""The content of each document that exists, by name."""


class Newest(NamedTuple):
    """The newest configuration of a source."""

    identity: str
    """Which database or directory it is; another one has nothing to do with the former."""
    epoch: int
    """Grows with each change; 0: the source is empty."""
    documents: dict[str, bytes]


class Decision(NamedTuple):
    """What becomes of one document."""

    local: bytes | None
    """The content of this hub's file; None for no file."""
    shared: bytes | None
    """The content in the source."""
    overruled: tuple[str, ...] = ()
    """Local changes that are lost since others changed the same: names of entries, or of the document."""


def decide(name: str, base: bytes | None, ours: bytes | None, theirs: bytes | None) -> Decision:
    """Bring this hub's file `ours` and the source's content `theirs` together, both changed since `base`.

    A file that is missing or broken changes nothing in the source: it may be that its disk was lost, or that a program
    is writing it.
    """
    if ours is None or ours in (theirs, base):
        return Decision(theirs, theirs)
    whole = parsed(ours)
    if whole is None:
        return Decision(ours, theirs) if theirs == base else Decision(theirs, theirs, (name,))
    if theirs == base:
        return Decision(ours, ours)
    if name not in MERGED or theirs is None:
        return Decision(theirs, theirs, (name,))
    merged = merge(name, parsed(base) or {}, whole, parsed(theirs) or {})
    content = stringify(merged.content)
    return Decision(content, content, merged.conflicts)


def parsed(raw: bytes | None) -> dict[str, Any] | None:
    """The JSON object of a document; None if it is none."""
    try:
        found = orjson.loads((raw or b"").decode("utf-8-sig"))
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def digest(documents: Contents) -> str:
    """A hash of a whole configuration, which is the same in all hubs that have it."""
    made = hashlib.sha256()
    for name in sorted(documents):
        made.update(f"{name}\0{len(documents[name])}\0".encode() + documents[name])
    return made.hexdigest()[:16]
