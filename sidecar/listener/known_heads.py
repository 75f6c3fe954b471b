"""Requests that look like one that was served: the same head, but for the length of the body. Pure.

A client's messages to its session differ in nothing else, so what was found out about the head of one, byte by byte
(whose it is, where it goes, that it may), holds for the next, and need not be found out again. HTTP's own rules
(RFC 9112) are kept by whoever read the first one: a head that this does not know to be plain is not known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

END = b"\r\n\r\n"
MOST_DIGITS = 9
"""Of a body's length."""
_LENGTH = b"content-length"
_NOT_PLAIN = frozenset({b"transfer-encoding", b"expect", b"upgrade", b"trailer", b"te"})
"""Headers that say more of how the message is to be read or answered."""

Taker = Callable[[bytes, T], bool]
"""Takes a body; False, and nothing has happened, where it is to be served in the usual way."""


class KnownHead(Generic[T]):
    """The heads that are as one that was seen. `try_direct` gets the bodies that come with them."""

    __slots__ = ("_after", "_before", "_length", "config_version", "try_direct", "valid_until")

    def __init__(
        self,
        before: bytes,
        after: bytes,
        try_direct: Taker[T],
        config_version: int,
        valid_until: float | None = None,
    ) -> None:
        self._before, self._after, self._length = before, after, len(before)
        self.try_direct = try_direct
        self.config_version = config_version
        """The version of the hub's configuration then: what was decided by another one may be decided otherwise now."""
        self.valid_until = valid_until
        """When the credential in the head ends (Unix time); None for one that does not end by itself."""

    def split(self, data: bytes) -> tuple[bytes, int] | None:
        """What follows the head in `data`, and the length of the body; None where the head is another one."""
        if not data.startswith(self._before):
            return None
        after, begin = self._after, self._length
        end = data.find(b"\r\n", begin)
        digits = data[begin:end]
        if not digits.isdigit() or end - begin > MOST_DIGITS or not data.startswith(after, end):
            return None
        return data[end + len(after) :], int(digits)


def line_of(data: bytes) -> bytes:
    """The request line, by which known heads are found."""
    return data[: data.find(b"\r\n")]


def known_head(
    head: bytes, try_direct: Taker[T], config_version: int, valid_until: float | None = None
) -> KnownHead[T] | None:
    """The head of a request that was served, its empty line included; None where it is not a plain POST."""
    line, *fields = head.removesuffix(END).split(b"\r\n")
    if not head.endswith(END) or not line.startswith(b"POST ") or not line.endswith(b" HTTP/1.1"):
        return None
    at, offset = -1, len(line) + 2
    for field in fields:
        name, colon, value = field.partition(b":")
        name = name.lower()
        if not colon or name in _NOT_PLAIN or (name == b"connection" and value.strip().lower() != b"keep-alive"):
            return None
        if name == _LENGTH:
            if at >= 0 or not value.strip(b" ").isdigit() or value.endswith(b" "):
                return None
            at = offset + len(field) - len(value.lstrip(b" "))
        offset += len(field) + 2
    if at < 0:
        return None
    return KnownHead(head[:at], head[head.index(b"\r\n", at) :], try_direct, config_version, valid_until)
