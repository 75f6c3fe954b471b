"""`hubctl calls`, `changes` and `history` against a recorder in memory; doctor's and status's word on it."""

from __future__ import annotations

import argparse
import asyncio
import csv
import io
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.models import (
    CallRecord,
    ChangeRecord,
    OptimizeRecords,
    ReadCalls,
    ReadChanges,
    RecordsStatus,
    SignInRecord,
)
from hubctl.commands import doctor
from hubctl.commands.history import listing
from hubctl.commands.history.calls import calls
from hubctl.commands.history.csv_text import csv_line
from hubctl.commands.history.moments import iso, moment
from hubctl.commands.history.recorder import pages
from recorder.batch import Batch, NewCall, NewChange
from recorder.memory import MemoryStore
from tests.unit.hubctl.canned import CannedHub, Lines, settings

pytestmark = pytest.mark.outside
VECTORS = json.loads((Path(__file__).parents[4] / "bridge/vectors/csv.json").read_text("utf-8"))
AT = 1_800_000_000.0
DIFF = '--- before\n+++ after\n@@ -1 +1 @@\n-  "a": 1\n+  "a": 2\n'


def called(number: int, **more: Any) -> NewCall:
    """A call of a tool; each a second later than the one with the number before."""
    fields: dict[str, Any] = {"workspace": "w", "server": "time", "tool": "now", "method": "tools/call"}
    fields |= {"principal": "laptop", "correlation": f"ab-{number}", "at": AT + number, "seconds": 0.012}
    return NewCall(**fields | more)


async def filled(hub: CannedHub) -> None:
    """Two calls and a change."""
    await hub.store.append(
        Batch(
            calls=[
                called(1, arguments='{"zone": "UTC"}', result='{"content": []', cut=True, waited=0.002),
                called(2, tool="=cmd()\x1b[31m", outcome="CALL_TIMEOUT", code="CALL_TIMEOUT", seconds=30.0),
            ],
            changes=[NewChange(AT, "laptop", "console", "put_server", "time", "1-1", "h1", "h2", DIFF)],
        )
    )


async def test_calls_are_listed_newest_first(hub: CannedHub) -> None:
    """With what filters say; text of clients and servers is made harmless."""
    assert await hub.hubctl("calls") == (0, "No call was recorded that fits.\n", "")
    await filled(hub)
    code, out, _ = await hub.hubctl("calls")
    header, second, first = out.splitlines()
    assert (code, header.split()[:3]) == (0, ["ID", "TIME", "OUTCOME"])
    for cell in ("2", "CALL_TIMEOUT", "=cmd()\\x1b[31m", "time", "w", "laptop", "30.0 s"):
        assert cell in second
    assert "12 ms" in first
    code, out, _ = await hub.hubctl("calls", "--outcome", "failed", "--json")
    assert [call["id"] for call in json.loads(out)["calls"]] == [2]
    options = ("workspace", "server", "tool", "principal", "session", "outcome", "correlation")
    words = [word for name in options for word in (f"--{name}", "x")]
    await hub.hubctl("calls", *words, "--since", "2027-01-15T08:00:00Z", "--until", "2027-01-15T09:00:00+00:00")
    expected = ReadCalls(since=AT, until=AT + 3600, limit=50, **dict.fromkeys(options, "x"))
    assert hub.asked[-1] == expected


async def test_a_list_is_as_long_as_asked(hub: CannedHub) -> None:
    """However many pages that takes."""
    await hub.store.append(Batch(calls=[called(number) for number in range(1201)]))
    _, out, _ = await hub.hubctl("calls", "-n", "1100", "--json")
    found = json.loads(out)
    assert [call["id"] for call in found["calls"]] == list(range(1201, 101, -1))
    assert found["next"] is not None
    _, out, _ = await hub.hubctl("calls", "-n", "3")
    assert out.splitlines()[-1] == "The newest 3; --limit shows more, --export all."


async def test_one_call_is_shown_with_all_that_was_kept(hub: CannedHub) -> None:
    """Times of its parts, arguments, result."""
    await filled(hub)
    code, out, _ = await hub.hubctl("calls", "1")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "Call 1"
    assert "  took         12 ms, of which 2 ms waiting for its turn at the server" in lines
    assert (
        lines[-5:] == ["Arguments (cut)", "  {", '    "zone": "UTC"', "  }", "Result (cut)"]
        or lines[-1] == '  {"content": []'
    )
    assert '    "zone": "UTC"' in lines
    assert lines[-1] == '  {"content": []'
    _, out, _ = await hub.hubctl("calls", "2")
    assert out.splitlines()[-2:] == ["Arguments: not kept", "Result: not kept"]
    code, out, _ = await hub.hubctl("calls", "1", "--json")
    assert json.loads(out)["arguments"] == '{"zone": "UTC"}'
    code, _, err = await hub.hubctl("calls", "3")
    assert (code, err.partition(":")[0]) == (1, "NO_SUCH_RECORD")


