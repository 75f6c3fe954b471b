"""The errors of stdio servers that exceed a limit; they appear as the reason in a server's status."""

from __future__ import annotations

from sidecar.errors import SidecarError
from sidecar.limits.limits import MEMORY


class MemoryExceeded(SidecarError):
    """The hub ended a stdio server that used more memory than its limit. Other servers are not affected."""

    code = "SERVER_MEMORY_LIMIT"
    hint = "Raise `limits.memory` of the server in hub.json, or request less at once; it may have a memory leak."


class ProcessesExceeded(SidecarError):
    """The hub ended a stdio server with more processes and threads than its limit. Other servers are not affected."""

    code = "SERVER_PROCESS_LIMIT"
    hint = "Find out why it starts so many; if it needs them, raise `limits.pids` of the server in hub.json."


def exceeded(kind: str, limit: int) -> SidecarError:
    """The error for a server that was ended since it exceeded the limit `MEMORY` (bytes) or `PIDS`."""
    data = {"limit": limit}
    if kind == MEMORY:
        return MemoryExceeded(f"It was ended: it exceeded its memory limit of {size(limit)}.", data=data)
    return ProcessesExceeded(f"It was ended: it exceeded its limit of {limit} processes and threads.", data=data)


def size(count: int) -> str:
    """A number of bytes in the largest unit in which it is whole, such as `256 MB`."""
    for shift, unit in ((30, "GB"), (20, "MB"), (10, "kB")):
        if count >= 1 << shift and not count % (1 << shift):
            return f"{count >> shift} {unit}"
    return f"{count} bytes"
