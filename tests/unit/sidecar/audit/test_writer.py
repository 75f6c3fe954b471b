"""What is noted of requests reaches the spool: in batches, bounded, and what cannot be kept is counted."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge.keys import Principal
from bridge.models import ServerSettings, ServerSpec, Snapshot, StdioLaunch, WorkspaceSpec
from recorder.batch import NewCall
from recorder.spool import calls_of, files_in
from sidecar.admission.admission import Admission
from sidecar.admission.context import RequestContext, Visitor
from sidecar.audit import observer as observing
from sidecar.audit.bodies import MARGIN, BodyRecorder
from sidecar.audit.writer import AuditWriter
from sidecar.errors import ToolUnknown
from sidecar.flood_errors import ServerBusy
from sidecar.observe.redaction import Redactor

ALICE = Principal("k1", "alice")


class Client(Visitor):
    """A client with a session."""

    def correlation(self, number: int) -> str:
        """As a session's."""
        return f"abcdefgh-{number}"


def call(tool: str = "echo", number: int = 1, client: Visitor | None = None, **params: Any) -> RequestContext:
    """A call of a tool of the server `a`."""
    made = client or Client(ALICE, "sse", "abcdefghijklmnop")
    context = RequestContext(made, "tools/call", {"name": f"a_{tool}", **params}, "w", number, time.perf_counter())
    context.server, context.tool = "a", tool
    return context


def lines(directory: Path) -> list[dict[str, Any]]:
    """All lines of the spool."""
    return [json.loads(line) for file in files_in(directory) for line in file.path.read_bytes().splitlines()]


def written(directory: Path) -> list[NewCall]:
    """All calls in the spool, as the recorder reads them."""
    return [call for line in lines(directory) for call in calls_of(line)]


@asynccontextmanager
async def running(writer: AuditWriter) -> AsyncIterator[Admission]:
    """The writer runs, and observes this admission; it is closed at the end, as the sidecar does."""
    admission = Admission(observers=[writer.observer])
    admission.session_observers = (writer.observer,)
    task = asyncio.create_task(writer.run())
    try:
        yield admission
    finally:
        task.cancel()
        await asyncio.wait([task])
        await writer.close()


async def test_each_way_a_request_ends(tmp_path: Path) -> None:
    """One record each, with principal, outcome and code."""
    async with running(AuditWriter(tmp_path, 10**6)) as admission:
        for number, outcome in enumerate(("ok", "tool_error", "error", "cancelled", "disconnected", "CALL_TIMEOUT")):
            admission.ended(call(number=number), outcome)
        unknown = call(number=6)
        unknown.server = unknown.tool = ""
        admission.failed(unknown, ToolUnknown("No such tool."))
    found = [(each.correlation, each.principal, each.tool, each.outcome, each.code) for each in written(tmp_path)]
    assert found == [
        ("abcdefgh-0", "alice", "echo", "ok", ""),
        ("abcdefgh-1", "alice", "echo", "tool_error", ""),
        ("abcdefgh-2", "alice", "echo", "error", ""),
        ("abcdefgh-3", "alice", "echo", "cancelled", ""),
        ("abcdefgh-4", "alice", "echo", "disconnected", ""),
        ("abcdefgh-5", "alice", "echo", "CALL_TIMEOUT", "CALL_TIMEOUT"),
        ("abcdefgh-6", "alice", "a_echo", "refused", ToolUnknown.code),
    ]
    origins = {(each.session, each.transport, each.era) for each in written(tmp_path)}
    assert origins == {("abcdefghijkl", "sse", "legacy")}


async def test_10000_calls_in_one_second_are_all_kept(tmp_path: Path) -> None:
    """They come faster than anything is written."""
    writer = AuditWriter(tmp_path, 10**8)
    async with running(writer) as admission:
        for number in range(10_000):
            admission.ended(call(number=number), "ok")
            if number % 100 == 0:
                await asyncio.sleep(0)
    assert [each.correlation for each in written(tmp_path)] == [f"abcdefgh-{number}" for number in range(10_000)]
    assert writer.lost == 0


async def test_what_does_not_fit_into_the_queue_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the spool, and in the figure of the process."""
    monkeypatch.setattr(observing, "MOST_QUEUED", 10)
    writer = AuditWriter(tmp_path, 10**6)
    async with running(writer) as admission:
        for number in range(25):
            admission.ended(call(number=number), "ok")
        admission.refused(call(), ServerBusy("Too many."))
    assert len(written(tmp_path)) == 10
    assert [line["lost"] for line in lines(tmp_path) if line.get("lost")] == [16]
    assert writer.lost == 16
    assert lines(tmp_path)[-2]["upto"] == 26


async def test_a_full_spool_costs_records_not_calls(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The number of lost ones is written when there is room again, and logged once."""
    other = tmp_path / "0-other-1-000000.jsonl"
    other.write_bytes(b"x" * 100_000)
    writer = AuditWriter(tmp_path, 100_000)
    async with running(writer) as admission:
        for number in range(5):
            admission.ended(call(number=number), "ok")
        await writer._flush()
        admission.ended(call(number=5), "ok")
        await writer._flush()
        assert writer.lost == 6
        other.unlink()
        admission.ended(call(number=6), "ok")
    assert [each.correlation for each in written(tmp_path)] == ["abcdefgh-6"]
    assert [(line["lost"], line["upto"]) for line in lines(tmp_path) if "lost" in line] == [(6, 7)]
    assert caplog.text.count("are lost") == 1