async def test_calls_are_exported_whole(hub: CannedHub) -> None:
    """As CSV that is no formula, and as JSON lines; more than one page."""
    await filled(hub)
    await hub.store.append(Batch(calls=[called(number) for number in range(10, 610)]))
    code, out, _ = await hub.hubctl("calls", "--export", "csv")
    rows = list(csv.DictReader(io.StringIO(out, newline="")))
    assert (code, len(rows)) == (0, 602)
    assert [row["tool"] for row in rows[-2:]] == ["'=cmd()\ufffd[31m", "now"]
    assert rows[-1]["time"] == "2027-01-15T08:00:01.000Z"
    _, out, _ = await hub.hubctl("calls", "--export", "jsonl", "--outcome", "CALL_TIMEOUT")
    assert [json.loads(line)["tool"] for line in out.splitlines()] == ["=cmd()\x1b[31m"]
    assert "\x1b" not in out
    _, out, _ = await hub.hubctl("calls", "--export", "jsonl", "-n", "501")
    assert len(out.splitlines()) == 501


async def test_calls_are_followed(hub: CannedHub) -> None:
    """The newest oldest first, then each that comes."""
    await filled(hub)
    out = Lines()
    following = asyncio.create_task(calls(hub.context(json=True, out=out), following_all()))
    await hub.followed.wait()
    assert [json.loads(line)["id"] for line in out.getvalue().splitlines()] == [1, 2]
    await hub.store.append(Batch(calls=[called(3, tool="late")]))
    text = await out.until("late")
    assert [json.loads(line)["id"] for line in text.splitlines()] == [1, 2, 3]
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    code, _, err = await hub.hubctl("calls", "--follow", "--export", "csv")
    assert (code, err.partition(":")[0]) == (2, "CLI_ARGUMENTS")


