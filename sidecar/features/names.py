"""The names under which a workspace shows its servers' tools and prompts. Pure; docs/adr/0003 argues the rules.

1. The template is filled with the server's namespace and the original name. Characters outside `[A-Za-z0-9_-]`
   become `_`. A namespace of which no letter or digit is left is replaced by a label of its own (`s1a2b3c`).
2. A name of more than 64 characters is always cut and ends in `_` and a hash of (server key, original name).
3. Names collide when they are equal after lower-casing and folding `-` into `_`, as some clients do. Every member of
   a collision gets the hash, except the one that needed no replacement in rule 1, if it alone did not.
4. The template `{name}` passes names through as they are, whatever their characters and length: what a client sees
   then is what the server says. Only names that collide across *different* servers get the hash (and rule 1).

The hash depends on nothing but the entry, so a hashed name means the same tool for ever; and no name depends on the
order of entries. A plain name depends on the others only through a collision: give `expose` the last known entries of
servers that are down too, and names do not change when one comes or goes.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import orjson

MAX_LENGTH = 64
TRANSPARENT = "{name}"
_HASH_LENGTH = 8
_OUTSIDE = re.compile(r"[^A-Za-z0-9_-]")
_FIELD = re.compile(r"\{(namespace|name)\}")


class Entry(NamedTuple):
    """A tool or prompt of a server: the server's key and namespace, and its original name."""

    server: str
    namespace: str
    name: str


def expose(entries: Iterable[Entry], template: str = "{namespace}_{name}") -> dict[str, Entry]:
    """Exposed name to entry, in the order of `entries`; a name that a server lists twice counts once."""
    distinct = list({(entry.server, entry.name): entry for entry in entries}.values())
    plain = {entry: plain_name(entry, template) for entry in distinct}
    names = plain | {entry: hashed_name(entry, template) for entry in _to_hash(plain, template)}
    length = _HASH_LENGTH
    while clashing := _clashing(names, template):
        # Only reached when a tool is called like another's hashed name, or when hashes are equal.
        hashed = {entry: hashed_name(entry, template, length) for entry in clashing}
        if all(names[entry] == name for entry, name in hashed.items()):
            length *= 2
        names |= hashed
    return {names[entry]: entry for entry in distinct}


def plain_name(entry: Entry, template: str = "{namespace}_{name}") -> str:
    """The name of an entry that collides with no other."""
    if template == TRANSPARENT:
        return entry.name
    name = _sanitised(entry, template)
    return name if len(name) <= MAX_LENGTH else hashed_name(entry, template)


def hashed_name(entry: Entry, template: str = "{namespace}_{name}", length: int = _HASH_LENGTH) -> str:
    """The name that always means this entry, whatever else is there: cut, and ending in `length` hash digits."""
    digits = digest(entry.server, entry.name)[: min(length, MAX_LENGTH - 1)]
    return f"{_sanitised(entry, template)[: MAX_LENGTH - 1 - len(digits)]}_{digits}"


def digest(*parts: str) -> str:
    """SHA-256 (hex) of a tuple of strings."""
    return hashlib.sha256(orjson.dumps([part.encode(errors="surrogatepass").hex() for part in parts])).hexdigest()


def fold(name: str) -> str:
    """What a name is compared by: clients fold case, and `-` into `_`."""
    return name.lower().replace("-", "_")


def _to_hash(plain: Mapping[Entry, str], template: str) -> list[Entry]:
    chosen: list[Entry] = []
    for group in _groups(plain):
        if len(group) == 1 or (template == TRANSPARENT and len({entry.server for entry in group}) == 1):
            continue
        exact = [entry for entry in group if template != TRANSPARENT and _full(entry, template) == plain[entry]]
        keeps = exact if len(exact) == 1 else []
        chosen += [entry for entry in group if entry not in keeps]
    return chosen


def _clashing(names: Mapping[Entry, str], template: str) -> list[Entry]:
    by_name: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry, name in names.items():
        by_name[name if template == TRANSPARENT else fold(name)].append(entry)
    return [entry for group in by_name.values() if len(group) > 1 for entry in group]


def _groups(plain: Mapping[Entry, str]) -> Iterable[Sequence[Entry]]:
    groups: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry, name in plain.items():
        groups[fold(name)].append(entry)
    return groups.values()


def _sanitised(entry: Entry, template: str) -> str:
    return _OUTSIDE.sub("_", _fill(template, _label(entry.namespace), entry.name)) or "_"


def _full(entry: Entry, template: str) -> str:
    return _fill(template, entry.namespace, entry.name)


def _label(namespace: str) -> str:
    """The namespace, or what stands for it when nothing legible would be left of it."""
    kept = _OUTSIDE.sub("_", namespace)
    return kept if kept == namespace or kept.strip("_-") else f"s{digest(namespace)[:6]}"


def _fill(template: str, namespace: str, name: str) -> str:
    return _FIELD.sub(lambda match: namespace if match[1] == "namespace" else name, template)
