"""From the spool to the store: each record once, whatever is killed, and what is lost is counted."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.history.spool import SpoolWriter, drop
from bridge.models import ReadCalls, ReadChanges
from recorder.batch import Batch
from recorder.errors import StoreUnavailable
from recorder.intake import Intake, pause_after
from recorder.memory import MemoryStore
from recorder.spool import batch_of, files_in, trace_id

FIELDS = ["ended", "seconds", "sender", "workspace", "method", "server", "tool", "number", "era", "outcome"]
SENDER_FIELDS = ["session", "principal", "transport", "correlation"]


class Killed(BaseException):
    """The recorder is killed here."""


class FragileStore(MemoryStore):
    """A store whose process may be killed before or after a batch is stored."""

    def __init__(self) -> None:
        super().__init__()
        self.kill_before = self.kill_after = False

    async def append(self, batch: Batch) -> None:
        """Store a batch, and be killed as wanted."""
        if self.kill_before:
            raise Killed
        await super().append(batch)
        if self.kill_after:
            raise Killed


def line(numbers: range, upto: int = 0, lost: int = 0) -> bytes:
    """A line of the sidecar: one call for each number."""
    calls = [[100.0 + n, 0.5, 0, "w", "tools/call", "a", "echo", n, "legacy", "ok"] for n in numbers]
    batch = {"fields": FIELDS, "sender_fields": SENDER_FIELDS, "senders": [["s", "ci", "sse", "c-"]], "calls": calls}
    return json.dumps({**batch, "upto": upto or numbers.stop, "lost": lost}).encode() + b"\n"


async def numbers(store: MemoryStore) -> list[int]:
    """The numbers of all stored calls, in order of their ids."""
    found = (await store.read_calls(ReadCalls(after=0, limit=500))).calls
    return [int(call.correlation.removeprefix("c-")) for call in found]


async def lost(store: MemoryStore) -> int:
    """How many records the store says to be lost."""
    return (await store.status()).lost


def names_in(directory: Path) -> list[str]:
    """All that is left in the spool."""
    return [path.name for path in directory.iterdir()]


def kill(writer: SpoolWriter) -> None:
    """What the end of a process does: its lock goes, nothing is written."""
    os.close(writer._file)


@pytest.fixture
def store() -> FragileStore:
    """An empty store."""
    return FragileStore()


async def test_complete_files_are_stored_and_removed(tmp_path: Path, store: FragileStore) -> None:
    """Also those of single records; their positions are forgotten with the next batch."""
    writer = SpoolWriter(tmp_path, "sidecar", 10**6, file_bytes=500)
    for at in range(0, 30, 3):
        writer.append(line(range(at, at + 3)), at + 3)
    writer.seen[0] = 30
    writer.close()
    change = {"at": 1.0, "principal": "p", "source": "console", "kind": "put_server", "subject": "a", "change": ""}
    drop(tmp_path, "adapter", {"changes": [{**change, "before": "x", "after": "y", "diff": ""}]}, 10**6)
    intake = Intake(tmp_path, store)
    await intake.drain()
    assert await numbers(store) == [*range(30)]
    assert [change.subject for change in (await store.read_changes(ReadChanges())).changes] == ["a"]
    assert names_in(tmp_path) == []
    assert (await lost(store), len(await store.positions())) == (0, 1)
    drop(tmp_path, "adapter", {"lost": 2}, 10**6)
    await intake.drain()
    assert (await lost(store), len(await store.positions())) == (2, 1)


async def test_a_file_that_grows_is_followed(tmp_path: Path, store: FragileStore) -> None:
    """It is stored up to its last complete line, and stays, as its writer lives."""
    writer, intake = SpoolWriter(tmp_path, "sidecar", 10**6), Intake(tmp_path, store)
    for at in range(3):
        writer.append(line(range(at, at + 1)), at + 1)
        await intake.drain()
        assert await numbers(store) == [*range(at + 1)]
    assert intake.waiting() == 0
    assert len(files_in(tmp_path)) == 1


async def test_the_records_of_a_killed_writer_are_counted(tmp_path: Path, store: FragileStore) -> None:
    """What it had in memory is lost, and it is said how many; what is on disk is stored."""
    writer = SpoolWriter(tmp_path, "sidecar", 10**6, file_bytes=200)
    writer.append(line(range(4)), 4)
    writer.append(line(range(4, 6), upto=9, lost=3), 9)
    writer.seen[0] = 20
    kill(writer)
    await Intake(tmp_path, store).drain()
    assert await numbers(store) == [*range(6)]
    assert await lost(store) == 3 + 11
    assert names_in(tmp_path) == []


async def test_half_a_line_of_a_killed_writer_is_counted(tmp_path: Path, store: FragileStore) -> None:
    """Its records are among those that the last complete line does not account for."""
    writer = SpoolWriter(tmp_path, "sidecar", 10**6)
    writer.append(line(range(4)), 4)
    os.write(writer._file, line(range(4, 6))[:-20])
    writer.seen[0] = 6
    kill(writer)
    await Intake(tmp_path, store).drain()
    assert await numbers(store) == [*range(4)]
    assert await lost(store) == 2


async def test_each_record_is_stored_once_whatever_is_killed(tmp_path: Path, store: FragileStore) -> None:
    """The recorder is killed before or after any batch, and the writer is, too; a new recorder goes on."""
    chance = random.Random(16)
    writer = SpoolWriter(tmp_path, "sidecar", 10**7, file_bytes=700)
    written = 0
    for _ in range(120):
        count = chance.randrange(1, 4)
        writer.append(line(range(written, written + count)), written + count)
        written += count
        if chance.random() < 0.5:
            store.kill_before, store.kill_after = chance.random() < 0.4, chance.random() < 0.4
            with contextlib.suppress(Killed):
                await Intake(tmp_path, store).drain()
    writer.seen[0] = written + 5
    kill(writer)
    store.kill_before = False
    for store.kill_after in (True, False):
        with contextlib.suppress(Killed):
            await Intake(tmp_path, store).drain()
    await Intake(tmp_path, store).drain()
    for at in range(0, written, 400):
        page = (await store.read_calls(ReadCalls(after=at, limit=400))).calls
        assert [call.correlation for call in page] == [f"c-{n}" for n in range(at, min(written, at + 400))]
    assert (await store.status()).calls == written
    assert await lost(store) == 5
    assert names_in(tmp_path) == []


@contextlib.asynccontextmanager
async def running(intake: Intake) -> AsyncIterator[None]:
    """The intake runs."""
    task = asyncio.create_task(intake.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until_stored(intake: Intake, count: int) -> None:
    """Wait until that many calls were stored."""
    async with asyncio.timeout(100), intake.stored:
        await intake.stored.wait_for(lambda: intake.calls >= count)


async def test_it_is_woken_by_what_is_written(tmp_path: Path, store: FragileStore) -> None:
    """Nobody has to tell it."""
    writer, intake = SpoolWriter(tmp_path, "sidecar", 10**6), Intake(tmp_path, store)
    async with running(intake):
        for at in (0, 5):
            writer.append(line(range(at, at + 5)), at + 5)
            await until_stored(intake, at + 5)
    assert await numbers(store) == [*range(10)]


async def test_a_store_that_fails_is_tried_again(
    tmp_path: Path, store: FragileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records wait in the spool; the error is known meanwhile, and gone when the store is back."""
    monkeypatch.setattr("recorder.intake.FIRST_RETRY", 0.01)
    writer, intake = SpoolWriter(tmp_path, "sidecar", 10**6), Intake(tmp_path, store)
    store.fault, failures = StoreUnavailable("The test has no database."), asyncio.Queue[str]()

    async def failed(error: Exception) -> None:
        failures.put_nowait(type(error).__name__)

    intake.failed = failed
    writer.append(line(range(3)), 3)
    async with running(intake):
        assert [await failures.get(), await failures.get()] == ["StoreUnavailable"] * 2
        assert intake.error is store.fault
        assert intake.waiting() > 0
        store.fault = None
        await until_stored(intake, 3)
        writer.append(line(range(3, 4)), 4)
        await until_stored(intake, 4)
        assert intake.error is None
    assert await numbers(store) == [*range(4)]


