"""Parses the bytes of a file into a JSON object. Pure."""

from __future__ import annotations

import json
from typing import Any, NamedTuple, NoReturn

import orjson

from bridge.models import Issue
from yamcp_ui_adapter.errors import FileUnusable, issue

LAST_GOOD_IN_USE = "its last good version stays in use"


class Document(NamedTuple):
    """The top-level object of a file, and issues that do not prevent its use."""

    content: dict[str, Any]
    issues: list[Issue]


def read_document(raw: bytes | None, file: str) -> Document:
    """Return the top-level object of a file; `None` stands for a file that does not exist and counts as `{}`.

    Raises:
        FileUnusable: the file is empty, not JSON, or not an object.
    """
    if raw is None:
        return Document({}, [])
    duplicates: list[str] = []
    content = _decode(_text(raw, file), file, duplicates)
    if not isinstance(content, dict):
        raise FileUnusable(
            "FILE_NOT_OBJECT", file, f"{file} holds {json_type(content)}, not an object; {LAST_GOOD_IN_USE}."
        )
    return Document(content, [_duplicate(file, key) for key in duplicates])


def json_type(value: object) -> str:
    """Return the JSON type of a value as text for messages, without the value itself."""
    names = {dict: "an object", list: "a list", str: "text", bool: "a boolean", int: "a number", float: "a number"}
    return names.get(type(value), "null")


def is_encodable(value: object) -> bool:
    """Return whether every string in a value is valid in UTF-8 and as a process argument: no lone surrogate and
    no NUL.
    """
    try:
        text = orjson.dumps(value)
    except TypeError:  # a lone surrogate, or a number beyond 64 bits
        try:
            text = json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            return False
    return b"\\u0000" not in text or b"\\u0000" not in text.replace(b"\\\\", b"")


def _text(raw: bytes, file: str) -> str:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"{file} is not UTF-8 (byte {error.start}); {LAST_GOOD_IN_USE}."
        raise FileUnusable("FILE_UNPARSABLE", file, message) from None
    if not text.strip(" \t\r\n\0"):
        raise FileUnusable("FILE_EMPTY", file, f"{file} is empty; {LAST_GOOD_IN_USE}.")
    return text


def _decode(text: str, file: str, duplicates: list[str]) -> Any:
    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(items)
        if len(result) < len(items):
            names = [name for name, _ in items]
            duplicates.extend(name for name in result if names.count(name) > 1)
        return result

    try:
        return json.loads(text, object_pairs_hook=pairs, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}: {error.msg}"
        raise FileUnusable("FILE_UNPARSABLE", file, f"{file} is not JSON ({where}); {LAST_GOOD_IN_USE}.") from None
    except (ValueError, RecursionError):
        message = f"{file} holds numbers or nesting beyond what JSON readers take; {LAST_GOOD_IN_USE}."
        raise FileUnusable("FILE_UNPARSABLE", file, message) from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _duplicate(file: str, key: str) -> Issue:
    return issue("KEY_DUPLICATE", f"file:{file}", file, f"{file} has {key!r} twice in one object; the last one counts.")
