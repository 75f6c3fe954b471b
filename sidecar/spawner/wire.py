"""Messages between sidecar and spawner: 4 bytes of length, then a marshalled tuple whose first item is its kind.

marshal is safe here, as both ends run the same Python and one starts the other; json would take half a megabyte of the
spawner's memory.

To the spawner: `("spawn", id, argv, env, cwd, instance, limits, keep)`, with descriptors: the server's ends of three
pipes; and if `keep` is `(key, identity)` and not None, the sidecar's ends, and the journal. `("deposit", id, agreed)`:
from now on the server is kept. `("give", id)`: another sidecar may have it, this one has closed its pipes. `("stop",
id, grace)`. `("ping", 0)`, which is answered with `("pong",)`.

From it: `("ready", mark, first_free_id)`, `("spawned", id, pid)`, `("failed", id, step, errno, detail)`, `("exceeded",
id, limit, value)`, `("exited", id, status)`, `("stopped", id)`, `("orphans", pids)`, `("enforcement", controllers,
where_or_reason)`, `("note", text)`. About kept servers: `("kept", id, pid, instance, key, identity, agreed)` with four
descriptors, the sidecar's ends of the pipes and the journal: the server is this sidecar's from now on; `("held", key,
identity)`: another sidecar has it; `("unheld", key, identity)`: it is ending there. `("sidecars", number)`: so many are
connected. A new sidecar gets `kept` and `held` before `ready`.
"""

from __future__ import annotations

import marshal

TYPE_CHECKING = False  # the module typing is too large for the spawner
if TYPE_CHECKING:
    from typing import Any

Message = tuple["Any", ...]

HEADER_SIZE = 4


def encode(message: Message) -> bytes:
    """Encode a message."""
    body = marshal.dumps(message)
    return len(body).to_bytes(HEADER_SIZE, "big") + body


class Decoder:
    """Decodes messages from a byte stream."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """Add received bytes; returns the messages that they complete."""
        self._buffer += data
        messages = []
        while len(self._buffer) >= HEADER_SIZE:
            end = HEADER_SIZE + int.from_bytes(self._buffer[:HEADER_SIZE], "big")
            if len(self._buffer) < end:
                break
            messages.append(marshal.loads(self._buffer[HEADER_SIZE:end]))  # noqa: S302 - only our process writes here
            del self._buffer[:end]
        return messages
