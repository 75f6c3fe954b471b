"""The names under which a workspace exposes its servers' tools and prompts. Pure. Rationale: docs/adr/0003.

1. The server's namespace and the original name are inserted into the template. Characters outside `[A-Za-z0-9_-]`
   become `_`. A namespace without letters and digits is replaced by a hash of itself (`s1a2b3c`).
2. A name longer than 64 characters is truncated and ends in `_` and a hash of (server key, original name).
3. Names collide if they are equal after lower-casing and replacing `-` by `_`, as some clients do. Every colliding
   name gets the hash, except for the one that needed no replacement in rule 1, if there is just one.
4. The template `{name}` leaves names unchanged, whatever their characters and length. Only names that collide across
   *different* servers get the hash (and rule 1).

The hash depends only on the entry, so a hashed name always means the same tool; and no name depends on the order of
entries. A plain name depends on other entries only if they collide: pass the last known entries of stopped servers to
`resolve` as well, and names do not change when a server stops or starts.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import orjson

MAX_LENGTH = 64
TRANSPARENT = "{name}"
_HASH_LENGTH = 8
_OUTSIDE = re.compile(r"[^A-Za-z0-9_-]")
_FIELD = re.compile(r"\{(namespace|name)\}")


class Entry(NamedTuple):
    """A tool or prompt: the key and namespace of its server, and its name there."""

    server: str
    namespace: str
    name: str


def resolve(plain: Mapping[Entry, str], template: str, reserved: Collection[Entry] = frozenset()) -> dict[str, Entry]:
    """Map exposed names to entries, in their order; `plain` has the plain name of each entry. Those of `reserved` keep
    it in any case."""
    names = {**plain, **{entry: hashed_name(entry, template) for entry in _to_hash(plain, template, reserved)}}
    length = _HASH_LENGTH
    while clashing := [entry for entry in _clashing(names, template) if entry not in reserved]:
        # Only reached if a tool's own name equals another's hashed name, or if two hashes are equal.
        hashed = {entry: hashed_name(entry, template, length) for entry in clashing}
        if all(names[entry] == name for entry, name in hashed.items()):
            length *= 2
        names |= hashed
    return {names[entry]: entry for entry in plain}


def plain_name(entry: Entry, template: str = "{namespace}_{name}") -> str:
    """The exposed name of an entry that collides with no other."""
    if template == TRANSPARENT:
        return entry.name
    name = _sanitised(entry, template)
    return name if len(name) <= MAX_LENGTH else hashed_name(entry, template)


def hashed_name(entry: Entry, template: str = "{namespace}_{name}", length: int = _HASH_LENGTH) -> str:
    """The exposed name of a colliding or too long entry: truncated, and ending in `length` digits of its hash."""
    digits = digest(entry.server, entry.name)[: min(length, MAX_LENGTH - 1)]
    return f"{_sanitised(entry, template)[: MAX_LENGTH - 1 - len(digits)]}_{digits}"


def digest(*parts: str) -> str:
    """SHA-256 (hex) of a tuple of strings."""
    return hashlib.sha256(orjson.dumps([part.encode(errors="surrogatepass").hex() for part in parts])).hexdigest()


def fold(name: str) -> str:
    """The form in which names are compared: some clients ignore case and treat `-` as `_`."""
    return name.lower().replace("-", "_")


def _to_hash(plain: Mapping[Entry, str], template: str, reserved: Collection[Entry]) -> list[Entry]:
    chosen: list[Entry] = []
    for group in _groups(plain):
        if len(group) == 1 or (template == TRANSPARENT and len({entry.server for entry in group}) == 1):
            continue
        if kept := [entry for entry in group if entry in reserved]:
            chosen += [entry for entry in group if entry not in kept]
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
    """The namespace, or a hash of it if it would consist of replaced characters only."""
    kept = _OUTSIDE.sub("_", namespace)
    return kept if kept == namespace or kept.strip("_-") else f"s{digest(namespace)[:6]}"


def _fill(template: str, namespace: str, name: str) -> str:
    return _FIELD.sub(lambda match: namespace if match[1] == "namespace" else name, template)
