"""The outline of a large message: the message without its large values, whose texts are transferred separately. Pure.

In the outline, large values are replaced by null; it lists them with the sizes of their texts, in the order in which
the texts follow. Large values are members of a `result`, or strings in an item of such a member.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import orjson

from sidecar.protocol import codec
from sidecar.protocol.large_values import PIECE_SIZE, Large, LargeArray, LargeItems, LargeObject

ITEMS = ("content", "contents", "messages")
"""Members of results that are arrays in whose items the hub may rewrite URIs."""
OPAQUE = ("structuredContent",)
"""Members that are forwarded unchanged."""
HOLDERS = ((), ("resource",), ("content",))
"""Paths in an item to objects that may have large strings."""
STRINGS = ("text", "data", "blob")
"""Names of the large strings."""
MAX_RUN = 4 * PIECE_SIZE
"""Bytes of the longest run of items that are transferred as one text."""

Texts = list[bytes]


def outlined(message: Any) -> tuple[dict[str, Any], Texts]:
    """The outline of a message, and the texts of its large values. The message is modified."""
    texts: Texts = []
    members: dict[str, Any] = {}
    result = message.get("result") if isinstance(message, dict) else None
    if isinstance(result, dict):
        for name in (*ITEMS, *OPAQUE):
            value = result.get(name)
            if isinstance(value, list | dict | str) and len(text := _text(value)) > PIECE_SIZE:
                if name in ITEMS and isinstance(value, list):
                    members[name] = {"parts": list(_parts(value, len(text), texts))}
                else:
                    members[name] = {"kind": type(value).__name__, "size": len(text)}
                    texts.append(text)
                result[name] = None
    return {"value": message, "members": members}, texts


def _text(value: Any) -> bytes:
    return codec.escaped(orjson.dumps(value))


def _parts(items: list[Any], size: int, texts: Texts) -> Iterator[Any]:
    """Split an array into runs of items, described by the size of their text, and items too large for a run."""
    step = max(1, len(items) * PIECE_SIZE // size)
    for start in range(0, len(items), step):
        run = items[start : start + step]
        text = _text(run)
        if len(text) <= MAX_RUN:
            texts.append(text[1:-1])
            yield len(text) - 2
        elif len(run) > 1:
            yield from _parts(run, len(text), texts)
        else:
            yield _item(run[0], texts)


def _item(item: Any, texts: Texts) -> dict[str, Any]:
    """The outline of an item: without its large strings; null if it is not an object."""
    if not isinstance(item, dict):
        texts.append(_text(item))
        return {"item": None, "strings": [[[], len(texts[-1])]]}
    strings = []
    for path in HOLDERS:
        holder: Any = item.get(path[0]) if path else item
        for name in STRINGS if isinstance(holder, dict) else ():
            if isinstance(holder.get(name), str) and len(holder[name]) > PIECE_SIZE:
                texts.append(_text(holder[name]))
                holder[name] = None
                strings.append([[*path, name], len(texts[-1])])
    return {"item": item, "strings": strings}


Read = Callable[[int], Awaitable[Texts]]
"""Reads the given number of bytes; returns them in pieces."""


async def restored(outline: dict[str, Any], read: Read) -> Any:
    """Restore a message from its outline, with `Large` values whose texts `read` returns."""
    message = outline["value"]
    for name, member in outline["members"].items():
        if "parts" in member:
            message["result"][name] = LargeItems([await _restored_part(part, read) for part in member["parts"]])
        else:
            kind = {"dict": LargeObject, "list": LargeArray}.get(member["kind"], Large)
            message["result"][name] = kind(await read(member["size"]))
    return message


async def _restored_part(part: Any, read: Read) -> Any:
    if isinstance(part, int):
        return b"".join(await read(part))
    item = part["item"]
    for path, size in part["strings"]:
        value = Large(await read(size))
        if not path:
            return value
        holder = item
        for name in path[:-1]:
            holder = holder[name]
        holder[path[-1]] = value
    return item


def whole(result: dict[str, Any]) -> dict[str, Any]:
    """A result with its large values parsed, for code that needs their content."""
    if not any(isinstance(value, Large) for value in result.values()):
        return result
    return {
        name: codec.loads(codec.dumps(value)) if isinstance(value, Large) else value for name, value in result.items()
    }
