"""Slugs: the names of workspaces in URLs (pure). ADR 0032 has the rules and their reasons."""

from __future__ import annotations

import hashlib
import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping

LONGEST_SLUG = 64
HASH_LENGTHS = (8, 16, 32, 48, 63)
NOT_DECOMPOSED = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "AE", "ø": "o", "Ø": "O", "œ": "oe", "Œ": "OE", "ł": "l", "Ł": "L", "đ": "d", "þ": "th"}
)
FITS = re.compile(r"[A-Za-z0-9_-]{1,64}")


def assign_slugs(own: Mapping[str, str | None], before: Mapping[str, str] | None = None) -> dict[str, str]:
    """A slug for each workspace, all different.

    `own` has the slug that hub.json sets for each workspace (None: none), in the order of workspaces.json; `before`
    has the slugs that were assigned last. A workspace keeps the slug that it has as long as its name or its own slug
    still gives it. Slugs that are free go to own slugs first, then to names that are slugs as they are, then to what is
    readable of the other names, and within each group to the first in the file. Who gets none of these gets its
    readable part and a hash.
    """
    held = before or {}
    result: dict[str, str] = {}
    taken: set[str] = set()

    def claim(claims: Iterable[tuple[str, str | None]]) -> None:
        for name, slug in claims:
            if slug and name not in result and slug not in taken:
                result[name] = slug
                taken.add(slug)

    claim((name, slug) for name, slug in held.items() if name in own and _may_keep(name, slug, own[name]))
    claim(own.items())
    claim((name, slug) for name, slug in held.items() if name in own and slug in _candidates(name))
    claim((name, name) for name in own if FITS.fullmatch(name))
    claim((name, readable_slug(name)) for name in own)
    for hash_length in HASH_LENGTHS:
        claim((name, hashed_slug(name, hash_length)) for name in own)
    for name in [name for name in own if name not in result]:  # others are named like all the hashes of this one
        free = (slug for n in itertools.count() if (slug := hashed_slug(f"{name}\0{n}", 63)) not in taken)
        claim([(name, next(free))])
    return {name: result[name] for name in own}


def _may_keep(name: str, slug: str, own: str | None) -> bool:
    return slug == own if own else slug in _candidates(name)


def _candidates(name: str) -> Iterator[str]:
    """The slugs that a name gives, best first."""
    if FITS.fullmatch(name):
        yield name
    if plain := readable_slug(name):
        yield plain
    for hash_length in HASH_LENGTHS:
        yield hashed_slug(name, hash_length)


def earlier_slug(name: str) -> str:
    """The slug that the first versions of the hub gave this name, with a hash; empty if the name was its slug."""
    return "" if FITS.fullmatch(name) else hashed_slug(name)


def readable_slug(name: str) -> str:
    """What is left of a name in lower-case letters, digits, `_` and `-`: `Project 00` gives `project-00`."""
    return _readable(name).lower()[:LONGEST_SLUG].strip("-")


def hashed_slug(name: str, hash_length: int = HASH_LENGTHS[0]) -> str:
    """A readable part of a name ("workspace" if nothing is), and `hash_length` hex digits of its SHA-256."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:hash_length]
    base = (_readable(name) or "workspace")[: LONGEST_SLUG - 1 - hash_length].strip("-")
    return f"{base}-{digest}" if base else digest


def _readable(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name.translate(NOT_DECOMPOSED)).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_]+", "-", plain).strip("-")
