"""What a source of the shared configuration can do; PostgreSQL and a read-only directory are such sources."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Literal, NamedTuple, Protocol

from yamcp_ui_adapter.cluster.documents import Newest


class Applied(NamedTuple):
    """Which configuration a replica has."""

    replica: str
    epoch: int
    hash: str
    seen: float
    """When it last said so (Unix time)."""


class Transaction(Protocol):
    """One change, while no other hub can make one."""

    newest: Newest

    async def commit(self, changes: Mapping[str, bytes | None], author: str) -> Newest:
        """Write documents (None removes one), and end the transaction. Without it nothing is changed.

        Raises:
            ConfigDatabaseUnavailable: it is unknown whether it was written.
        """


class Source(Protocol):
    """Where the configuration comes from. Methods that ask it raise ConfigDatabaseUnavailable, ConfigSchemaNewer
    or ConfigDirUnusable."""

    kind: Literal["database", "directory"]
    target: str
    """Where it is, without secrets."""

    async def read(self) -> Newest:
        """Return the newest configuration."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Begin a change."""

    def fixed(self, names: Collection[str]) -> Collection[str]:
        """Return the documents that may not be edited, of these."""

    async def wait(self, seconds: float) -> bool:
        """Wait until the source may have changed; False if nothing came within that time."""

    async def report(self, replica: str, epoch: int, digest: str) -> None:
        """Tell the others what this replica has."""

    async def applied(self) -> list[Applied]:
        """Return what the replicas have, by name."""

    async def close(self) -> None:
        """End connections."""
