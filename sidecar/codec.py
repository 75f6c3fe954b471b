"""Frames to bytes and back: orjson, and the standard library for the rare JSON that orjson refuses."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import orjson

DEEPEST = 200
"""Levels of arrays and objects that are certainly read; what is read can be written again, and orjson writes 254."""


def loads(data: bytes | bytearray) -> Any:
    """Parse JSON. Raises ValueError, also for JSON that could not be written again."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        return _leniently(data)
    if data.count(b"[") + data.count(b"{") > DEEPEST:
        _check_depth(value)
    return value


def dumps(value: Any) -> bytes:
    """Write compact JSON on one line."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def _leniently(data: bytes | bytearray) -> Any:
    """Lone surrogates are escapes that RFC 8259 (section 8.2) lets pass; JavaScript servers do send them."""
    try:
        value = json.loads(data, parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise ValueError("too many levels") from None
    if _deeper_than(DEEPEST, value):
        raise ValueError("too many levels")
    return value


def _check_depth(value: Any) -> None:
    try:
        orjson.dumps(value)
    except TypeError:
        raise ValueError("too many levels") from None


def _deeper_than(levels: int, value: Any) -> bool:
    row = [value]
    for _ in range(levels + 1):
        row = [
            item
            for each in row
            if isinstance(each, dict | list)
            for item in (each.values() if isinstance(each, dict) else each)
        ]
    return bool(row)


def _finite(digits: str) -> float:
    value = float(digits)
    return value if abs(value) != float("inf") else _refuse(digits)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
