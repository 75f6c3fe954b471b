"""Frames to bytes and back: orjson, and the standard library for the rare JSON that orjson refuses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import orjson

DEEPEST = 200
"""Levels of arrays and objects that are certainly read; what is read can be written again, and orjson writes 254."""


def loads(data: bytes | bytearray, *, nan_as_null: bool = False) -> Any:
    """Parse JSON. Raises ValueError, also for JSON that could not be written again.

    Lone surrogates, escapes that RFC 8259 (section 8.2) lets pass and that JavaScript servers do send, become `?`. With
    `nan_as_null`, NaN and Infinity, which some servers write though JSON has neither, become null.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        return _leniently(data, _null if nan_as_null else _refuse)
    if len(data) > DEEPEST and data.count(b"[") + data.count(b"{") > DEEPEST:
        _check_depth(value)
    return value


class Written(list[Any]):
    """A list that is not changed any more, and was written once: `dumps` copies its bytes into what it is part of."""

    __slots__ = ("data",)

    def __init__(self, items: Iterable[Any]) -> None:
        super().__init__(items)
        self.data = dumps(list(self))


def _copied(value: Any) -> orjson.Fragment:
    return orjson.Fragment(value.data if isinstance(value, Written) else orjson.dumps(value))


def dumps(value: Any) -> bytes:
    """Write compact JSON on one line, integers beyond 64 bits too (the SDK reads them so)."""
    try:
        return orjson.dumps(value, _copied, orjson.OPT_PASSTHROUGH_SUBCLASS)
    except TypeError as error:
        if "64-bit" not in str(error):
            raise
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _leniently(data: bytes | bytearray, constant: Callable[[str], None]) -> Any:
    try:
        value = json.loads(data, parse_constant=constant, parse_float=_finite)
        value = orjson.loads(json.dumps(value, ensure_ascii=False).encode(errors="replace"))
    except RecursionError:
        raise ValueError("too many levels") from None
    _check_depth(value)
    return value


def _check_depth(value: Any) -> None:
    try:
        orjson.dumps(value)
    except TypeError:
        raise ValueError("too many levels") from None


def _finite(digits: str) -> float:
    value = float(digits)
    return value if abs(value) != float("inf") else _refuse(digits)


def _null(_: str) -> None:
    return None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
