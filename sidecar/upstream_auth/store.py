"""Where sign-ins are stored: sealed files in HUB_DATA_DIR, each with mode 0600."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

from bridge.private import PRIVATE_FILE, make_directory, write_file
from sidecar.local_key import load_key
from sidecar.upstream_auth.sealing import Damaged, Names, Sealer, id_of, mark_in, names_in

log = logging.getLogger(__name__)

LOCK_POLL = 0.02
"""Seconds between two attempts to get a lock that another process holds."""
MAX_SIZE = 256 * 1024
"""Bytes of the largest file that is read."""
ONCE = "pending"
"""The kind of records that are taken once."""
ONCE_SECONDS = 600.0
"""How long they are kept."""
MAX_ONCE = 200
"""Limit for their number; a further one takes the place of the oldest."""


class Store(Protocol):
    """Sealed records, by kind and names. What is read is what this hub knows; nothing waits for another machine.

    A record has a mark, which it keeps as long as it is about the same sign-in.
    """

    @property
    def settles(self) -> float:
        """Seconds after which to look again for records that may be ended; 0: all of them may be now."""

    def read(self, kind: str, names: Names) -> bytes | None:
        """The content of a record; None if there is none. Raises Damaged."""

    def names(self, kind: str) -> list[Names]:
        """The names of all records of a kind, as far as they can be read."""

    def endable(self, kind: str) -> list[Names]:
        """Those of the records that may be ended because this hub lacks their server or owner."""

    def locked(self, kind: str, names: Names) -> AbstractAsyncContextManager[None]:
        """Hold the lock of a record, and know its newest content. Raises SignInUnavailable."""

    async def write(self, kind: str, names: Names, content: bytes, mark: str = "") -> None:
        """Write a record. Raises OSError, SignInUnavailable."""

    async def renew(self, kind: str, names: Names, content: bytes, mark: str) -> bool:
        """Replace a record whose lock is held; False if there is none with that mark any more. Raises OSError."""

    def remove(self, kind: str, names: Names) -> None:
        """Remove a record: at once as far as this hub is concerned."""

    async def put_once(self, name: str, content: bytes) -> None:
        """Keep a record that is taken once, within ONCE_SECONDS. Raises OSError, SignInUnavailable."""

    async def take_once(self, name: str) -> bytes | None:
        """Take such a record: only one caller gets it. Raises Damaged, SignInUnavailable."""

    def drop_old(self) -> None:
        """Remove such records that were not taken in time."""

    async def run(self) -> None:
        """Follow other replicas, until cancelled."""

    async def close(self) -> None:
        """End connections."""


class SealedFiles:
    """The store of a single hub: files in a directory, which is created with the first one. The key is a file of its
    own beside the directory."""

    settles = 0.0

    def __init__(self, directory: Path, key: Path) -> None:
        self._directory = directory
        self._sealer = Sealer(lambda: load_key(key))

    def put(self, kind: str, names: Names, content: bytes, mark: str = "") -> None:
        """Write a record. Raises OSError."""
        make_directory(self._directory)
        write_file(self._path(kind, names), self._sealer.seal(kind, names, content, mark))

    async def write(self, kind: str, names: Names, content: bytes, mark: str = "") -> None:
        """See `Store`."""
        self.put(kind, names, content, mark)

    def read(self, kind: str, names: Names) -> bytes | None:
        """See `Store`."""
        raw = self._raw(kind, names)
        return None if raw is None else self._sealer.open(kind, names, raw)

    def mark(self, kind: str, names: Names) -> str | None:
        """The mark of a record; None if there is none. Raises Damaged."""
        raw = self._raw(kind, names)
        return None if raw is None else mark_in(raw)

    async def renew(self, kind: str, names: Names, content: bytes, mark: str) -> bool:
        """See `Store`."""
        try:
            same = self.mark(kind, names) in (mark, "")  # records of earlier versions have none
        except Damaged:
            same = False
        if same:
            self.put(kind, names, content, mark)
        return same

    def remove(self, kind: str, names: Names) -> None:
        """See `Store`."""
        self.taken(kind, names)

    def taken(self, kind: str, names: Names) -> bool:
        """Remove a record. Returns whether there was one."""
        try:
            self._path(kind, names).unlink()
        except OSError:
            return False
        return True

    def names(self, kind: str) -> list[Names]:
        """See `Store`."""
        return [names for _, names in self.aged(kind)]

    def endable(self, kind: str) -> list[Names]:
        """See `Store`."""
        return self.names(kind)

    def aged(self, kind: str) -> list[tuple[float, Names]]:
        """The names of all records of a kind, each with the time when it was written (Unix time)."""
        found = []
        for path in self._directory.glob(f"{kind}-*.json"):
            try:
                found.append((path.stat().st_mtime, names_in(path.read_bytes())))
            except (OSError, ValueError):
                log.warning("a stored sign-in cannot be read", extra={"file": str(path)})
        return found

    @asynccontextmanager
    async def locked(self, kind: str, names: Names) -> AsyncIterator[None]:
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

    async def put_once(self, name: str, content: bytes) -> None:
        """See `Store`."""
        for _, names in sorted(self.aged(ONCE))[: -MAX_ONCE + 1 or None]:
            self.remove(ONCE, names)
        self.put(ONCE, (name,), content)

    async def take_once(self, name: str) -> bytes | None:
        """See `Store`."""
        content = self.read(ONCE, (name,))
        return content if self.taken(ONCE, (name,)) else None

    def drop_old(self) -> None:
        """See `Store`."""
        for at, names in self.aged(ONCE):
            if time.time() - at > ONCE_SECONDS:
                self.remove(ONCE, names)

    async def run(self) -> None:
        """There are none."""

    async def close(self) -> None:
        """There are none."""

    def _raw(self, kind: str, names: Names) -> bytes | None:
        """A record as it is stored; None if there is none. Raises Damaged."""
        try:
            with self._path(kind, names).open("rb") as file:
                return file.read(MAX_SIZE + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Damaged(error.strerror) from None

    def _path(self, kind: str, names: Names) -> Path:
        return self._directory / f"{id_of(kind, names)}.json"


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