async def test_the_writer_sleeps_until_there_is_a_record(tmp_path: Path) -> None:
    """Nothing is written, and no timer is set, while nothing happens."""
    writer = AuditWriter(tmp_path, 10**6)
    async with running(writer):
        loop = asyncio.get_running_loop()
        await asyncio.sleep(0)
        assert writer.observer.asleep
        assert not [handle for handle in getattr(loop, "_scheduled", ()) if not handle.cancelled()]
    assert lines(tmp_path) == [{"end": True}]


async def test_names_of_clients_are_cut(tmp_path: Path) -> None:
    """A refused client may send megabytes of a method or name; half of a surrogate pair does no harm."""
    async with running(AuditWriter(tmp_path, 10**7)) as admission:
        long = RequestContext(Visitor(), "m" * 10**6, {"name": "n" * 10**6}, "w" * 10**6, 0, time.perf_counter())
        admission.refused(long, ToolUnknown("No such tool."))
    [found] = written(tmp_path)
    assert (len(found.method), len(found.tool), len(found.workspace)) == (200, 200, 200)


def snapshot(server: str, workspace: str) -> Snapshot:
    """A snapshot of one server and workspace with these settings of `record`."""
    settings = ServerSettings.model_validate({"record": server})
    spec = ServerSpec(key="a", namespace="a", launch=StdioLaunch(command="c"), settings=settings)
    space = WorkspaceSpec.model_validate({"name": "w", "slug": "w", "servers": ("a",), "record": workspace})
    return Snapshot.of(1, 1, (spec,), (space,))


SECRET = "hunter2-hunter2"
PARAMS = {"arguments": {"password": "open sesame", "text": f"with {SECRET} inside"}}


async def recorded(directory: Path, server: str, workspace: str, most: int = 1000, text: str = "y") -> NewCall:
    """What is recorded of a call with these settings."""
    writer, redactor = AuditWriter(directory, 10**8), Redactor()
    redactor.add("a", {SECRET})
    async with running(writer) as admission:
        BodyRecorder(admission, writer.observer, redactor, most).applied(snapshot(server, workspace))
        context = call(**PARAMS)
        if admission.on_answer:
            admission.on_answer(context, {"result": {"content": [{"type": "text", "text": text}]}})
        admission.ended(context, "ok")
    [found] = written(directory)
    return found


@pytest.mark.parametrize(
    ("server", "workspace", "sizes", "texts"),
    [
        ("workspace", "off", False, False),
        ("workspace", "sizes", True, False),
        ("off", "full", False, False),
        ("sizes", "full", True, False),
        ("redacted", "off", True, True),
        ("workspace", "full", True, True),
    ],
)
async def test_what_is_kept_of_arguments_and_results(
    tmp_path: Path, server: str, workspace: str, sizes: bool, texts: bool
) -> None:
    """The server's setting counts, else that of the workspace; by default nothing is kept."""
    found = await recorded(tmp_path, server, workspace)
    assert (found.arguments_size is not None, found.result_size is not None) == (sizes, sizes)
    assert (found.arguments is not None, found.result is not None) == (texts, texts)
    assert found.cut is False


async def test_secrets_are_masked(tmp_path: Path) -> None:
    """Those of the configuration always; members with the name of a secret with `redacted`."""
    redacted = await recorded(tmp_path / "r", "redacted", "off")
    full = await recorded(tmp_path / "f", "full", "off", text=SECRET)
    assert redacted.arguments is not None
    assert full.arguments is not None
    assert full.result is not None
    assert SECRET not in redacted.arguments + full.arguments + full.result
    assert "open sesame" in full.arguments
    assert "open sesame" not in redacted.arguments


@pytest.mark.parametrize("begin", [900, 985, 995, MARGIN + 980, MARGIN + 995])
async def test_long_texts_are_cut_without_half_a_secret(tmp_path: Path, begin: int) -> None:
    """Wherever the secret stands, neither it nor its beginning is kept; the size is that of the whole."""
    found = await recorded(tmp_path, "full", "off", most=1000, text="x" * begin + SECRET + "z" * 3 * MARGIN)
    assert found.result is not None
    assert len(found.result.encode()) <= 1000
    assert SECRET[:4] not in found.result
    assert found.result_size is not None
    assert found.result_size > 3 * MARGIN + begin
    assert found.cut


async def test_nothing_is_computed_where_nothing_is_recorded(tmp_path: Path) -> None:
    """Neither the admission nor the observer has anything to call."""
    writer, admission = AuditWriter(tmp_path, 10**6), Admission()
    bodies = BodyRecorder(admission, writer.observer, Redactor(), 100)
    bodies.applied(snapshot("full", "off"))
    assert admission.on_answer is not None
    bodies.applied(snapshot("off", "off"))
    assert admission.on_answer is None
    assert writer.observer.extras is None
    await writer.close()
