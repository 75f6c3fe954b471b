"""Masks secrets in text that people see: log lines, stderr tails, reasons."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import orjson

from bridge.models import Launch, RemoteLaunch

MASK = "***"
SHORTEST = 6
MOST_RETIRED = 10_000

_SECRET_NAME = re.compile(r"(?i)key|token|secret|passw|passphrase|pwd|auth|cred|cookie|session|signature|dsn")
_OPEN_NAMES = re.compile(
    r"(?i)(PATH|HOME|PWD|USER|LOGNAME|SHELL|TERM|LANG|LANGUAGE|LC_\w+|TZ|NODE_ENV|\w*PATH|\w*LOG_?LEVEL|\w*ENCODING"
    r"|accept|accept-language|content-type|user-agent)"
)
_OPEN_WORDS = frozenset(
    (
        *("false", "enabled", "disabled", "default", "always", "development", "production", "staging", "testing"),
        *("debug", "warning", "critical", "verbose", "console", "stdout", "stderr", "stream", "string", "localhost"),
        *("127.0.0.1", "0.0.0.0", "streamable-http"),  # noqa: S104 - a word to recognise, not an address to bind
    )
)
_SHAPES = re.compile(
    r"(?P<keep>\b(?i:bearer|basic)\s+(?=[A-Za-z0-9._~+/=-]{16})"
    r"|://[^\s/@:\"']*:(?=[^\s/@\"']+@)"
    r"|[?&](?i:[a-z_-]*(?:token|key|secret|password|passwd|signature|sig|auth|code))=)[^\s&@\"'#,;\\]+"
    r"|\bsk-[A-Za-z0-9_-]{16,}|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}|\bhf_[A-Za-z0-9]{20,}"
    r"|\bnpm_[A-Za-z0-9]{20,}|\bxox[abeoprs]-[A-Za-z0-9-]{10,}|\bAKIA[0-9A-Z]{16}\b|\bAIza[\w-]{30,}"
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"
)


class Redactor:
    """Masks the secrets of all servers, and what looks like a token. Call it with a text.

    Secrets are added and retired per owner (a server's key). A retired secret stays masked, since lines about it may
    still come; the oldest are forgotten beyond `MOST_RETIRED`.
    """

    def __init__(self) -> None:
        self._owned: dict[str, frozenset[str]] = {}
        self._retired: dict[str, None] = {}
        self._pattern: re.Pattern[str] | None = None
        self._stale = False

    def add(self, owner: str, secrets: Iterable[str]) -> None:
        """Mask these values too, but for those that cannot be told from ordinary text: short ones, common words, and
        paths that exist (a `${HOME}` is no secret)."""
        forms = frozenset(form for secret in secrets if not _is_open(secret) for form in _forms(secret))
        if not forms <= self._owned.get(owner, frozenset()):
            self._owned[owner] = self._owned.get(owner, frozenset()) | forms
            self._stale = True

    def retire(self, owner: str) -> None:
        """The owner is gone: its secrets may be forgotten when room is needed."""
        for form in self._owned.pop(owner, ()):
            self._retired.pop(form, None)
            self._retired[form] = None
        while len(self._retired) > MOST_RETIRED:
            self._retired.pop(next(iter(self._retired)))
            self._stale = True

    def __call__(self, text: str) -> str:
        if self._stale:
            self._pattern = _alternation({*self._retired, *(form for forms in self._owned.values() for form in forms)})
            self._stale = False
        if self._pattern is not None:
            text = self._pattern.sub(MASK, text)
        return _SHAPES.sub(lambda match: (match["keep"] or "") + MASK, text)


def secrets_of(launch: Launch) -> set[str]:
    """What an expanded launch holds that has to be masked.

    Environment and header values, URL userinfo, query values and long path segments, and arguments that name
    themselves secret (`--api-key X`, `--token=X`). Left readable: values shorter than 6 characters, common words, paths
    that exist, and, unless the name says KEY, TOKEN and the like, variables such as LANG and LOG_LEVEL and the rest of
    URLs.
    """
    if isinstance(launch, RemoteLaunch):
        return {*_url_secrets(launch.url), *_named_secrets(launch.headers)}
    return {*_named_secrets(launch.env), *_argument_secrets(launch.args)}


def _named_secrets(values: Mapping[str, str]) -> Iterator[str]:
    for name, value in values.items():
        if _is_open(value):
            continue
        if _SECRET_NAME.search(name):
            yield value
            yield from (part for part in value.split() if part.lower() not in {"bearer", "basic", "token"})
        elif not _OPEN_NAMES.fullmatch(name):
            yield from _url_secrets(value) if "://" in value else (value,)


def _is_open(value: str) -> bool:
    return value.lower() in _OPEN_WORDS or _is_path(value)


def _url_secrets(url: str) -> Iterator[str]:
    with suppress(ValueError):
        parts = urlsplit(url)
        found = [part for part in (parts.username, parts.password) if part]
        found += [value for _, value in parse_qsl(parts.query)]
        found += [segment for segment in parts.path.split("/") if len(segment) >= 16]
        yield from found
        yield from (unquote(part) for part in found)


def _argument_secrets(args: Iterable[str]) -> Iterator[str]:
    named = False
    for arg in args:
        flag, equals, value = arg.partition("=")
        if named and not arg.startswith("-"):
            yield arg
        elif equals and "://" not in flag and _SECRET_NAME.search(flag):
            yield value
        elif "://" in arg:
            yield from _url_secrets(arg if "://" in flag else value)
        named = arg.startswith("-") and not equals and bool(_SECRET_NAME.search(arg))


def _is_path(value: str) -> bool:
    if not value.startswith(("/", "~", "./")):
        return False
    with suppress(OSError, RuntimeError, ValueError):
        return all(Path(part).expanduser().exists() for part in value.split(":") if part)
    return False


def _forms(secret: str) -> Iterator[str]:
    """The value and the ways it appears in text: each long line of it, as JSON, percent-encoded."""
    for value in {secret, secret.strip(), *(line.strip() for line in secret.splitlines())}:
        if len(value) >= SHORTEST:
            yield value
            yield quote(value, safe="", errors="surrogatepass")
            with suppress(orjson.JSONEncodeError):  # not UTF-8
                yield orjson.dumps(value)[1:-1].decode()


def _alternation(values: Iterable[str]) -> re.Pattern[str] | None:
    longest_first = sorted(values, key=lambda value: (-len(value), value))
    return re.compile("|".join(map(re.escape, longest_first))) if longest_first else None
