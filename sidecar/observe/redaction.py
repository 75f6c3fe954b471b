"""Masks secrets in text for people: log lines, stderr output, error reasons."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, unquote_plus

from bridge.masking.names import (
    SHORTEST,
    is_open_variable,
    is_open_word,
    is_path_token,
    is_secret,
    is_secret_name,
)
from bridge.masking.parts import Part, member_value, split_arguments, split_url
from bridge.models import Launch, RemoteLaunch
from sidecar.observe.secret_forms import forms
from sidecar.observe.secret_index import SecretIndex
from sidecar.observe.secret_shapes import MASK, mask_shapes

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
        return mask_shapes(self.mask_known(text))

    def mask_known(self, text: str) -> str:
        """Mask the secrets that were added, but nothing that only looks like one."""
        shown: list[str] = []
        at = 0
        for begin, end in self._index.spans(text):
            shown += text[at:begin], MASK
            at = end
        return "".join((*shown, text[at:])) if shown else text


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


def _argument_secrets(args: Iterable[str]) -> Iterator[str]:
    for parts in split_arguments(args):
        for part in parts:
            yield from _part_secrets(part)


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
    for part in split_url(url):
        yield from _part_secrets(part)


def _part_secrets(part: Part) -> Iterator[str]:
    """The secrets in a part of a URL or an argument."""
    match part.kind:
        case "user" if len(part.text) < SHORTEST:
            return
        case "password" if not part.text:
            return
        case "host" | "segment" if not is_path_token(part.text):
            return
        case "user" | "password" | "host" | "segment":
            yield from (part.text, unquote(part.text))
        case "parameter":
            value = unquote_plus(part.text)
            yield from (value,) if is_secret(unquote_plus(part.name), value) else ()
        case "named":
            yield from (part.text,) if is_secret(part.name, part.text) else ()
        case "member":
            value = member_value(part)
            if part.name:
                yield from (value,) if is_secret(part.name, value) else ()
            else:
                yield from _url_secrets(value)


def _is_path(value: str) -> bool:
    if not value.startswith(("/", "~", "./")):
        return False
    with suppress(OSError, RuntimeError, ValueError):
        return all(Path(part).expanduser().exists() for part in value.split(":") if part)
    return False
