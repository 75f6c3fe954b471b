"""Sealed files in HUB_DATA_DIR: each is encrypted with AES-256-GCM (NIST SP 800-38D) and has mode 0600.

A file holds one record, named by some strings (such as owner and server), which are authenticated with it: a file that
was copied over another one's is damaged. The key is a file of its own beside the directory.
"""

from __future__ import annotations

import asyncio
import base64
import fcntl
import hashlib
import json
import logging
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bridge.private import PRIVATE_FILE, make_directory, write_file
from sidecar.local_key import load_key

log = logging.getLogger(__name__)

PURPOSE = "hub-upstream-sign-in-1"
"""A part of the authenticated data: the purpose of the key, and the version of the format."""
NONCE_BYTES = 12
LOCK_POLL = 0.02
"""Seconds between two attempts to get a lock that another process holds."""
MAX_SIZE = 256 * 1024
"""Bytes of the largest file that is read."""


class Damaged(Exception):
    """A sealed file cannot be read: the key is another one, or the file was changed."""


class SealedFiles:
    """The sealed files in a directory, which is created with the first one."""

    def __init__(self, directory: Path, key: Path) -> None:
        self._directory = directory
        self._key = key
        self._cipher: AESGCM | None = None

    def write(self, kind: str, names: tuple[str, ...], content: bytes) -> None:
        """Write a record. Raises OSError."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = nonce + self._aes().encrypt(nonce, content, _bound(kind, names))
        make_directory(self._directory)
        text = json.dumps({"names": names, "sealed": base64.b64encode(sealed).decode()})
        write_file(self._path(kind, names), text.encode())

    def read(self, kind: str, names: tuple[str, ...]) -> bytes | None:
        """The content of a record; None if there is none.

        Raises:
            Damaged: the file cannot be read.
        """
        try:
            with self._path(kind, names).open("rb") as file:
                raw = file.read(MAX_SIZE + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Damaged(error.strerror) from None
        try:
            sealed = base64.b64decode(json.loads(raw)["sealed"], validate=True)
            return self._aes().decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _bound(kind, names))
        except (InvalidTag, ValueError, KeyError, TypeError, OSError):
            raise Damaged("it was changed, or its key is another one") from None

    def take(self, kind: str, names: tuple[str, ...]) -> bytes | None:
        """The content of a record, which is removed: only one caller gets it. Raises Damaged."""
        content = self.read(kind, names)
        return content if self.remove(kind, names) else None

    def remove(self, kind: str, names: tuple[str, ...]) -> bool:
        """Remove a record. Returns whether there was one."""
        try:
            self._path(kind, names).unlink()
        except OSError:
            return False
        return True

    def names(self, kind: str) -> list[tuple[str, ...]]:
        """The names of all records of a kind, as far as their files can be read."""
        return [names for _, names in self.aged(kind)]

    def aged(self, kind: str) -> list[tuple[float, tuple[str, ...]]]:
        """The names of all records of a kind, each with the time when it was written (Unix time)."""
        found = []
        for path in self._directory.glob(f"{kind}-*.json"):
            try:
                names = tuple(json.loads(path.read_bytes())["names"])
                found.append((path.stat().st_mtime, names))
            except (OSError, ValueError, KeyError, TypeError):
                log.warning("a stored sign-in cannot be read", extra={"file": str(path)})
        return found

    @asynccontextmanager
    async def locked(self, kind: str, names: tuple[str, ...]) -> AsyncIterator[None]:
        """Hold the lock of a record, which excludes other processes (two sidecars run during a reload)."""
        make_directory(self._directory)
        path = self._path(kind, names).with_suffix(".lock")
        handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, PRIVATE_FILE)
        try:
            while not _locked(handle):  # noqa: ASYNC110 - no event tells that another process has released it
                await asyncio.sleep(LOCK_POLL)
            yield
        finally:
            os.close(handle)

    def _path(self, kind: str, names: tuple[str, ...]) -> Path:
        return self._directory / f"{kind}-{hashlib.sha256(_bound(kind, names)).hexdigest()[:40]}.json"

    def _aes(self) -> AESGCM:
        if self._cipher is None:
            self._cipher = AESGCM(load_key(self._key))
        return self._cipher


def _bound(kind: str, names: tuple[str, ...]) -> bytes:
    return json.dumps([PURPOSE, kind, *names]).encode()


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
