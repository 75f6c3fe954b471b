"""JSON messages and values too large to process in one step without blocking the event loop. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson

LARGE_SIZE = 1024 * 1024
"""Bytes from which on a message is large."""
PIECE_SIZE = 64 * 1024
"""Bytes of a large message that are processed in one step."""
URI_KEY = b'"uri"'

Encode = Callable[[Any], Iterator[bytes]]
"""Encodes a value as JSON, in pieces (`codec.pieces`)."""


class Pieces:
    """The bytes of a large message in the chunks in which they arrived; `size` is their total number."""

    __slots__ = ("parts", "size")

    def __init__(self, parts: Sequence[bytes]) -> None:
        self.parts = list(parts)
        self.size = sum(map(len, parts))

    def __len__(self) -> int:
        return self.size

    def ends(self, head: int, tail: int) -> bytes:
        """The first `head` and the last `tail` bytes, joined, of a message that is longer than both together."""
        first, last = bytearray(), b""
        for part in self.parts:
            if len(first) >= head:
                break
            first += part[: head - len(first)]
        for part in reversed(self.parts):
            if len(last) >= tail:
                break
            last = part[-(tail - len(last)) :] + last
        return bytes(first) + last

    def joined(self) -> bytes:
        """The whole message as one copy."""
        return b"".join(self.parts)


class Large:
    """A value kept as its unparsed JSON text, in pieces. `codec` encodes it wherever it occurs in a message."""

    def __init__(self, text: Sequence[bytes] = ()) -> None:
        self._text = text

    @property
    def size(self) -> int:
        """Bytes of the text."""
        return sum(map(len, self._text))

    def pieces(self, _encode: Encode) -> Iterator[bytes]:
        """The JSON text, in pieces."""
        yield from self._text


class LargeObject(Large, dict[str, Any]):
    """A large object. A dict, so that type checks of the value hold, but an empty one."""


class LargeArray(Large, list[Any]):
    """A large array. A list, so that type checks of the value hold, but an empty one."""


class LargeItems(LargeArray):
    """A large array whose items may have URIs that the hub rewrites.

    Each of `parts` is either JSON text of complete items, separated by commas, or one parsed item with large strings.
    `change` is applied to each item that has a `uri` when the array is encoded.
    """

    def __init__(self, parts: Sequence[bytes | Any], change: Callable[[Any], Any] | None = None) -> None:
        super().__init__()
        self._parts = parts
        self._change = change

    @property
    def size(self) -> int:
        """Approximate bytes of the text: those that `change` adds are not counted."""
        return sum(len(part) if isinstance(part, bytes) else size_of(part) for part in self._parts)

    def changed(self, change: Callable[[Any], Any]) -> LargeItems:
        """The same array with `change` applied when it is encoded."""
        return LargeItems(self._parts, change)

    def pieces(self, encode: Encode) -> Iterator[bytes]:
        """The JSON text with `change` applied, in pieces."""
        before = b"["
        for part in self._parts:
            if not isinstance(part, bytes):
                yield before
                yield from encode(part if self._change is None else self._change(part))
            elif self._change is None or URI_KEY not in part:
                yield before + part
            else:
                items = [self._change(item) for item in orjson.loads(b"[%b]" % part)]
                yield before + b"".join(encode(items))[1:-1]
            before = b","
        yield b"[]" if before == b"[" else b"]"


def size_of(value: Any) -> int:
    """Total bytes of the large values in a message."""
    if isinstance(value, Large):
        return value.size
    within = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return sum(map(size_of, within))
