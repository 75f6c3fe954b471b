"""Replaces a file only if it still has the content that was read (compare and swap), and keeps the replaced
file open.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import stat
import tempfile
from pathlib import Path

from bridge.private import PRIVATE_FILE
from yamcp_ui_adapter.files.regular import read_regular

AT_FDCWD = -100
RENAME_EXCHANGE = 2
UNSUPPORTED = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM})


class FileChanged(Exception):
    """The file no longer has the content that was read; nothing was changed."""


class Displaced:
    """The file that stood at a path before it was replaced. A program that opened it before may still write to it."""

    def __init__(self, handle: int, expected: bytes) -> None:
        self._handle = handle
        self.expected = expected

    def read(self) -> bytes:
        """Return the present content."""
        size = os.fstat(self._handle).st_size
        return os.pread(self._handle, size, 0)

    def changed(self) -> bool:
        """Return whether a program wrote to the file since it was read."""
        return self.read() != self.expected

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)


def read(path: Path) -> bytes | None:
    """Return a file's bytes; None if it does not exist. Raises OSError."""
    try:
        return read_regular(path)
    except FileNotFoundError:
        return None


def replace(path: Path, expected: bytes | None, content: bytes) -> Displaced | None:
    """Replace `expected` (None: no file) with `content` atomically, and keep the owner and symbolic links.

    Permissions of other users are removed, because the content may hold secrets. Return the displaced file, which the
    caller must close; None if there was no file.

    Raises:
        FileChanged: the file has another content.
        OSError: it cannot be written.
    """
    path = path.resolve()
    temporary = _write_temporary(path, content)
    try:
        if expected is None:
            _create(temporary, path)
            return None
        if read(path) != expected:
            raise FileChanged(path.name)
        return Displaced(_swap(temporary, path), expected)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _write_temporary(path: Path, content: bytes) -> Path:
    """Write a new file beside `path`, synchronized to disk, and return its path."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            with contextlib.suppress(OSError):  # none to keep, or not ours to give
                like = path.stat()
                os.fchmod(file.fileno(), stat.S_IMODE(like.st_mode) & PRIVATE_FILE)
                os.fchown(file.fileno(), like.st_uid, like.st_gid)
            os.fsync(file.fileno())
    except BaseException:
        Path(name).unlink()
        raise
    return Path(name)


def _create(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise FileChanged(path.name) from None
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        if path.exists():
            raise FileChanged(path.name) from None
        temporary.replace(path)


def _swap(temporary: Path, path: Path) -> int:
    """Exchange the two files, and return a handle of the one that was at `path`.

    If the file system cannot exchange files, a file that another program renames to `path` at the same moment is lost;
    what a program writes in place is not.
    """
    if _try_exchange(temporary, path):
        return os.open(temporary, os.O_RDONLY | os.O_CLOEXEC)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise FileChanged(path.name) from None
    try:
        temporary.replace(path)
    except BaseException:
        os.close(handle)
        raise
    return handle


def _try_exchange(temporary: Path, path: Path) -> bool:
    """Exchange the two files atomically; return False if the file system cannot.

    Raises:
        FileChanged: there is no longer a file at `path`.
        OSError: it cannot be written.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        return False
    if libc.renameat2(AT_FDCWD, os.fsencode(temporary), AT_FDCWD, os.fsencode(path), RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number == errno.ENOENT:
        raise FileChanged(path.name)
    if number not in UNSUPPORTED:
        raise OSError(number, os.strerror(number), str(path))
    return False
