"""Serializes JSON as YAMCP does, and computes hashes of its content. Pure."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable
from typing import Any

import orjson

SURROGATE = re.compile("[\ud800-\udfff]")
REPLACEMENT_CHARACTER = "\ufffd"
MAX_DEPTH = 100
"""Limit for the nesting of objects and lists."""


def stringify(value: Any) -> bytes:
    """Serialize like JavaScript's `JSON.stringify(value, null, 2)`, but keep the order of keys and the form of
    numbers.
    """
    try:
        text = orjson.dumps(value, option=orjson.OPT_INDENT_2)
        if orjson.loads(text) == value:
            return text
    except TypeError:
        pass
    return _text(value, "").encode()  # what orjson cannot write: half a character, numbers beyond 64 bits


def _text(value: Any, indent: str) -> str:
    inner = indent + "  "
    if isinstance(value, dict) and value:
        items = [f"{inner}{_string(key)}: {_text(item, inner)}" for key, item in value.items()]
        return "{\n" + ",\n".join(items) + f"\n{indent}}}"
    if isinstance(value, list | tuple) and value:
        return "[\n" + ",\n".join(inner + _text(item, inner) for item in value) + f"\n{indent}]"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, float) and math.isinf(value):  # what a file says as 1e999
        return "1e999" if value > 0 else "-1e999"
    return json.dumps(value)


def _string(value: str) -> str:
    quoted = json.dumps(value, ensure_ascii=False)
    return SURROGATE.sub(lambda half: f"\\u{ord(half[0]):04x}", quoted)


def is_too_deep(value: Any) -> bool:
    """Return whether a value is nested deeper than `MAX_DEPTH`, the limit for files and for the bridge."""
    layer = [value]
    for _ in range(MAX_DEPTH):
        layer = [item for outer in layer for item in _children(outer)]
        if not layer:
            return False
    return True


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list | tuple) else ()


def entry_hash(entry: Any) -> str:
    """Return the SHA-256 (hex) of an entry's content, independent of white space and of the order of its keys."""
    return hashlib.sha256(_compact(entry, orjson.OPT_SORT_KEYS)).hexdigest()


def same_content(one: Any, other: Any) -> bool:
    """Return whether two documents have the same content, in the same order."""
    return _compact(one) == _compact(other)


def _compact(value: Any, option: int = 0) -> bytes:
    try:
        return orjson.dumps(value, option=option)
    except TypeError:
        return json.dumps(value, sort_keys=bool(option)).encode()


def file_hash(raw: bytes | None) -> str:
    """Return the SHA-256 (hex) of a file's bytes; empty for a file that does not exist."""
    return "" if raw is None else hashlib.sha256(raw).hexdigest()


def sendable(value: Any) -> Any:
    """Return the value in a form that can be sent over the bridge: lone surrogates are replaced, huge integers become
    floats.
    """
    if isinstance(value, str):
        return SURROGATE.sub(REPLACEMENT_CHARACTER, value)
    if isinstance(value, dict):
        return {sendable(key): sendable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [sendable(item) for item in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return float(value) if value.bit_length() < 1024 else None
    return value
