"""Frames to bytes and back: orjson, and the standard library for the rare JSON that orjson refuses."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import orjson


def loads(data: bytes | bytearray | memoryview) -> Any:
    """Parse JSON. Raises ValueError."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        # lone surrogates are escapes that RFC 8259 (section 8.2) lets pass; JavaScript servers do send them
        return json.loads(bytes(data), parse_constant=_refuse)


def dumps(value: Any) -> bytes:
    """Write compact JSON on one line."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
