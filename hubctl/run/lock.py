"""At most one hub per runtime directory: a lock that the supervising process holds until it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time
from pathlib import Path

from hubctl.errors import HubRunning

FILE = "hub.lock"
_TRIES = 10  # somebody who only looks holds the lock for an instant


def acquire(runtime: Path) -> int:
    """Acquire the lock; return the descriptor that holds it, which stays open across exec.

    Raises:
        HubRunning: another process holds it.
    """
    descriptor = os.open(runtime / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    for attempt in range(_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if attempt == _TRIES - 1:
                pid = os.pread(descriptor, 20, 0).decode()
                os.close(descriptor)
                raise HubRunning(f"A hub already runs with {runtime} (pid {pid or 'unknown'}).") from None
            time.sleep(0.01)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    os.set_inheritable(descriptor, True)
    return descriptor


def is_held(runtime: Path) -> bool:
    """Return whether a process holds the lock."""
    try:
        descriptor = os.open(runtime / FILE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def is_listening(path: Path) -> bool:
    """Return whether a process listens on this Unix socket."""
    with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
        probe.settimeout(1)
        probe.connect(str(path))
        return True
    return False
