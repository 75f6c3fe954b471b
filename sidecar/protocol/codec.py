"""Frames to bytes and back: orjson, and the standard library for the rare JSON that orjson refuses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn

import orjson

from sidecar.protocol.large_values import Large

DEEPEST = 200
"""Levels of arrays and objects that are certainly read; what is read can be written again, and orjson writes 254."""
FEW = 4096
"""Bytes of a text in which `count` takes less time than `find` from one bracket to the next."""


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
    if len(data) > 2 * DEEPEST and _has_more(data, DEEPEST):  # what begins ends, too
        _check_depth(value)
    return value


def _has_more(data: bytes | bytearray, most: int) -> bool:
    """Whether more than `most` arrays and objects may begin in this JSON; of long texts `find` is the faster way."""
    if len(data) < FEW:
        return data.count(b"{") + data.count(b"[") > most
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


class HasLarge(Exception):
    """A message has large values, and is written in pieces."""


_MARK = b"\0"
"""Where a large value goes; JSON has no such byte (RFC 8259, section 7)."""
_BREAKS = ((b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"), (b"\xc2\x85", b"\\u0085"))
"""Line ends of Unicode that JSON lets stand as they are (RFC 8259, section 7), and their escapes."""


def _copied(value: Any) -> orjson.Fragment:
    if isinstance(value, Written):
        return orjson.Fragment(value.data)
    return orjson.Fragment(b"".join(value.pieces(pieces)) if isinstance(value, Large) else orjson.dumps(value))


def _copied_small(value: Any) -> orjson.Fragment:
    if isinstance(value, Large):
        raise HasLarge
    return _copied(value)


def dumps(value: Any) -> bytes:
    """Write compact JSON on one line, integers beyond 64 bits too (the SDK reads them so)."""
    return _dumps(value, _copied)


def dumps_small(value: Any) -> bytes:
    """The same. Raises HasLarge where there are large values, which `pieces` writes."""
    try:
        return orjson.dumps(value, _copied_small, orjson.OPT_PASSTHROUGH_SUBCLASS)
    except TypeError as error:
        if isinstance(error.__cause__, HasLarge):
            raise HasLarge from None
        return _dumps(value, _copied)


def pieces(value: Any) -> Iterator[bytes]:
    """Write a message that may have large values piece by piece, each when it is asked for; `escaped` throughout."""
    found: list[Large] = []

    def mark(each: Any) -> orjson.Fragment:
        if not isinstance(each, Large):
            return _copied(each)
        found.append(each)
        return orjson.Fragment(_MARK)

    first, *rest = _dumps(value, mark).split(_MARK)
    yield escaped(first)
    for large, after in zip(found, rest, strict=True):
        yield from large.pieces(pieces)
        yield escaped(after)


def escaped(data: bytes) -> bytes:
    """JSON in which nothing ends a line, not even as Unicode has it; it means the same."""
    if not data.isascii():
        for raw, escape in _BREAKS:
            data = data.replace(raw, escape)
    return data


def _dumps(value: Any, default: Callable[[Any], Any]) -> bytes:
    try:
        return orjson.dumps(value, default, orjson.OPT_PASSTHROUGH_SUBCLASS)
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
