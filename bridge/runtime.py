"""The runtime directory, which has the sockets, and the claim of a socket's path."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

from bridge.errors import AddressInvalid, AddressTaken, RuntimeDirUnsafe
from bridge.private import make_directory
from bridge.settings import UNIX_PATH_LIMIT


def prepare_runtime_dir(directory: Path) -> Path:
    """Create the directory (mode 0700) and its parents, if missing; returns it.

    Raises:
        RuntimeDirUnsafe: it cannot be created, is not a directory, belongs to another user, or is accessible to others.
    """
    try:
        make_directory(directory)
        found = directory.lstat()
    except OSError as error:
        raise RuntimeDirUnsafe(f"{directory} cannot be made: {error.strerror}.") from None
    if not stat.S_ISDIR(found.st_mode):
        raise RuntimeDirUnsafe(f"{directory} is not a directory.")
    if found.st_uid != os.geteuid():
        raise RuntimeDirUnsafe(f"{directory} belongs to user {found.st_uid}, and the hub runs as {os.geteuid()}.")
    if mode := found.st_mode & 0o077:
        raise RuntimeDirUnsafe(
            f"{directory} is open to others (mode {stat.S_IMODE(found.st_mode):o}, over by {mode:o})."
        )
    return directory


def socket_path(address: str) -> Path:
    """The path of an `ipc://` address.

    Raises:
        AddressInvalid: it is not an ipc address, not absolute, or too long for the path of a Unix socket.
    """
    scheme, _, path = address.partition("://")
    if scheme == "tcp":
        raise AddressInvalid(f"{address}: tcp would carry the bridge unencrypted and open to every local user.")
    if scheme != "ipc" or not path.startswith("/"):
        raise AddressInvalid(f"{address!r} is not of the form ipc:///path.")
    if len(os.fsencode(path)) > UNIX_PATH_LIMIT:
        raise AddressInvalid(f"{path} is longer than the {UNIX_PATH_LIMIT} bytes of a Unix socket's path.")
    return Path(path)


def claim_socket(path: Path) -> None:
    """Prepare the directory of a socket, and remove a socket file that a dead process left.

    Raises:
        RuntimeDirUnsafe: as `prepare_runtime_dir`.
        AddressTaken: another process listens on it, or the file is not a socket.
    """
    prepare_runtime_dir(path.parent)
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise AddressTaken(f"{path} is there and is not a socket.", hint="Move that file away.")
    if is_served(path):
        raise AddressTaken(f"Another process serves {path}.")
    path.unlink(missing_ok=True)


def is_served(path: Path) -> bool:
    """Whether a process listens on the socket file."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except BlockingIOError:  # its backlog is full: a process listens but does not keep up
            pass
    return True
