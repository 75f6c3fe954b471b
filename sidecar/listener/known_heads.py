"""Known heads: recognises requests whose head equals that of an earlier one except for Content-Length. Pure.

The messages of a client to its session differ only in that. So what was decided about the head of the first one
(principal, route, permission) holds for the next, and need not be decided again (ADR 19). HTTP's rules (RFC 9112) were
applied when the first one was parsed; heads that are unusual in any way are never known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

T = TypeVar("T")

CONNECTION_KEY = "connection"
"""The key in `scope["state"]` of the request's `HttpProtocol`."""
HEAD_KEY = "head"
"""The key in `scope["state"]` of the request's head as bytes; empty if it was received in pieces."""
HEAD_END = b"\r\n\r\n"
MAX_LENGTH_DIGITS = 9
"""Longest Content-Length, in digits."""
_LENGTH = b"content-length"
_EXCLUDED = frozenset({b"transfer-encoding", b"expect", b"upgrade", b"trailer", b"te", b"x-request-id"})
"""Headers that change how a message is read or answered, or belong to one request. A head with one is not known."""

TryDirect = Callable[[bytes, T], bool]
"""Serves a request body for a connection; False if the waiting way must serve it, then nothing has happened."""


class KnownHead(Generic[T]):
    """A head that was seen, in two parts around the value of Content-Length. `try_direct` serves the bodies."""

    __slots__ = ("_after", "_before", "_length", "config_version", "try_direct", "valid_until")

    def __init__(
        self,
        before: bytes,
        after: bytes,
        try_direct: TryDirect[T],
        config_version: int,
        valid_until: float | None = None,
    ) -> None:
        self._before, self._after, self._length = before, after, len(before)
        self.try_direct = try_direct
        self.config_version = config_version
        """The version of the hub's configuration with which the head was served; with another one it is not known."""
        self.valid_until = valid_until
        """When the credential in the head expires (Unix time); None if it does not."""

    def split(self, data: bytes) -> tuple[bytes, int] | None:
        """The bytes behind the head in `data`, and the length of the body; None if `data` has another head."""
        if not data.startswith(self._before):
            return None
        after, begin = self._after, self._length
        end = data.find(b"\r\n", begin)
        digits = data[begin:end]
        if not digits.isdigit() or end - begin > MAX_LENGTH_DIGITS or not data.startswith(after, end):
            return None
        return data[end + len(after) :], int(digits)


def line_of(data: bytes) -> bytes:
    """The request line of a request."""
    return data[: data.find(b"\r\n")]


def known_head(
    head: bytes, try_direct: TryDirect[T], config_version: int, valid_until: float | None = None
) -> KnownHead[T] | None:
    """Make a known head from the head of a request, with its empty line; None unless it is an ordinary POST."""
    line, *fields = head.removesuffix(HEAD_END).split(b"\r\n")
    if not head.endswith(HEAD_END) or not line.startswith(b"POST ") or not line.endswith(b" HTTP/1.1"):
        return None
    at, offset = -1, len(line) + 2
    for field in fields:
        name, colon, value = field.partition(b":")
        name = name.lower()
        if not colon or name in _EXCLUDED or (name == b"connection" and value.strip().lower() != b"keep-alive"):
            return None
        if name == _LENGTH:
            if at >= 0 or not value.strip(b" ").isdigit() or value.endswith(b" "):
                return None
            at = offset + len(field) - len(value.lstrip(b" "))
        offset += len(field) + 2
    if at < 0:
        return None
    return KnownHead(head[:at], head[head.index(b"\r\n", at) :], try_direct, config_version, valid_until)


def learn(
    scope: Mapping[str, Any],
    try_direct: TryDirect[Any],
    config_version: int,
    valid_until: float | None = None,
) -> None:
    """Make the head of a request known: bodies that come with the same head are passed to `try_direct`.

    `config_version` is the version of the hub's configuration with which the request was served, `valid_until` the end
    of its credential (Unix time). Does nothing if the head is unusual, or the server is not `HttpProtocol`.
    """
    state = scope.get("state", {})
    if head := state.get(HEAD_KEY):
        state[CONNECTION_KEY].learn(head, try_direct, config_version, valid_until)
