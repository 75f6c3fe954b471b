"""Workspace names as they stand in URLs: stable, readable, and the same whatever the order of the file (pure)."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

LONGEST = 64
HASH_LENGTHS = (8, 16, 32, 48, 63)
NOT_DECOMPOSED = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "AE", "ø": "o", "Ø": "O", "œ": "oe", "Œ": "OE", "ł": "l", "Ł": "L", "đ": "d", "þ": "th"}
)
FITS = re.compile(r"[A-Za-z0-9_-]{1,64}")


def slugs(names: Iterable[str]) -> dict[str, str]:
    """The slug of each name, all different.

    A name that fits is its own slug; any other gets a transliteration and as much of its hash as tells it apart from
    the rest.
    """
    everyone = set(names)
    result = {name: name for name in everyone if FITS.fullmatch(name)}
    waiting = everyone - result.keys()
    for length in HASH_LENGTHS:
        candidates = {name: derived(name, length) for name in waiting}
        counts = Counter(candidates.values())
        taken = set(result.values())
        settled = {name: slug for name, slug in candidates.items() if counts[slug] == 1 and slug not in taken}
        result |= settled
        waiting -= settled.keys()
    return result


def derived(name: str, hash_length: int = 8) -> str:
    """A slug for a name that does not fit: a readable part and `hash_length` hex digits of its SHA-256."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:hash_length]
    base = readable(name)[: LONGEST - 1 - hash_length].strip("-")
    return f"{base}-{digest}" if base else digest


def readable(name: str) -> str:
    """What is left of a name in letters, digits, `_` and `-`; "workspace" if nothing is."""
    plain = unicodedata.normalize("NFKD", name.translate(NOT_DECOMPOSED)).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_]+", "-", plain).strip("-") or "workspace"
