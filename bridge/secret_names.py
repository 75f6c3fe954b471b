"""Decides by the names of variables, headers and flags whether their values are secrets. Pure.

The rules are in `masking.json`, which the front uses too (bridge/node/secret_names.mjs).
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

import orjson

SHORTEST = 6
"""Minimum length of a secret, except under names that clearly indicate one."""

_RULES = orjson.loads(Path(__file__).with_name("masking.json").read_bytes())
_WORDS: tuple[str, ...] = tuple(_RULES["words"])
_PARTS = frozenset(_RULES["parts"])
_SHORT: tuple[str, ...] = tuple(_RULES["short"])
_ASSIGNED: tuple[str, ...] = tuple(_RULES["assigned"])
_OPEN_WORDS = frozenset(_RULES["open"]["words"])
_OPEN_NAMES = frozenset(_RULES["open"]["names"])
_OPEN_PREFIXES: tuple[str, ...] = tuple(_RULES["open"]["prefixes"])
_OPEN_SUFFIXES: tuple[str, ...] = tuple(_RULES["open"]["suffixes"])
_PATH_TOKEN_LENGTH: int = _RULES["pathTokenLength"]
_SEPARATORS = re.compile(r"[^a-z0-9]")
_BEFORE_AUTHORITY = re.compile(r"\s*+(?:[A-Za-z][\w+.-]*+:)?[\\/]*+")
_AUTHORITY_END = re.compile(r"[\\/?#]")
_PATH_TOKEN = re.compile(r"[\w.~%+=-]++", re.ASCII)
_SEPARATED = re.compile(r"[-_.~]")


@lru_cache(maxsize=1024)
def is_secret_name(name: str) -> bool:
    """Whether a variable, header, parameter or flag of this name has a secret value (and not, say, a secret's path)."""
    name = name.lower()
    if name.endswith(_OPEN_SUFFIXES):
        return False
    return any(word in name for word in _WORDS) or not _PARTS.isdisjoint(_SEPARATORS.split(name))


def is_secret(name: str, value: str) -> bool:
    """Whether a value is masked wherever it appears: if it has SHORTEST characters, or any number of them under a name
    such as `DB_PASSWORD` (but not `MAX_TOKENS`)."""
    return len(value) >= SHORTEST or _bare(name).endswith(_SHORT)


@lru_cache(maxsize=1024)
def is_secret_assignment(name: str) -> bool:
    """Whether `name=value` or `"name": "value"` in free text is masked: for names that clearly indicate a secret."""
    return _bare(name).endswith(_ASSIGNED)


def is_open_word(value: str) -> bool:
    """Whether a value is a common word and so not a secret."""
    return value.lower() in _OPEN_WORDS


def is_open_variable(name: str) -> bool:
    """Whether a variable or header of this name never has a secret, such as LANG."""
    name = name.lower()
    return name in _OPEN_NAMES or name.startswith(_OPEN_PREFIXES) or name.endswith(_OPEN_SUFFIXES)


def is_path_token(segment: str) -> bool:
    """Whether a segment of a URL's path looks like a token: long, and with letters and digits or without separators."""
    if len(segment) < _PATH_TOKEN_LENGTH or not _PATH_TOKEN.fullmatch(segment):
        return False
    mixed = any(char.isdigit() for char in segment) and any(char.isalpha() for char in segment)
    return mixed or not _SEPARATED.search(segment)


def split_userinfo(url: str) -> tuple[str, str, str]:
    """Split a URL into the user name, the secret part of its userinfo, and the rest after the `@`.

    The secret part is the password, or all of the userinfo if it has no colon. Also handles invalid URLs, such as one
    with a `/` in its password, as these may be logged too.
    """
    start = _BEFORE_AUTHORITY.match(url)
    rest = url[start.end() :] if start else url
    ends = _AUTHORITY_END.search(rest)
    authority = rest[: ends.start()] if ends else rest
    within = authority if "@" in authority or not _has_odd_port(authority) else rest
    userinfo, at, _ = within.rpartition("@")
    user, colon, password = userinfo.partition(":")
    after = rest[len(userinfo) + len(at) :]
    return (user, password, after) if colon else ("", user, after)


def _has_odd_port(authority: str) -> bool:
    host = authority.rpartition("]")[2] if authority.startswith("[") else authority
    return not all(part.isdigit() or not part for part in host.split(":")[1:])


def _bare(name: str) -> str:
    return _SEPARATORS.sub("", name.lower())
