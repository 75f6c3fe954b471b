"""Splits URLs, command lines and JSON into parts, of which those that may be secret say what they are. Pure.

The texts of the parts, joined, are the original text. Whoever masks decides which parts are masked: for pages and the
API it is yamcp_ui_adapter/format/masking.py, for logs sidecar/observe/redaction.py. docs/security.md compares them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

from bridge.masking.names import is_secret_name

MASK = "********"
"""What pages and the API show in the place of a secret."""
PartKind = Literal["", "user", "password", "host", "segment", "parameter", "named", "member"]
"""What a part is.

`user`, `password` (all of the userinfo, where it has no colon), `host`, `segment` (of the path) and `parameter` (its
value) are parts of a URL. `named` is text whose name indicates a secret; `member` is the same in a JSON text, still
with JSON's escapes; without a name, a URL that is written with escapes. Empty: text that is never secret.
"""

_HEADER = re.compile(r"(?is)(?P<name>[\w-]{1,64}): {0,8}(?:(?:bearer|basic|token) {1,8})?(?P<value>[^/ ].*)")
"""An HTTP header as a command-line argument, as many programs take it after `--header`."""
_BEFORE_AUTHORITY = re.compile(r"\s*+(?:[A-Za-z][\w+.-]*+:)?[\\/]*+")
_AUTHORITY_END = re.compile(r"[\\/?#]")
_BEFORE_PARAMETER = re.compile(r"(?=[?&#])")
# The closing quote is there in valid JSON; without the `?` a search through other text would take quadratic time.
_JSON_TOKEN = re.compile(r'"(?P<text>(?:[^"\\]++|\\.)*+)"?(?P<colon>\s*+:)?|[{}\[\]]', re.DOTALL)


class Part(NamedTuple):
    """A piece of a text."""

    text: Any
    """A string; an argument that is none is a part as it is."""
    kind: PartKind = ""
    name: str = ""
    """The name of a parameter, flag (with the `=` behind it, if there is one), header or member."""


# --- URLs ------------------------------------------------------------------------------------------------------------


def split_url(url: str) -> list[Part]:
    """Split a URL, or what stands in the place of one, as that is shown all the same."""
    start = _BEFORE_AUTHORITY.match(url).end()  # type: ignore[union-attr]  # it matches anything
    userinfo = _userinfo(url[start:])
    path, *queries = _BEFORE_PARAMETER.split(url[start + len(userinfo) :])
    parts = [Part(url[:start]), *_user_and_password(userinfo), *_path(path)]
    return parts + [part for query in queries for part in _parameter(query)]


def _userinfo(text: str) -> str:
    """What a URL has between its scheme and its host, including the `@`; that of an invalid one with a `/` in its
    password, too."""
    ends = _AUTHORITY_END.search(text)
    authority = text[: ends.start()] if ends else text
    within = authority if "@" in authority or not _has_odd_port(authority) else text
    return within[: within.rfind("@") + 1]


def _has_odd_port(authority: str) -> bool:
    host = authority.rpartition("]")[2] if authority.startswith("[") else authority
    return not all(part.isdigit() or not part for part in host.split(":")[1:])


def _user_and_password(userinfo: str) -> list[Part]:
    if not userinfo:
        return []
    user, colon, password = userinfo[:-1].partition(":")
    if not colon:
        return [Part(user, "password"), Part("@")]
    return [Part(user, "user"), Part(":"), Part(password, "password"), Part("@")]


def _path(path: str) -> Iterator[Part]:
    """The host, and the segments of the path."""
    host, *segments = path.split("/")
    yield Part(host, "host")
    for segment in segments:
        yield Part("/")
        yield Part(segment, "segment")


def _parameter(text: str) -> Iterator[Part]:
    """A parameter with the `?`, `&` or `#` before it."""
    name, equals, value = text.partition("=")
    yield Part(name + equals)
    yield Part(value, "parameter", name[1:])


# --- arguments -------------------------------------------------------------------------------------------------------


def split_arguments(args: Iterable[Any]) -> list[list[Part]]:
    """Split each argument of a command.

    Named are the value after a flag (`--api-key X`, `--token=X`), the value of a header (`X-Api-Key: X`) and strings
    at any depth of JSON, where the name indicates a secret. URLs are split as by `split_url`.
    """
    found: list[list[Part]] = []
    flag = ""
    for arg in args:
        found.append(_split_argument(arg, flag))
        is_flag = isinstance(arg, str) and arg.startswith("-") and "=" not in arg and is_secret_name(arg)
        flag = arg if is_flag else ""
    return found


def _split_argument(arg: Any, flag: str) -> list[Part]:
    """`flag`: the argument before it, if that is one whose value is secret."""
    if not isinstance(arg, str | int | float) or isinstance(arg, bool):
        return [Part(arg)]
    if flag and not str(arg).startswith("-"):
        return [Part(arg, "named", flag)]
    return _split_text(arg) if isinstance(arg, str) else [Part(arg)]


def _split_text(arg: str) -> list[Part]:
    if document := split_json(arg):
        return document
    header = _HEADER.match(arg)
    if header and is_secret_name(header["name"]):
        begin = header.start("value")
        return [Part(arg[:begin]), Part(arg[begin:], "named", header["name"])]
    name, equals, value = arg.partition("=")
    in_url = "://" in name
    if equals and not in_url and is_secret_name(name):
        return [Part(name + equals), Part(value, "named", name + equals)]
    if equals and (document := split_json(value)):
        return [Part(name + equals), *document]
    if "://" not in arg:
        return [Part(arg)]
    return split_url(arg) if in_url or not equals else [Part(name + equals), *split_url(value)]


# --- JSON ------------------------------------------------------------------------------------------------------------


def split_json(text: str) -> list[Part] | None:
    """Split a JSON object or array; None for any other text, and for one that is nested too deep to be read."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return None
    parts: list[Part] = []
    done = 0
    for begin, end, name in _strings(text):
        inner = text[begin:end]
        parts += Part(text[done:begin]), *_split_string(inner, name)
        done = end
    return [*parts, Part(text[done:])]


def member_value(part: Part) -> str:
    """The string that a `member` part stands for."""
    value: str = json.loads(f'"{part.text}"')
    return value


def _split_string(inner: str, name: str) -> list[Part]:
    """A string in JSON: a secret by its name, or perhaps a URL."""
    if name or inner == MASK or ("\\" in inner and "://" in member_value(Part(inner))):
        return [Part(inner, "member", name)]
    return split_url(inner) if "://" in inner else [Part(inner)]


def _strings(text: str) -> Iterator[tuple[int, int, str]]:
    """The strings of a valid JSON text that are values: where each begins and ends inside its quotes, and the outermost
    name above it that indicates a secret."""
    above: list[str] = []
    """For each object and array that is open, what its members inherit."""
    name = ""
    for token in _JSON_TOKEN.finditer(text):
        if token[0] in ("{", "["):
            above.append(name)
        elif token[0] in ("}", "]"):
            name = above.pop()
        elif token["colon"]:
            key = member_value(Part(token["text"]))
            name = above[-1] or (key if is_secret_name(key) else "")
        else:
            yield *token.span("text"), name
