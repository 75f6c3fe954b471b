"""JSON encoding and decoding: orjson, with the standard library as fallback for JSON that orjson rejects."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn

import orjson

from sidecar.protocol.large_values import Large

MAX_CHECKED_DEPTH = 200
"""Nesting depth up to which JSON is accepted without checking that orjson can encode it again (its limit is 254)."""
TRUNCATED = "unexpected end of data"
"""orjson's message for the beginning of valid JSON, which the standard library would not accept either."""
SHORT_TEXT = 4096
"""Bytes below which counting all brackets (`count`) is faster than searching for one after the other (`find`)."""


def loads(data: bytes | bytearray, *, from_server: bool = False) -> Any:
    """Parse JSON.

    Escaped lone surrogates, which RFC 8259 (section 8.2) permits and JavaScript servers send, become `?`. With
    `from_server`, NaN and Infinity, which are not JSON, become null, and invalid UTF-8 becomes U+FFFD, as in the
    TypeScript SDK.

    Raises:
        ValueError: the data is not JSON, or could not be encoded again (nested too deeply).
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        if error.msg == TRUNCATED:
            raise
        if from_server and (replaced := _as_utf8(data)) != data:
            return loads(replaced, from_server=True)
        return _leniently(data, _null if from_server else _refuse)
    if len(data) > 2 * MAX_CHECKED_DEPTH and _has_more(data, MAX_CHECKED_DEPTH):  # 2: each bracket is also closed
        _check_depth(value)
    return value


def _has_more(data: bytes | bytearray, most: int) -> bool:
    """Whether this JSON may contain more than `most` arrays and objects (brackets in strings count as well)."""
    if len(data) < SHORT_TEXT:
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
    """The bytes with invalid UTF-8 replaced by U+FFFD. Bytes with zeros (UTF-16, UTF-32) are returned unchanged."""
    return data.decode(errors="replace").encode() if b"\0" not in data else bytes(data)


class EncodedList(list[Any]):
    """An immutable list that is encoded once: `dumps` copies its bytes into every message that contains it."""

    __slots__ = ("data",)

    def __init__(self, items: Iterable[Any]) -> None:
        super().__init__(items)
        self.data = dumps(list(self))


class HasLargeValues(Exception):
    """The message contains large values and has to be encoded in pieces (`pieces`)."""


_PLACEHOLDER = b"\0"
"""Stands for a large value while the rest is encoded; this byte cannot occur in JSON (RFC 8259, section 7)."""
_LINE_BREAKS = ((b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"), (b"\xc2\x85", b"\\u0085"))
"""Unicode line breaks that JSON permits unescaped in strings (RFC 8259, section 7), and their escapes."""


def _copied(value: Any) -> orjson.Fragment:
    if isinstance(value, EncodedList):
        return orjson.Fragment(value.data)
    return orjson.Fragment(b"".join(value.pieces(pieces)) if isinstance(value, Large) else orjson.dumps(value))


def _copied_small(value: Any) -> orjson.Fragment:
    if isinstance(value, Large):
        raise HasLargeValues
    return _copied(value)


def dumps(value: Any) -> bytes:
    """Encode as compact JSON on one line. Integers beyond 64 bits are allowed, as in the Python SDK."""
    return _dumps(value, _copied)


def dumps_small(value: Any) -> bytes:
    """As `dumps`, for messages without large values.

    Raises:
        HasLargeValues: the message contains large values; encode it with `pieces`.
    """
    try:
        return orjson.dumps(value, _copied_small, orjson.OPT_PASSTHROUGH_SUBCLASS)
    except TypeError as error:
        if isinstance(error.__cause__, HasLargeValues):
            raise HasLargeValues from None
        return _dumps(value, _copied)


def pieces(value: Any) -> Iterator[bytes]:
    """Encode a message that may contain large values, lazily and piece by piece, with line breaks `escaped`."""
    found: list[Large] = []

    def encode(each: Any) -> orjson.Fragment:
        if not isinstance(each, Large):
            return _copied(each)
        found.append(each)
        return orjson.Fragment(_PLACEHOLDER)

    first, *rest = _dumps(value, encode).split(_PLACEHOLDER)
    yield escaped(first)
    for large, after in zip(found, rest, strict=True):
        yield from large.pieces(pieces)
        yield escaped(after)


def escaped(data: bytes) -> bytes:
    """The same JSON with Unicode line breaks in strings escaped: some SSE clients end a line there."""
    if not data.isascii():
        for raw, escape in _LINE_BREAKS:
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
    """An integer; from 20 digits on the nearest double, as `int` takes quadratic time for thousands of digits."""
    return int(digits) if len(digits) < 20 else _finite(digits)


def _null(_: str) -> None:
    return None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
