"""A read-only directory as the source of the configuration, such as a mounted ConfigMap."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Mapping
from pathlib import Path
from typing import Literal

from yamcp_ui_adapter.cluster.documents import NAMES, Newest
from yamcp_ui_adapter.cluster.errors import ConfigDirUnusable, ConfigReadOnly
from yamcp_ui_adapter.cluster.source import Applied, Transaction
from yamcp_ui_adapter.files.regular import read_regular


class DirectorySource:
    """A `Source` (source.py). Documents that the directory does not have are the hub's own.

    Kubernetes replaces the files of a ConfigMap by exchanging one symbolic link; reading them is cheap, so the hub
    compares their content.
    """

    kind: Literal["database", "directory"] = "directory"

    def __init__(self, path: Path) -> None:
        self.target = str(path)
        self._path = path
        self._last: dict[str, bytes] = {}
        self._epoch = 0

    async def read(self) -> Newest:
        """Return the files as they are. Raises ConfigDirUnusable."""
        found: dict[str, bytes] = {}
        if not self._path.is_dir():
            raise ConfigDirUnusable(f"HUB_CONFIG_DIR: there is no directory {self._path}.")
        version = self._path / "..data"  # of a ConfigMap: the link that is exchanged for all files at once
        root = version.resolve() if version.is_dir() else self._path
        for name in NAMES:
            try:
                found[name] = read_regular(root / name)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise ConfigDirUnusable(f"{self._path / name} cannot be read: {error.strerror}.") from None
        if found != self._last or not self._epoch:
            self._last, self._epoch = found, self._epoch + 1
        return Newest(f"{self._path}", self._epoch, found)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Begin a change, of documents that the directory does not have."""
        yield _Own(await self.read())

    def fixed(self, names: Collection[str]) -> Collection[str]:
        """The documents of the directory."""
        return [name for name in names if name in self._last]

    async def wait(self, seconds: float) -> bool:
        """Wait; then the files are compared."""
        await asyncio.sleep(seconds)
        return True

    async def report(self, replica: str, epoch: int, digest: str) -> None:
        """Nobody can be told."""

    async def applied(self) -> list[Applied]:
        """Nobody has told."""
        return []

    async def close(self) -> None:
        """Nothing is open."""


class _Own:
    """A change of this hub's own documents, which the directory has nothing to do with."""

    def __init__(self, newest: Newest) -> None:
        self.newest = newest

    async def commit(self, changes: Mapping[str, bytes | None], author: str) -> Newest:
        """Refuse a change of a document of the directory. Raises ConfigReadOnly."""
        if fixed := [name for name in changes if name in self.newest.documents]:
            raise ConfigReadOnly(f"{fixed[0]} comes from HUB_CONFIG_DIR, which the hub only reads.")
        return self.newest
