"""JSON as YAMCP writes it, and hashes of what it says (pure)."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable
from typing import Any

import orjson

SURROGATE = re.compile("[\ud800-\udfff]")
HALF = "\ufffd"
DEEPEST = 100
"""Levels of objects and lists."""


def stringify(value: Any) -> bytes:
    """As JavaScript's JSON.stringify(value, null, 2), but that names and numbers stay as they are."""
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


def too_deep(value: Any) -> bool:
    """Whether a value is nested deeper than what is written, or sent over the bridge, may be."""
    layer = [value]
    for _ in range(DEEPEST):
        layer = [item for outer in layer for item in _within(outer)]
        if not layer:
            return False
    return True


def _within(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list | tuple) else ()


def entry_hash(entry: Any) -> str:
    """SHA-256 (hex) of what an entry says: the same however it is written, and in whatever order its names are."""
    return hashlib.sha256(_compact(entry, orjson.OPT_SORT_KEYS)).hexdigest()


def same(one: Any, other: Any) -> bool:
    """Whether two documents say the same, in the same order."""
    return _compact(one) == _compact(other)


def _compact(value: Any, option: int = 0) -> bytes:
    try:
        return orjson.dumps(value, option=option)
    except TypeError:
        return json.dumps(value, sort_keys=bool(option)).encode()


def file_hash(raw: bytes | None) -> str:
    """SHA-256 (hex) of a file's bytes; empty for a file that does not exist."""
    return "" if raw is None else hashlib.sha256(raw).hexdigest()


def sendable(value: Any) -> Any:
    """The same as far as it can cross the bridge: halves of characters are replaced, huge integers rounded."""
    if isinstance(value, str):
        return SURROGATE.sub(HALF, value)
    if isinstance(value, dict):
        return {sendable(key): sendable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [sendable(item) for item in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return float(value) if value.bit_length() < 1024 else None
    return value
