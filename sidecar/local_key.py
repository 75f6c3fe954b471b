"""Secret keys that only this hub knows, each in a file in HUB_DATA_DIR, created when first needed."""

from __future__ import annotations

import secrets
from pathlib import Path

from bridge.private import make_directory, write_file

KEY_BYTES = 32


def load_key(path: Path) -> bytes:
    """Read the key in the file `path`, which is created if it does not exist (32 random bytes, mode 0600).

    Raises:
        OSError: the file cannot be read or created.
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
