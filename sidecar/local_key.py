"""Secret keys of this hub alone, each in a file of HUB_DATA_DIR that is made when it is first needed."""

from __future__ import annotations

import secrets
from pathlib import Path

from bridge.private import make_directory, write_file

KEY_BYTES = 32


def load_key(path: Path) -> bytes:
    """A key: read from `path`, or made there once (32 random bytes, mode 0600).

    Raises:
        OSError: the file can be neither read nor made.
    """
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        key = b""
    return key if len(key) == KEY_BYTES else _make_key(path)


def _make_key(path: Path) -> bytes:
    make_directory(path.parent)
    key = secrets.token_bytes(KEY_BYTES)
    write_file(path, key)
    return key
