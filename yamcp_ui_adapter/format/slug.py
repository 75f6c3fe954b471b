"""Assigns slugs, the names of workspaces in URLs. Pure. The rules and their reasons are in ADR 0032."""

from __future__ import annotations

import hashlib
import itertools
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

MAX_SLUG_LENGTH = 64
HASH_LENGTHS = (8, 16, 32, 48, 63)
LETTER_REPLACEMENTS = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "AE", "ø": "o", "Ø": "O", "œ": "oe", "Œ": "OE", "ł": "l", "Ł": "L", "đ": "d", "þ": "th"}
)
VALID_SLUG = re.compile(r"[A-Za-z0-9_-]{1,64}")


def assign_slugs(own: Mapping[str, str | None], before: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return a unique slug for each workspace.

    `own` has the slug that hub.json sets for each workspace (or None), in the order of workspaces.json; `before` has
    the slugs that were assigned last. A workspace keeps its slug as long as its name or its own slug still results in
    it. Free slugs are assigned first to own slugs, then to names that are valid slugs, then to the readable parts of
    other names; within each group, in the order of the file. A workspace that gets none of these gets its readable part
    and a hash.
    """
    held = before or {}
    result: dict[str, str] = {}
    taken: set[str] = set()

    def claim(names: Iterable[str], slug_of: Callable[[str], str | None]) -> None:
        """Give each of the names that has no slug yet the one that `slug_of` returns for it, if that is free."""
        for name in names:
            if name not in result and (slug := slug_of(name)) and slug not in taken:
                result[name] = slug
                taken.add(slug)

    kept = [name for name in held if name in own]
    claim(kept, lambda name: held[name] if _may_keep(name, held[name], own[name]) else None)
    claim(own, own.__getitem__)
    claim(kept, lambda name: held[name] if held[name] in _candidates(name) else None)
    claim(own, lambda name: name if VALID_SLUG.fullmatch(name) else None)
    claim(own, readable_slug)
    for hash_length in HASH_LENGTHS:
        claim(own, partial(hashed_slug, hash_length=hash_length))
    for name in [name for name in own if name not in result]:  # others are named like all the hashes of this one
        free = (slug for n in itertools.count() if (slug := hashed_slug(f"{name}\0{n}", 63)) not in taken)
        result[name] = next(free)
        taken.add(result[name])
    return {name: result[name] for name in own}


def _may_keep(name: str, slug: str, own: str | None) -> bool:
    return slug == own if own else slug in _candidates(name)


def _candidates(name: str) -> Iterator[str]:
    """Yield the slugs that can be derived from a name, best first."""
    if VALID_SLUG.fullmatch(name):
        yield name
    if plain := readable_slug(name):
        yield plain
    for hash_length in HASH_LENGTHS:
        yield hashed_slug(name, hash_length)


def earlier_slug(name: str) -> str:
    """Return the slug with a hash that the first versions of the hub gave this name; empty if the name itself was its
    slug.
    """
    return "" if VALID_SLUG.fullmatch(name) else hashed_slug(name)


def readable_slug(name: str) -> str:
    """Return a name reduced to lower-case letters, digits, `_` and `-`: `Project 00` results in `project-00`."""
    return _readable(name).lower()[:MAX_SLUG_LENGTH].strip("-")


def hashed_slug(name: str, hash_length: int = HASH_LENGTHS[0]) -> str:
    """Return the readable part of a name (or "workspace" if there is none) and `hash_length` hex digits of its
    SHA-256.
    """
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:hash_length]
    base = (_readable(name) or "workspace")[: MAX_SLUG_LENGTH - 1 - hash_length].strip("-")
    return f"{base}-{digest}" if base else digest


def _readable(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name.translate(LETTER_REPLACEMENTS)).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_]+", "-", plain).strip("-")