def test_a_line_becomes_calls() -> None:
    """The recorder computes the time of entry, the id in the logs, the code of an error, and the trace's id."""
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    text = json.loads(line(range(1)))
    text["calls"][0][9] = "CALL_TIMEOUT"
    text["calls"][0].append({"traceparent": f"00-{trace}-00f067aa0ba902b7-01", "waited": 0.25, "arguments_size": 2})
    [call] = batch_of([text], 0.0, {}).calls
    assert (call.at, call.seconds, call.waited, call.correlation) == (99.5, 0.5, 0.25, "c-0")
    assert (call.outcome, call.code, call.trace, call.arguments_size) == ("CALL_TIMEOUT", "CALL_TIMEOUT", trace, 2)
    assert (call.session, call.principal, call.transport) == ("s", "ci", "sse")


@pytest.mark.parametrize("broken", ["", "00-xyz", "00-" + "g" * 32 + "-0-0", "00-abc-def-01"])
def test_a_malformed_traceparent_is_no_trace(broken: str) -> None:
    """W3C Trace Context, section 3.2: 32 hexadecimal digits."""
    assert trace_id(broken) == ""


def test_a_line_that_is_not_understood_counts_as_lost(caplog: pytest.LogCaptureFixture) -> None:
    """The other lines are stored."""
    good, bad = json.loads(line(range(2))), json.loads(line(range(3)))
    bad["senders"] = []
    batch = batch_of([good, bad, {"changes": [{"unknown": 1}]}], 7.0, {"f": 1})
    assert len(batch.calls) == 2
    assert [(loss.at, loss.records) for loss in batch.lost] == [(7.0, 4)]
    assert replace(batch, calls=(), lost=()) == Batch(
        positions={"f": 1}, sessions=[], ended=[], changes=[], sign_ins=[], calls=(), lost=()
    )
    assert "not understood" in caplog.text


