"""Which names tell that their value is a secret. The front has the same from the same file, `masking.json` (pure)."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

import orjson

SHORTEST = 6
"""Characters of the shortest value that is taken for a secret, but under names that can mean nothing else."""

_RULES = orjson.loads(Path(__file__).with_name("masking.json").read_bytes())
_WORDS: tuple[str, ...] = tuple(_RULES["words"])
_PARTS = frozenset(_RULES["parts"])
_SHORT: tuple[str, ...] = tuple(_RULES["short"])
_ASSIGNED: tuple[str, ...] = tuple(_RULES["assigned"])
_OPEN_NAMES = frozenset(_RULES["open"]["names"])
_OPEN_PREFIXES: tuple[str, ...] = tuple(_RULES["open"]["prefixes"])
_OPEN_SUFFIXES: tuple[str, ...] = tuple(_RULES["open"]["suffixes"])
_PATH_TOKEN_LENGTH: int = _RULES["pathTokenLength"]
_SEPARATORS = re.compile(r"[^a-z0-9]")
_PATH_TOKEN = re.compile(r"[\w.~%+=-]++", re.ASCII)
_SEPARATED = re.compile(r"[-_.~]")


@lru_cache(maxsize=1024)
def is_secret_name(name: str) -> bool:
    """Whether a variable, header, parameter or flag of this name is taken to hold a secret."""
    name = name.lower()
    return any(word in name for word in _WORDS) or not _PARTS.isdisjoint(_SEPARATORS.split(name))


def is_secret(name: str, value: str) -> bool:
    """Whether a value is long enough to be masked wherever it appears: 6 characters, or any number under a name such
    as `DB_PASSWORD` (not `MAX_TOKENS`)."""
    return len(value) >= SHORTEST or _bare(name).endswith(_SHORT)


@lru_cache(maxsize=1024)
def is_secret_assignment(name: str) -> bool:
    """Whether `name=value` or `"name": "value"` in free text is masked: names that can mean nothing else."""
    return _bare(name).endswith(_ASSIGNED)


def is_open_variable(name: str) -> bool:
    """Whether a variable or header of this name is known to hold no secret, such as LANG."""
    name = name.lower()
    return name in _OPEN_NAMES or name.startswith(_OPEN_PREFIXES) or name.endswith(_OPEN_SUFFIXES)


def is_path_token(segment: str) -> bool:
    """Whether a segment of a URL's path looks like a token: long, with letters and digits or of one piece."""
    if len(segment) < _PATH_TOKEN_LENGTH or not _PATH_TOKEN.fullmatch(segment):
        return False
    mixed = any(char.isdigit() for char in segment) and any(char.isalpha() for char in segment)
    return mixed or not _SEPARATED.search(segment)


def _bare(name: str) -> str:
    return _SEPARATORS.sub("", name.lower())
