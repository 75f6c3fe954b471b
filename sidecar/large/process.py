"""The program that parses large messages for the sidecar, until its stdin ends. It imports little, to start fast.

Request: one byte for the kind of the message, its size in 8 bytes (big-endian), and the message. Answer: the size of
the outline in 8 bytes, the outline (outline.py) as JSON, and the texts that it lists.
"""

from __future__ import annotations

import gc
import os
import re
import struct
from typing import Any

import orjson

from sidecar.large.outline import Texts, outlined
from sidecar.protocol import codec

REQUEST_HEAD = struct.Struct(">cQ")
ANSWER_HEAD = struct.Struct(">Q")
JSON, EVENT = b"j", b"e"
"""Kinds of messages: JSON text, or a server-sent event with JSON data."""
UNREADABLE: dict[str, Any] = {"unreadable": True}
"""The outline of a message that is not JSON."""
_LINE_END = re.compile(rb"\r\n|\r|\n")


def answer(kind: bytes, data: bytes | bytearray) -> tuple[dict[str, Any], Texts]:
    """The outline of a message, with the event's name, and the texts that the outline lists."""
    name = "message"
    if kind == EVENT:
        name, data = event_of(data)
    try:
        outline, texts = outlined(codec.loads(data, from_server=True))
    except (ValueError, RecursionError):
        outline, texts = dict(UNREADABLE), []
    return {**outline, "name": name}, texts


def event_of(event: bytes | bytearray) -> tuple[str, bytes]:
    """The name and the data of a server-sent event (WHATWG HTML, 9.2.6)."""
    name, data = b"", []
    for line in _LINE_END.split(event):
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.removeprefix(b" ")
    return name.decode(errors="replace") or "message", b"\n".join(data)


def _read(size: int) -> bytearray:
    """Read `size` bytes of stdin; fewer at its end."""
    data = bytearray(size)
    view, at = memoryview(data), 0
    while at < size and (count := os.readv(0, [view[at:]])):
        at += count
    view.release()
    del data[at:]
    return data


def _write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]


def main() -> None:
    """Answer requests, one after the other, until stdin ends."""
    gc.disable()  # parsed JSON has no reference cycles, and searching for them takes half of the time
    while len(head := _read(REQUEST_HEAD.size)) == REQUEST_HEAD.size:
        kind, size = REQUEST_HEAD.unpack(head)
        data = _read(size)
        if len(data) < size:
            return
        outline, texts = answer(kind, data)
        del data
        described = orjson.dumps(outline)
        _write(ANSWER_HEAD.pack(len(described)))
        _write(described)
        for text in texts:
            _write(text)


if __name__ == "__main__":
    main()
