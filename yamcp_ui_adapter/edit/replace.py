"""Replacing a file only if it is still what was read, and seeing what it was at that very moment."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import stat
import tempfile
from pathlib import Path

from bridge.private import PRIVATE_FILE

AT_FDCWD = -100
RENAME_EXCHANGE = 2
UNSUPPORTED = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM})


class Moved(Exception):
    """The file is not what was read any more; nothing was done."""


class Displaced:
    """What stood at a path before it was replaced. Whoever opened it before may still be writing to it."""

    def __init__(self, handle: int, expected: bytes) -> None:
        self._handle = handle
        self.expected = expected

    def read(self) -> bytes:
        """What it holds now."""
        size = os.fstat(self._handle).st_size
        return os.pread(self._handle, size, 0)

    def changed(self) -> bool:
        """Whether somebody wrote to it since it was read."""
        return self.read() != self.expected

    def close(self) -> None:
        """Give it up."""
        os.close(self._handle)


def read(path: Path) -> bytes | None:
    """A file's bytes; none when it does not exist. Raises OSError."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def replace(path: Path, expected: bytes | None, content: bytes) -> Displaced | None:
    """Put `content` in the place of `expected` (None: no file) in one step, keeping owner and links.

    Of its mode, what others may do is taken away: it may hold secrets.

    The answer is what was displaced, which the caller closes; none when there was no file.

    Raises:
        Moved: something else is there.
        OSError: it cannot be written.
    """
    path = path.resolve()
    temporary = _written(path, content)
    try:
        if expected is None:
            _create(temporary, path)
            return None
        if read(path) != expected:
            raise Moved(path.name)
        return Displaced(_swap(temporary, path), expected)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _written(path: Path, content: bytes) -> Path:
    """A new file beside `path`, on the disk."""
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
        raise Moved(path.name) from None
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        if path.exists():
            raise Moved(path.name) from None
        temporary.replace(path)


def _swap(temporary: Path, path: Path) -> int:
    """Exchange the two files; a handle of the one that was at `path`.

    Where the file system cannot exchange, what another program renames there in the same moment would be lost; what it
    writes in place is not.
    """
    if _exchange(temporary, path):
        return os.open(temporary, os.O_RDONLY | os.O_CLOEXEC)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise Moved(path.name) from None
    try:
        temporary.replace(path)
    except BaseException:
        os.close(handle)
        raise
    return handle


def _exchange(temporary: Path, path: Path) -> bool:
    """Whether the two could be exchanged in one step.

    Raises:
        Moved: there is no file at `path` any more.
        OSError: it cannot be written.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        return False
    if libc.renameat2(AT_FDCWD, os.fsencode(temporary), AT_FDCWD, os.fsencode(path), RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number == errno.ENOENT:
        raise Moved(path.name)
    if number not in UNSUPPORTED:
        raise OSError(number, os.strerror(number), str(path))
    return False
