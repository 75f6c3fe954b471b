"""JSON that is too large to be handled in one turn of the event loop: messages as they came, and values. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson

LARGE = 1024 * 1024
"""Bytes from which a message is large."""
PIECE = 64 * 1024
"""Bytes that are handled at once, of a large message."""
URI = b'"uri"'

Write = Callable[[Any], Iterator[bytes]]
"""Writes a value as JSON, in pieces (`codec.pieces`)."""


class Pieces:
    """The bytes of a large message, as they came; `size` of them."""

    __slots__ = ("parts", "size")

    def __init__(self, parts: Sequence[bytes]) -> None:
        self.parts = list(parts)
        self.size = sum(map(len, parts))

    def __len__(self) -> int:
        return self.size

    def ends(self, head: int, tail: int) -> bytes:
        """The first `head` bytes and the last `tail`, of more bytes than these; whole parts are not copied."""
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
        """All of it, copied at once."""
        return b"".join(self.parts)


class Large:
    """A value that is not taken apart: its JSON text, in pieces. `codec` writes it wherever it stands in a message."""

    def __init__(self, text: Sequence[bytes] = ()) -> None:
        self._text = text

    @property
    def size(self) -> int:
        """Bytes of the text."""
        return sum(map(len, self._text))

    def pieces(self, _write: Write) -> Iterator[bytes]:
        """The text, in pieces that are written one after the other."""
        yield from self._text


class LargeObject(Large, dict[str, Any]):
    """An object. As a dict it is empty; it is one so that who asks for the type of the value gets the right answer."""


class LargeArray(Large, list[Any]):
    """An array. As a list it is empty, as `LargeObject` is as a dict."""


class LargeItems(LargeArray):
    """An array whose items may have URIs that the hub changes.

    `parts` are runs of whole items, as JSON with commas between them, and single items that have large strings.
    """

    def __init__(self, parts: Sequence[bytes | Any], change: Callable[[Any], Any] | None = None) -> None:
        super().__init__()
        self._parts = parts
        self._change = change

    @property
    def size(self) -> int:
        """Bytes of the text, roughly: what the changes add is not counted."""
        return sum(len(part) if isinstance(part, bytes) else size_of(part) for part in self._parts)

    def changed(self, change: Callable[[Any], Any]) -> LargeItems:
        """The same with `change` made of each item that has a `uri`, when it is written."""
        return LargeItems(self._parts, change)

    def pieces(self, write: Write) -> Iterator[bytes]:
        """The text, with the changes made, in pieces that are written one after the other."""
        before = b"["
        for part in self._parts:
            if not isinstance(part, bytes):
                yield before
                yield from write(part if self._change is None else self._change(part))
            elif self._change is None or URI not in part:
                yield before + part
            else:
                items = [self._change(item) for item in orjson.loads(b"[%b]" % part)]
                yield before + b"".join(write(items))[1:-1]
            before = b","
        yield b"[]" if before == b"[" else b"]"


def size_of(value: Any) -> int:
    """Bytes of the large values in a message."""
    if isinstance(value, Large):
        return value.size
    within = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return sum(map(size_of, within))