@pytest.mark.parametrize(
    "odd",
    [{"lost": None}, {"lost": "3"}, {"calls": 5}, {"changes": {"a": 1}}, {"upto": "x"}, {"calls": [[1]], "fields": 7}],
)
async def test_no_line_stops_the_recorder(odd: dict[str, object], tmp_path: Path, store: FragileStore) -> None:
    """A line that nobody wrote like that, in a file of a writer that was killed: the lines around it are stored."""
    writer = SpoolWriter(tmp_path, "sidecar", 10**6)
    writer.append(line(range(2)), 2)
    writer.append(json.dumps(odd).encode() + b"\n", 2)
    writer.append(line(range(2, 4)), 4)
    writer.seen[0] = 4
    kill(writer)
    await Intake(tmp_path, store).drain()
    assert await numbers(store) == [*range(4)]
    assert names_in(tmp_path) == []


async def test_a_file_that_cannot_be_read_holds_up_no_other(
    tmp_path: Path, store: FragileStore, caplog: pytest.LogCaptureFixture
) -> None:
    """It is reported once, and the recorder goes on; the file may be another user's."""
    (tmp_path / "0000000000001-sidecar-1-000000.jsonl").mkdir()
    intake = Intake(tmp_path, store)
    for at in range(2):
        drop(tmp_path, "test", json.loads(line(range(at, at + 1))), 10**6)
        await intake.drain()
    assert await numbers(store) == [0, 1]
    assert caplog.text.count("cannot be used") == 1
    assert intake.waiting() >= 0


def test_a_line_with_half_of_a_surrogate_pair_is_read(tmp_path: Path) -> None:
    """The adapter's JSON may have one, which the fast parser refuses."""
    assert drop(
        tmp_path,
        "a",
        {"sign_ins": [{"at": 1.0, "principal": "x\ud800", "address": "", "way": "password", "outcome": "ok"}]},
        10**6,
    )
    [file] = files_in(tmp_path)
    [sign_in] = file.read(0, 0.0).batch.sign_ins
    assert sign_in.principal == "x\ud800"


def test_many_calls_are_stored_in_fewer_transactions() -> None:
    """A few are stored at once; `hubctl history --follow` shows them within a second."""
    assert pause_after(0) == pause_after(10) == 0.1
    assert pause_after(1500) == 1.0
