"""The contract of stores, held by the one in memory and by that in an SQLite file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from recorder.memory import MemoryStore
from recorder.sql.sql_store import SqlStore
from recorder.sql.sqlite import SqliteDatabase
from recorder.store import Store
from tests.support.store_contract import NOW, REPLICA, StoreContract


class TestMemory(StoreContract):
    """The store that other tests use."""

    @pytest.fixture
    async def store(self) -> Store:
        """An empty one."""
        return MemoryStore(REPLICA)


class TestSqlite(StoreContract):
    """The store of a hub without a server for it."""

    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[Store]:
        """An open one, with its file."""
        store = SqlStore(SqliteDatabase(tmp_path / "data" / "history.db"), lambda: NOW, REPLICA)
        await store.open()
        yield store
        await store.close()
