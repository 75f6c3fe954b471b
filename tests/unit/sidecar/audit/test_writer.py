"""What is noted of requests reaches the spool: in batches, bounded, and what cannot be kept is counted."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge.history.spool import SpoolWriter
from bridge.keys import Principal
from bridge.models import ServerSettings, ServerSpec, Snapshot, StdioLaunch, WorkspaceSpec
from recorder.batch import NewCall
from recorder.spool import calls_of, files_in
from sidecar.admission.admission import Admission
from sidecar.admission.context import RequestContext, Visitor
from sidecar.audit import observer as observing
from sidecar.audit.bodies import MARGIN, BodyRecorder
from sidecar.audit.writer import BATCH, AuditWriter
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


async def test_what_the_front_could_not_tell_is_counted_as_lost(tmp_path: Path) -> None:
    """Of a flood of refused requests it tells some, and how many more there were."""
    writer = AuditWriter(tmp_path, 10**6)
    async with running(writer) as admission:
        admission.ended(call(number=1), "ok")
        writer.observer.omitted(40)
        admission.ended(call(number=2), "ok")
    assert len(written(tmp_path)) == 2
    assert [(line["lost"], line["upto"]) for line in lines(tmp_path) if "lost" in line] == [(40, 42)]
    assert writer.lost == 40
    other = AuditWriter(tmp_path / "other", 10**6)
    async with running(other):
        other.observer.omitted(3)
    assert [line["lost"] for line in lines(tmp_path / "other") if "lost" in line] == [3]


async def test_a_stop_in_the_middle_of_writing_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was taken from the queue is written, though the task that took it is cancelled."""
    began, go_on, append = threading.Event(), threading.Event(), SpoolWriter.append

    def slow(spool: SpoolWriter, line: bytes, accounted: int) -> None:
        began.set()
        go_on.wait(30)
        append(spool, line, accounted)

    monkeypatch.setattr(SpoolWriter, "append", slow)
    writer = AuditWriter(tmp_path, 10**7)
    admission = Admission(observers=[writer.observer])
    task = asyncio.create_task(writer.run())
    for number in range(2 * BATCH + 1):
        admission.ended(call(number=number), "ok")
    await asyncio.to_thread(began.wait, 30)
    task.cancel()
    await asyncio.wait([task])
    go_on.set()
    await writer.close()
    assert [each.correlation for each in written(tmp_path)] == [f"abcdefgh-{n}" for n in range(2 * BATCH + 1)]
    assert (writer.lost, lines(tmp_path)[-1]) == (0, {"end": True})


async def test_an_odd_name_costs_no_record(tmp_path: Path) -> None:
    """A name with half of a surrogate pair, which the fast encoder refuses, is in the same line as others."""
    async with running(AuditWriter(tmp_path, 10**6)) as admission:
        admission.ended(call(number=1), "ok")
        admission.ended(call(number=2, client=Client(Principal("k2", "x\ud800"), "sse", "s")), "ok")
    found = [file.read(0, 0.0).batch for file in files_in(tmp_path)]
    assert [each.principal for batch in found for each in batch.calls] == ["alice", "x\ud800"]
    assert all(not batch.lost for batch in found)


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


async def recorded(
    directory: Path, server: str, workspace: str, most: int = 1000, text: str = "y", arguments: Any = None
) -> NewCall:
    """What is recorded of a call with these settings."""
    writer, redactor = AuditWriter(directory, 10**8), Redactor()
    redactor.add("a", {SECRET})
    async with running(writer) as admission:
        BodyRecorder(admission, writer.observer, redactor, most).applied(snapshot(server, workspace))
        context = call(**(PARAMS if arguments is None else {"arguments": arguments}))
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


HIDDEN = "tr0ub4dor-3"


@pytest.mark.parametrize(
    "arguments",
    [
        {"env": [{"name": "DB_PASSWORD", "value": HIDDEN}]},
        {"headers": [{"key": "X-Api-Key", "value": HIDDEN, "enabled": True}]},
        {"headers": {"Authorization": HIDDEN, "Accept": "*/*"}},
        {"headers": [f"X-Api-Key: {HIDDEN}", f"authorization: {HIDDEN}"]},
        {"args": ["run", "--password", HIDDEN, "--verbose"]},
        {"url": f"https://user:{HIDDEN}@host/path?token={HIDDEN}&page=2"},
        {"deep": [{"a": [{"api_key": {"x": HIDDEN}}]}]},
        {"body": json.dumps({"a": {"pin": HIDDEN, "n": 1}})},
        {"body": json.dumps([{"name": "sid", "value": HIDDEN}], indent=2)},
    ],
)
async def test_secrets_are_masked_wherever_they_stand(tmp_path: Path, arguments: dict[str, Any]) -> None:
    """By the name of a member, a pair, a flag or a header, in a URL, and in JSON within a text, as results have it."""
    found = await recorded(tmp_path, "redacted", "off", text=json.dumps(arguments), arguments=arguments)
    assert found.arguments is not None
    assert found.result is not None
    assert HIDDEN not in found.arguments
    assert HIDDEN not in found.result


@pytest.mark.parametrize(
    "arguments",
    [
        {"text": "Authors: Ann and Bob"},
        {"text": "{not json"},
        {"text": "key points: a, b"},
        {"env": [{"name": "LANG"}]},
    ],
)
async def test_what_is_no_secret_is_kept_as_it_is(tmp_path: Path, arguments: dict[str, Any]) -> None:
    """Else nobody could read what happened."""
    found = await recorded(tmp_path, "redacted", "off", arguments=arguments)
    assert found.arguments == json.dumps(arguments, separators=(",", ":"))


async def test_secrets_in_the_uri_of_a_resource_are_masked(tmp_path: Path) -> None:
    """It is recorded like the name of a tool, whatever `record` says, also of a request that was refused."""
    redactor = Redactor()
    redactor.add("a", {SECRET})
    async with running(AuditWriter(tmp_path, 10**6, redact=redactor)) as admission:
        for uri in (f"https://ann:{HIDDEN}@host/x?access_token={HIDDEN}", f"db://host/{SECRET}", "x" * 9000):
            read = call(uri=uri)
            read.method, read.tool = "resources/read", ""
            del read.params["name"]
            admission.ended(read, "ok")
            admission.refused(read, ToolUnknown("No such thing."))
    tools = [each.tool for each in written(tmp_path)]
    assert tools[:4] == ["https://ann:***@host/x?access_token=***"] * 2 + ["db://host/***"] * 2
    assert [len(tool) for tool in tools[4:]] == [200] * 2


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
