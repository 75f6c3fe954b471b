"""Creates files and directories that only the hub's user can access, from the start and whatever the umask is."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

PRIVATE_FILE = 0o600
PRIVATE_DIRECTORY = 0o700


def make_directory(path: Path) -> None:
    """Create a directory and its missing parents with mode 0700; an existing one is not changed.

    Raises:
        OSError: it cannot be created; FileExistsError if the path is not a directory.
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
            if not each.is_dir():  # else another process created it meanwhile
                raise


def write_file(path: Path, content: bytes, sync: bool = True) -> None:
    """Replace a file atomically by one of mode 0600; symbolic links are followed.

    `sync`: write it to disk (fsync), so that it survives a power failure. Raises OSError.
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
