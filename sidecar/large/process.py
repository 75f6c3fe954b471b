"""The program that reads large messages for the sidecar: JSON in, an outline and texts out, until its input ends.

What it is sent: a byte for the kind of the message, its size in 8 bytes, and the message. What it answers: the size of
the outline in 8 bytes, the outline as JSON, and the texts that it names. It imports little, so as to start soon.
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

REQUEST = struct.Struct(">cQ")
ANSWER = struct.Struct(">Q")
JSON, EVENT = b"j", b"e"
"""Kinds of messages: JSON alone, or as one server-sent event."""
UNREADABLE: dict[str, Any] = {"unreadable": True}
"""The outline of what is no JSON that can be passed on."""
_LINE_END = re.compile(rb"\r\n|\r|\n")


def answer(kind: bytes, data: bytes | bytearray) -> tuple[dict[str, Any], Texts]:
    """The outline of a message and the texts that it names; of an event, with its name."""
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
    """So many bytes of the input; fewer at its end."""
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
    """Answer one message after the other."""
    gc.disable()  # JSON has no cycles, and looking for them takes half of the time
    while len(head := _read(REQUEST.size)) == REQUEST.size:
        kind, size = REQUEST.unpack(head)
        data = _read(size)
        if len(data) < size:
            return
        outline, texts = answer(kind, data)
        del data
        described = orjson.dumps(outline)
        _write(ANSWER.pack(len(described)))
        _write(described)
        for text in texts:
            _write(text)


if __name__ == "__main__":
    main()
