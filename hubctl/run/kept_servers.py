"""Ends the servers that were kept for the next sidecar: the hub stops, and there will be none (docs/adr/0034)."""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
from contextlib import suppress
from pathlib import Path

DOORS = ("spawner.sock", "spawner-b.sock")
"""In the runtime directory: where the process that keeps servers (the spawner), of each slot, waits for a sidecar."""
PEER = struct.Struct("3i")
"""`struct ucred` (unix(7), SO_PEERCRED): pid, uid, gid."""
END_TIMEOUT = 5.0
"""Seconds that are waited for its end."""


def end_kept_servers(runtime: Path) -> None:
    """Have the spawners end all servers, and wait for that; no effect where none waits."""
    for name in DOORS:
        _end(runtime / name)


def _end(address: Path) -> None:
    with suppress(OSError), socket.socket(socket.AF_UNIX) as door:
        door.connect(str(address))
        pid, uid, _ = PEER.unpack(door.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size))
        if uid == os.getuid():
            spawner = os.pidfd_open(pid)
            try:
                signal.pidfd_send_signal(spawner, signal.SIGTERM)
                select.select([spawner], [], [], END_TIMEOUT)
            finally:
                os.close(spawner)
