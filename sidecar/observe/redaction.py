"""Masks secrets in text for people: log lines, stderr output, error reasons."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import orjson

from bridge.models import Launch, RemoteLaunch
from bridge.secret_names import (
    SHORTEST,
    is_open_variable,
    is_open_word,
    is_path_token,
    is_secret,
    is_secret_name,
    split_userinfo,
)
from sidecar.observe.secret_forms import forms
from sidecar.observe.secret_index import SecretIndex
from sidecar.observe.secret_shapes import MASK, mask_shapes

_HEADER = re.compile(r"(?is)(?P<name>[\w-]{1,64}): {0,8}(?:(?:bearer|basic|token) {1,8})?(?P<value>[^/ ].*)")
"""An HTTP header as a command-line argument, as many programs take it after `--header`."""
MAX_RETIRED = 10_000
"""Secrets of removed servers that stay masked; beyond that the oldest are dropped."""


class Redactor:
    """A callable that masks the secrets of all servers, and strings that look like tokens, in a text.

    Secrets are added and retired per owner (a server's key). Retired secrets stay masked, as the server may still
    write them. The time of a call depends on the length of the text, not on the number of secrets.
    """

    def __init__(self) -> None:
        self._owned: dict[str, frozenset[str]] = {}
        self._retired: dict[str, None] = {}
        self._index = SecretIndex()

    def add(self, owner: str, secrets: Iterable[str]) -> None:
        """Mask these values too, except for those that also occur in ordinary text: values of one or two characters,
        common words, and existing paths (such as the value of `${HOME}`)."""
        known = self._owned.get(owner, frozenset())
        new = frozenset(secret for secret in secrets if not _is_open(secret)) - known
        for secret in new:
            self._index.add(forms(secret))
        self._owned[owner] = known | new

    def retire(self, owner: str) -> None:
        """Mark the secrets of a removed owner as retired, and drop the oldest retired ones beyond MAX_RETIRED."""
        for secret in self._owned.pop(owner, ()):
            if secret in self._retired:
                del self._retired[secret]
                self._index.remove(forms(secret))
            self._retired[secret] = None
        while len(self._retired) > MAX_RETIRED:
            oldest = next(iter(self._retired))
            del self._retired[oldest]
            self._index.remove(forms(oldest))

    def __call__(self, text: str) -> str:
        shown: list[str] = []
        at = 0
        for begin, end in self._index.spans(text):
            shown += text[at:begin], MASK
            at = end
        return mask_shapes("".join((*shown, text[at:])) if shown else text)


def secrets_of(launch: Launch) -> set[str]:
    """The secrets in a launch whose variables are expanded.

    These are values of environment variables and headers, userinfo, query values and long path segments of URLs, and
    arguments whose name indicates a secret (`--api-key X`, `--token=X`, members of JSON). Not secret are common words,
    existing paths, values shorter than 6 characters unless the name ends in KEY, TOKEN, PASSWORD and the like, and,
    unless the name indicates a secret, variables such as LANG and LOG_LEVEL and other parts of URLs.
    """
    if isinstance(launch, RemoteLaunch):
        return {*_url_secrets(launch.url), *_named_secrets(launch.headers)}
    return {*_named_secrets(launch.env), *_argument_secrets(launch.args)}


def _named_secrets(values: Mapping[str, str]) -> Iterator[str]:
    for name, value in values.items():
        if _is_open(value) or not is_secret(name, value):
            continue
        if is_secret_name(name):
            yield value
            yield from (part for part in _words(value) if is_secret(name, part))
            yield from _url_secrets(value) if "://" in value else ()
        elif not is_open_variable(name):
            yield from _url_secrets(value) if "://" in value else (value,)


def _words(value: str) -> list[str]:
    """The credentials of a header value such as `Bearer X`; of any other value, its long words."""
    scheme, _, rest = value.partition(" ")
    if scheme.lower() in {"bearer", "basic", "token"}:
        return rest.split()
    return [word for word in value.split() if len(word) >= SHORTEST]


def _is_open(value: str) -> bool:
    return is_open_word(value) or _is_path(value)


def _url_secrets(url: str) -> Iterator[str]:
    user, secret, rest = split_userinfo(url)
    path, *queries = rest.replace("#", "?").split("?")
    found = [secret] if secret else []
    if len(user) >= SHORTEST:
        found.append(user)
    found += [segment for segment in path.split("/") if is_path_token(segment)]
    yield from found
    yield from (unquote(part) for part in found)
    for query in queries:
        yield from (value for name, value in parse_qsl(query) if is_secret(name, value))


def _argument_secrets(args: Iterable[str]) -> Iterator[str]:
    flag_before = ""
    for arg in args:
        flag, equals, value = arg.partition("=")
        if flag_before and not arg.startswith("-"):
            if is_secret(flag_before, arg):
                yield arg
        elif document := _json(arg):
            yield from _json_secrets(document)
        elif (header := _HEADER.match(arg)) and is_secret_name(header["name"]):
            if is_secret(header["name"], header["value"]):
                yield header["value"]
        elif equals and "://" not in flag and is_secret_name(flag):
            if is_secret(flag, value):
                yield value
        elif document := _json(value):
            yield from _json_secrets(document)
        elif "://" in arg:
            yield from _url_secrets(arg if "://" in flag else value)
        flag_before = arg if arg.startswith("-") and not equals and is_secret_name(arg) else ""


def _json(text: str) -> Any:
    """The object or array that an argument holds as JSON; None for any other text."""
    if text.lstrip()[:1] in ("{", "["):
        with suppress(orjson.JSONDecodeError):
            return orjson.loads(text)
    return None


def _json_secrets(document: Any) -> Iterator[str]:
    """The strings in a JSON value under a name, at any depth, that indicates a secret; and the secrets in its URLs."""
    left: list[tuple[str, Any]] = [("", document)]
    while left:
        name, value = left.pop()
        if isinstance(value, dict):
            left += [(name or (key if is_secret_name(key) else ""), item) for key, item in value.items()]
        elif isinstance(value, list):
            left += [(name, item) for item in value]
        elif isinstance(value, str) and name:
            yield from (value,) if is_secret(name, value) else ()
        elif isinstance(value, str) and "://" in value:
            yield from _url_secrets(value)


def _is_path(value: str) -> bool:
    if not value.startswith(("/", "~", "./")):
        return False
    with suppress(OSError, RuntimeError, ValueError):
        return all(Path(part).expanduser().exists() for part in value.split(":") if part)
    return False
