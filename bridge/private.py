"""Files and directories for the hub's user alone, from their first byte on, whatever the umask is."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

PRIVATE_FILE = 0o600
PRIVATE_DIRECTORY = 0o700


def make_directory(path: Path) -> None:
    """Make a directory with mode 0700, and those above it that are missing; one that is there stays as it is.

    Raises OSError, FileExistsError among them where something else is in its place.
    """
    missing = []
    for each in (path, *path.parents):
        if each.is_dir():
            break
        missing.append(each)
    for each in reversed(missing):
        try:
            each.mkdir(PRIVATE_DIRECTORY)
            each.chmod(PRIVATE_DIRECTORY)  # the umask may have taken more
        except FileExistsError:
            if not each.is_dir():  # else somebody else made it meanwhile
                raise


def write_file(path: Path, content: bytes, sync: bool = True) -> None:
    """Replace a file in one step with one of mode 0600, so that no reader ever sees half of it.

    `sync`: and that it survives a power cut. A link is followed: what it points at is replaced. Raises OSError.
    """
    path = path.resolve()
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # of mode 0600 at most
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), PRIVATE_FILE)  # the umask may have taken more
            if sync:
                os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise
