"""Decides by the names of variables, headers and flags whether their values are secrets. Pure.

`bridge/vectors/masking.json` has examples.
"""

from __future__ import annotations

import re
from functools import lru_cache

SHORTEST = 6
"""Minimum length of a secret, except under names that clearly indicate one."""

_WORDS: tuple[str, ...] = (
    "token",
    "secret",
    "passw",
    "passphrase",
    "pwd",
    "auth",
    "cred",
    "cookie",
    "session",
    "signature",
    "dsn",
    "key",
)
"""A name is a secret's if one of these is anywhere in it; all are compared in lower case."""
_PARTS = frozenset(("sig", "code", "pass", "pin", "otp", "jwt", "sid", "sas"))
"""The same, for one of these between separators."""
_SHORT: tuple[str, ...] = (
    "key",
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "pass",
    "pin",
    "otp",
    "code",
    "auth",
    "authorization",
    "dsn",
)
"""At the end of a name without its separators: a value of a few characters is a secret too."""
_ASSIGNED: tuple[str, ...] = (
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "apikey",
    "accesskey",
    "secretkey",
    "privatekey",
)
"""The same, in free text."""
_FIELDS: tuple[str, ...] = ("token", "secret", "passw", "apikey", "api_key", "api-key", "auth", "credential", "cookie")
"""Anywhere in the name of a field that YAMCP does not know."""
_OPEN_WORDS = frozenset(
    (
        "true",
        "false",
        "yes",
        "on",
        "off",
        "none",
        "null",
        "auto",
        "default",
        "always",
        "enabled",
        "disabled",
        "basic",
        "debug",
        "info",
        "warn",
        "warning",
        "critical",
        "verbose",
        "dev",
        "development",
        "test",
        "testing",
        "staging",
        "prod",
        "production",
        "console",
        "stdio",
        "stdout",
        "stderr",
        "stream",
        "string",
        "streamable-http",
        "localhost",
        "127.0.0.1",
        "0.0.0.0",  # noqa: S104 - a word, and no address to bind to
    )
)
"""Values that are no secrets."""
_OPEN_NAMES = frozenset(
    (
        "home",
        "pwd",
        "user",
        "logname",
        "shell",
        "hostname",
        "term",
        "lang",
        "language",
        "tz",
        "tmp",
        "temp",
        "node_env",
        "accept",
        "accept-language",
        "content-type",
        "user-agent",
    )
)
"""Variables and headers that hold none."""
_OPEN_PREFIXES: tuple[str, ...] = ("lc_", "xdg_")
"""The same, by how their names begin."""
_OPEN_SUFFIXES: tuple[str, ...] = ("path", "dir", "file", "_home", "loglevel", "log_level", "encoding")
"""The same, by how their names end."""
_PATH_TOKEN_LENGTH = 16
_SEPARATORS = re.compile(r"[^a-z0-9]")
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


def is_secret_field(name: str) -> bool:
    """Whether a field of a server's entry that YAMCP does not know has a secret value."""
    name = name.lower()
    return any(word in name for word in _FIELDS)


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


def _bare(name: str) -> str:
    return _SEPARATORS.sub("", name.lower())
