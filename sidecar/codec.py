"""Frames to bytes and back: orjson, and the standard library for the rare JSON that orjson refuses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import orjson

DEEPEST = 200
"""Levels of arrays and objects that are certainly read; what is read can be written again, and orjson writes 254."""


def loads(data: bytes | bytearray, *, from_server: bool = False) -> Any:
    """Parse JSON. Raises ValueError, also for JSON that could not be written again.

    Lone surrogates, escapes that RFC 8259 (section 8.2) lets pass and that JavaScript servers do send, become `?`. Of
    what comes `from_server`, NaN and Infinity, which JSON does not have, become null, and bytes that are not UTF-8
    become U+FFFD, as in the TypeScript SDK.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        if from_server and (replaced := _as_utf8(data)) != data:
            return loads(replaced, from_server=True)
        return _leniently(data, _null if from_server else _refuse)
    if len(data) > DEEPEST and _has_more(data, DEEPEST):
        _check_depth(value)
    return value


def _has_more(data: bytes | bytearray, most: int) -> bool:
    """Whether more than `most` arrays and objects may begin in this JSON. `find` is ten times as fast as `count`."""
    found = 0
    for opening in (b"{", b"["):
        at = data.find(opening)
        while at >= 0:
            found += 1
            if found > most:
                return True
            at = data.find(opening, at + 1)
    return False


def _as_utf8(data: bytes | bytearray) -> bytes:
    """The bytes with what is not UTF-8 replaced; UTF-16 and -32, which JSON may be in, are none of it."""
    return data.decode(errors="replace").encode() if b"\0" not in data else bytes(data)


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
        value = json.loads(data, parse_constant=constant, parse_float=_finite, parse_int=_integer)
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


def _integer(digits: str) -> int | float:
    """An integer, or the nearest double of one beyond 64 bits: `int` takes long for thousands of digits."""
    return int(digits) if len(digits) < 20 else _finite(digits)


def _null(_: str) -> None:
    return None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