async def test_following_misses_nothing_that_comes_between_two_pages(
    hub: CannedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on from what the first page knew."""
    await hub.store.append(Batch(calls=[called(number) for number in range(600)]))
    out = Lines()

    async def interrupted(*given: Any) -> AsyncIterator[Any]:
        number = 0
        async for page in pages(*given):
            yield page
            number += 1
            await hub.store.append(Batch(calls=[called(1000, tool=f"between-{number}")]))

    monkeypatch.setattr(listing, "pages", interrupted)
    following = asyncio.create_task(calls(hub.context(json=True, out=out), following_all(limit=550)))
    text = await out.until("between-2")
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    assert [json.loads(line)["id"] for line in text.splitlines()] == [*range(51, 603)]


def following_all(limit: int | None = None) -> argparse.Namespace:
    """The arguments of `hubctl calls --follow`."""
    return argparse.Namespace(
        id=None, follow=True, export=None, until=None, since=None, limit=limit,
        **dict.fromkeys(("workspace", "server", "tool", "principal", "session", "outcome", "correlation", "replica")),
    )  # fmt: skip


async def test_records_of_several_replicas_name_theirs(tmp_path: Path) -> None:
    """In a column of tables and CSV. It is said where each replica has a history of its own."""
    known = settings(tmp_path).model_copy(update={"replica": "r0"})
    async with CannedHub(known, store=MemoryStore("r0")).serving("records") as hub:
        await filled(hub)
        state = {"state": "ok", "schema_version": 2, "calls": 2, "replica": "r0"}
        hub.records_status = RecordsStatus(**state, database="postgresql", replicas=("r0", "r1"))
        _, out, err = await hub.hubctl("calls", "--replica", "r0")
        assert [line.split()[-1] for line in out.splitlines()] == ["REPLICA", "r0", "r0"]
        assert (err, hub.asked[-1]) == ("", ReadCalls(replica="r0", limit=50))
        _, out, _ = await hub.hubctl("changes", "--export", "csv")
        assert [line.rpartition(",")[2] for line in out.splitlines() if line.endswith(("replica", "r0"))] == [
            "replica",
            "r0",
        ]
        assert "records of 2 replicas: r0, r1; this one is r0" in (await hub.hubctl("history"))[1]
        hub.records_status = RecordsStatus(**state, database="sqlite", replicas=("r0",))
        _, out, err = await hub.hubctl("changes", "--diff")
        assert "r0" not in out
        assert "Only the records of this replica, r0" in err
        assert "records of this replica, r0, only" in (await hub.hubctl("history"))[1]


async def test_changes_are_listed_with_their_diffs(hub: CannedHub) -> None:
    """Who made them, and from where."""
    await filled(hub)
    code, out, _ = await hub.hubctl("changes", "--principal", "laptop", "--source", "console", "--subject", "time")
    assert (code, hub.asked[-1]) == (
        0,
        ReadChanges(principal="laptop", source="console", subject="time", limit=50),
    )
    assert out.splitlines()[1].split()[3:] == ["laptop", "console", "put_server", "time"]
    _, out, _ = await hub.hubctl("changes", "--diff")
    assert out.splitlines()[1:-1] == [f"  {line}" for line in DIFF.splitlines()]
    _, out, _ = await hub.hubctl("changes", "--export", "csv")
    (row,) = csv.DictReader(io.StringIO(out, newline=""))
    assert row["diff"] == f"'{DIFF}"
    _, out, _ = await hub.hubctl("changes", "--json")
    assert json.loads(out)["changes"][0]["change"] == "1-1"


@pytest.fixture
def doctors(monkeypatch: pytest.MonkeyPatch) -> None:
    """The canned hub has no sockets to look for; and no HUB_ variable of this shell is looked at."""
    monkeypatch.setattr(doctor, "running", lambda _: True)
    monkeypatch.setattr(doctor, "unknown_variables", lambda _: [])


@pytest.mark.usefixtures("doctors")
async def test_the_state_of_the_history(hub: CannedHub) -> None:
    """In `history`, `status` and `doctor`; nothing can be stored: exit code 1."""
    code, out, _ = await hub.hubctl("history")
    assert (code, out.splitlines()[0]) == (0, "history: ok, in memory, schema version 1")
    assert "history: 2 calls\n" in (await hub.hubctl("status"))[1]
    hub.records_status = RecordsStatus(
        state="full", reason="The disk is full.", code="RECORDS_FULL", database="sqlite", schema_version=3,
        calls=7, oldest=time.time() - 7200, size=12_300_000, spooled=2_000_000, lost=4,
    )  # fmt: skip
    code, out, _ = await hub.hubctl("history", "status")
    assert code == 1
    assert out.splitlines()[1] == "  RECORDS_FULL: The disk is full."
    assert "7 calls, the oldest 2 h old" in out
    assert "2.0 MB of records wait to be stored" in out
    assert "4 records could not be kept" in out
    assert "history: full. The disk is full.\n" in (await hub.hubctl("status"))[1]
    _, out, _ = await hub.hubctl("doctor", "--json")
    found = [(each["level"], each["code"]) for each in json.loads(out) if each["subject"] == "history"]
    assert found == [("error", "RECORDS_FULL"), ("info", "")]


async def test_the_database_is_cared_for(hub: CannedHub) -> None:
    """Or said what that would bring."""
    code, out, _ = await hub.hubctl("history", "optimize", "--dry-run")
    assert (code, hub.asked[-1]) == (0, OptimizeRecords(dry_run=True))
    assert out.splitlines() == ["analyze: would do. Plans are 3 days old.", "5.0 MB before, 4.0 MB expected"]
    _, out, _ = await hub.hubctl("history", "optimize")
    assert out.splitlines() == ["analyze: done (250 ms). Plans are 3 days old.", "5.0 MB before, 4.0 MB now"]


@pytest.mark.usefixtures("doctors")
async def test_without_a_history_it_is_said_what_to_do(tmp_path: Path) -> None:
    """Switched off: no process is asked. The recorder is away: the rest works."""
    off = settings(tmp_path).model_copy(update={"history": False})
    async with CannedHub(off).serving("actual", "desired", "front") as hub:
        code, _, err = await hub.hubctl("calls")
        assert (code, err.partition(":")[0]) == (1, "HISTORY_OFF")
        assert "history: off\n" in (await hub.hubctl("status"))[1]
        _, out, _ = await hub.hubctl("doctor", "--json")
        assert [each["level"] for each in json.loads(out) if each["subject"] == "history"] == ["info"]
    async with CannedHub(settings(tmp_path)).serving("actual", "desired", "front") as hub:
        code, _, err = await hub.hubctl("changes", "--json")
        assert (code, json.loads(err)["error"]["code"]) == (3, "HISTORY_UNAVAILABLE")
        code, out, _ = await hub.hubctl("status")
        assert code == 0
        assert "history: HISTORY_UNAVAILABLE" in out


def test_csv_is_what_the_front_makes_of_it() -> None:
    """And no formula; columns are the fields of the models, without the replica."""
    for each in VECTORS["lines"]:
        assert csv_line(each["values"]) == each["line"]
    models = {"calls": CallRecord, "changes": ChangeRecord, "sign_ins": SignInRecord}
    assert VECTORS["columns"] == {name: list(listing.fields_of(model)) for name, model in models.items()}


def test_times_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """As spans before now, or ISO 8601."""
    monkeypatch.setattr(time, "time", lambda: AT)
    assert [moment(text) for text in ("90s", "15min", "2h", "1.5d")] == [AT - 90, AT - 900, AT - 7200, AT - 129600]
    assert moment("2027-01-15T08:00:00Z") == AT
    assert moment("2027-01-15T09:00:00+01:00") == AT
    for text in ("", "5", "5y", "yesterday", "-5h", "99999999999d"):
        with pytest.raises(argparse.ArgumentTypeError):
            moment(text)
    assert iso(AT + 0.5) == "2027-01-15T08:00:00.500Z"
