"""The recorder as a whole, in this process: what it answers over the bridge, and in which state it says to be."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from bridge.client import BridgeClient
from bridge.errors import RemoteError
from bridge.history.spool import drop
from bridge.memory import MemoryBridge
from bridge.models import OptimizeRecords, ReadCalls, ReadChanges, ReadRecordsStatus, ReadUsage, Request
from bridge.settings import Settings
from recorder.app import run
from recorder.errors import StoreCorrupt, StoreFull, StoreUnavailable
from recorder.intake import Intake
from recorder.memory import MemoryStore
from recorder.retention import Retention
from tests.unit.recorder.test_intake import line

CHANGE = {"at": 1.0, "principal": "p", "source": "console", "kind": "put_server", "subject": "a", "change": ""}


class Recorder:
    """A recorder with a store in memory."""

    def __init__(self, directory: Path, client: BridgeClient, store: MemoryStore) -> None:
        self.client = client
        self.store = store
        self._spool = directory / "spool"

    def write(self, count: int = 1) -> None:
        """A writer leaves calls in the spool."""
        drop(self._spool, "test", json.loads(line(range(count))), 10**7)

    async def state(self, wanted: str) -> str:
        """Wait until it is in a state; returns the code that it tells."""
        async with asyncio.timeout(100):
            while (  # noqa: ASYNC110 (no event tells of it)
                found := await self.client.request(ReadRecordsStatus(), timeout=30)
            ).state != wanted:
                await asyncio.sleep(0.01)
        return found.code


@pytest.fixture
async def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Recorder]:
    """It runs, and tries a store that failed again soon."""
    monkeypatch.setattr("recorder.intake.FIRST_RETRY", 0.01)
    settings = Settings(data_dir=tmp_path, runtime_dir=tmp_path / "run")
    transport, store, started = MemoryBridge(), MemoryStore(), asyncio.Event()
    task = asyncio.create_task(run(settings, started, transport=transport, store=store))
    await started.wait()
    async with BridgeClient(settings.records_address, transport=transport) as client:
        yield Recorder(tmp_path, client, store)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_a_request_waits_for_records(recorder: Recorder) -> None:
    """It is answered when there are some, or after the time that it names."""
    begin = time.monotonic()
    assert not (await recorder.client.request(ReadCalls(after=0, wait=0.1))).calls
    assert time.monotonic() - begin >= 0.1
    waiting = asyncio.create_task(recorder.client.request(ReadCalls(after=0, wait=30), timeout=40))
    changes = asyncio.create_task(recorder.client.request(ReadChanges(after=0, wait=30), timeout=40))
    await asyncio.sleep(0)
    recorder.write(2)
    assert len((await waiting).calls) == 2
    assert not changes.done()
    drop(recorder._spool, "adapter", {"changes": [{**CHANGE, "before": "x", "after": "y", "diff": ""}]}, 10**7)
    assert [change.subject for change in (await changes).changes] == ["a"]


async def test_a_database_that_is_away_is_told(recorder: Recorder) -> None:
    """To whoever asks for records, and in the state; afterwards all is well, and nothing is missing."""
    recorder.store.fault = StoreUnavailable("The test has no database.")
    recorder.write()
    assert await recorder.state("unavailable") == "RECORDS_UNAVAILABLE"
    with pytest.raises(RemoteError) as caught:
        await recorder.client.request(ReadCalls())
    assert caught.value.remote_code == "RECORDS_UNAVAILABLE"
    recorder.store.fault = None
    assert await recorder.state("ok") == ""
    assert len((await recorder.client.request(ReadCalls())).calls) == 1


async def test_a_full_database_can_be_read(recorder: Recorder) -> None:
    """Only what is new waits."""
    recorder.write()
    await recorder.client.request(ReadCalls(after=0, wait=30), timeout=40)
    recorder.store.fault = StoreFull("The test has no space.")
    recorder.write()
    assert await recorder.state("full") == "RECORDS_FULL"
    assert len((await recorder.client.request(ReadCalls())).calls) == 1


@pytest.mark.parametrize(
    ("method", "request_"), [("read_usage", ReadUsage(range="day")), ("status", None), ("optimize", OptimizeRecords())]
)
async def test_damage_that_a_question_meets_is_mended(method: str, request_: Request[Any], recorder: Recorder) -> None:
    """As the answer says: the file is moved aside and a new one begun, though no new record touches the damage."""
    store = cast(Any, recorder.store)
    setattr(store, method, _damaged)
    if request_ is not None:
        with pytest.raises(RemoteError) as caught:
            await recorder.client.request(request_)
        assert caught.value.remote_code == "RECORDS_CORRUPT"
    async with asyncio.timeout(100):
        while True:
            found = await recorder.client.request(ReadRecordsStatus(), timeout=30)
            if (found.state, found.code) == ("ok", "RECORDS_CORRUPT"):
                break
            await asyncio.sleep(0.01)
    recorder.write(2)
    assert len((await recorder.client.request(ReadCalls(after=0, wait=30), timeout=40)).calls) == 2
    assert (await recorder.client.request(ReadRecordsStatus())).database == "sqlite"


async def _damaged(*_: object) -> None:
    raise StoreCorrupt("A page is damaged.")


async def test_damage_that_the_deletion_of_old_records_meets_is_reported(tmp_path: Path) -> None:
    """Else nothing would be deleted any more, and nobody would know why."""
    intake = Intake(tmp_path, store := MemoryStore())
    store.retain = _damaged  # type: ignore[assignment, method-assign]
    intake.opened.set()
    task = asyncio.create_task(Retention(intake, Settings(data_dir=tmp_path)).run())
    with pytest.raises(StoreCorrupt):
        while True:
            await asyncio.sleep(0)
            await intake.drain()
    task.cancel()
    await asyncio.wait([task])


async def test_a_backlog_is_told(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many bytes in the spool that are not stored yet."""
    monkeypatch.setattr("recorder.api.BEHIND_BYTES", -1)
    assert await recorder.state("behind") == ""


async def test_old_records_are_deleted_in_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until nothing is left to delete, with a pause between two steps."""
    pauses: list[float] = []
    monkeypatch.setattr("recorder.retention.PAUSE", 0.0)
    monkeypatch.setattr("recorder.retention.asyncio.sleep", lambda seconds: _note(pauses, seconds))
    settings = Settings(data_dir=tmp_path, history_days=1, history_max_mb=10)
    steps = [200, 200, 3, 0]
    asked: list[tuple[float, int]] = []

    class Store(MemoryStore):
        async def retain(self, before: float, max_bytes: int) -> int:
            asked.append((before, max_bytes))
            return steps[len(asked) - 1]

    intake = type("Intake", (), {"store": Store()})()
    assert await Retention(intake, settings).round() == 403
    assert (len(asked), len(pauses)) == (4, 3)
    assert {most for _, most in asked} == {10_000_000}
    assert time.time() - 86_400 - asked[0][0] < 60


async def _note(pauses: list[float], seconds: float) -> None:
    pauses.append(seconds)


@pytest.mark.outside
def test_it_imports_little() -> None:
    """None of what the sidecar needs, and no driver of a database that is not used."""
    unwanted = ("fastmcp", "mcp", "uvicorn", "starlette", "httpx2", "watchfiles", "asyncpg", "cryptography", "sidecar")
    code = f"import recorder.app, sys; print([name for name in {unwanted} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
