"""Messages between sidecar and spawner: length, then a marshalled tuple whose first item is its kind.

Both ends are the same Python, started by one another, so marshal is safe here; and json would cost the spawner half a
megabyte. To the spawner: `("spawn", id, argv, env, cwd, instance)` with the server's ends of three pipes, and
`("stop", id, grace)`. From it: `("ready", mark)`, `("spawned", id, pid)`, `("failed", id, step, errno, detail)`,
`("exited", id, status)`, `("stopped", id)`, `("orphans", pids)`, `("note", text)`.
"""

from __future__ import annotations

import marshal

TYPE_CHECKING = False  # the module typing is too large for the spawner
if TYPE_CHECKING:
    from typing import Any

Message = tuple["Any", ...]

HEADER = 4


def encode(message: Message) -> bytes:
    """The bytes of a message."""
    body = marshal.dumps(message)
    return len(body).to_bytes(HEADER, "big") + body


class Decoder:
    """Cuts a stream of bytes into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """The messages that these bytes complete."""
        self._buffer += data
        messages = []
        while len(self._buffer) >= HEADER:
            end = HEADER + int.from_bytes(self._buffer[:HEADER], "big")
            if len(self._buffer) < end:
                break
            messages.append(marshal.loads(self._buffer[HEADER:end]))  # noqa: S302 - only our own process writes here
            del self._buffer[:end]
        return messages
