"""The last hour of calls: what is kept, what is told, and what it costs."""

from __future__ import annotations

import asyncio
import gc
import itertools
import tracemalloc
from pathlib import Path

import pytest

from bridge.client import BridgeClient
from bridge.codec import MAX_BYTES, Envelope, encode, to_body
from bridge.memory import MemoryBridge
from bridge.models import Call, CallResult, Figure, History, ReadHistory
from bridge.server import BridgeServer
from sidecar.hub.bridge_api import BridgeApi
from sidecar.observe import call_history
from sidecar.observe.call_history import INTERVAL, OTHERS, RETENTION, Recorder, quantile, rows
from sidecar.observe.log_buffer import LogBuffer
from sidecar.observe.metrics import BUCKETS, Metrics, Totals
from tests.support.fake_server import FakeServer
from tests.support.inprocess import space, world


class Made:
    """Figures, and a recorder of them whose clock stands at `now`."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.metrics = Metrics()
        self.recorder = Recorder(self.metrics, lambda: self.now)

    def call(self, tool: str = "t", seconds: float = 0.02, outcome: str = "ok", server: str = "s") -> None:
        self.metrics.call(server, tool).observe(seconds, outcome)

    def end(self) -> None:
        """The interval ends."""
        self.now += 10
        self.recorder.sample()

    def told(self, since: float = 0, server: str | None = None) -> History:
        return self.recorder.history(ReadHistory(since=since, server=server))


def figure(**more: object) -> Figure:
    """Three calls of the tool t."""
    fields = {"server": "s", "tool": "t", "calls": 3, "errors": 2, "seconds": 0.06, "p50": 0.02, "p95": 0.022999}
    return Figure(**{**fields, **more})  # type: ignore[arg-type]


def test_a_call_is_seen_at_once_and_in_one_sample_only() -> None:
    """In the interval that goes on, then in the one that it ended in; every outcome but `ok` is an error."""
    made = Made()
    made.call()
    made.call(outcome="tool_error")
    made.now += 3
    made.call(outcome="CALL_TIMEOUT", seconds=0.02)
    [sample] = made.told().samples
    assert (sample.at, sample.figures[0].calls, sample.figures[0].errors) == (made.now, 3, 2)
    made.end()
    ended = made.now
    made.now += 4
    told = made.told()
    assert [each.at for each in told.samples] == [ended]
    assert (told.interval, told.now) == (10, made.now)
    made.end()
    made.call("u")
    made.end()
    assert [(each.at, each.figures[0].tool) for each in made.told().samples] == [(ended, "t"), (made.now, "u")]


def test_an_idle_hub_keeps_nothing() -> None:
    """Intervals without a call leave nothing behind, and a tool that was not called no figure."""
    made = Made()
    made.call("never again")
    made.end()
    for _ in range(100):
        made.end()
    made.call()
    made.end()
    assert [len(each.figures) for each in made.told().samples] == [1, 1]


def test_only_what_was_asked_for() -> None:
    """Samples that end after `since`, of one server."""
    made = Made()
    for server in ("s", "other", "s"):
        made.call(server=server)
        made.end()
    assert [each.at for each in made.told(since=made.now - 10).samples] == [made.now]
    assert [each.figures[0].server for each in made.told(server="other").samples] == ["other"]
    assert len(made.told(server="s").samples) == 2


def test_an_hour_is_kept() -> None:
    """What is older goes, also while nothing is called, and also when the clock is set back."""
    made = Made()
    for _ in range(400):
        made.call()
        made.end()
    assert len(made.told().samples) == 360
    made.now += 3000
    assert len(made.told().samples) == 60
    made.end()
    made.now -= 86400
    made.end()
    assert made.told().samples == ()


def test_removed_tools_keep_their_past() -> None:
    """A tool that vanished shows what was called before; one of the same name that comes again begins anew."""
    made = Made()
    made.call()
    made.end()
    made.call()
    made.metrics.keep_tools("s", ())
    made.call()
    made.call()
    made.end()
    made.end()
    assert [sum(row.calls for row in each.figures) for each in made.told().samples] == [1, 3]
    assert [len(each.figures) for each in made.told().samples] == [1, 1]


def test_many_tools_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The busiest one by one, the others of each server together, and no call is lost."""
    monkeypatch.setattr(call_history, "MAX_FIGURES", 2)
    made = Made()
    for number in range(10):
        for _ in range(number + 1):
            made.call(f"t{number}", server=f"s{number % 4}")
    made.end()
    found = {(row.server, row.tool): row.calls for row in made.told().samples[0].figures}
    assert found == {
        ("s1", "t9"): 10,
        ("s0", "t8"): 9,
        ("s3", OTHERS): 4 + 8,
        ("s2", OTHERS): 3 + 7,
        (OTHERS, OTHERS): 1 + 5 + 2 + 6,
    }


def test_the_answer_of_an_hour_of_many_tools_fits_into_a_message() -> None:
    """However busy the hub is: each interval of the hour takes as much as each of these ten."""
    made, intervals = Made(), 10
    for _ in range(intervals):
        for number in range(300):
            made.call(f"a_tool_with_a_name_of_usual_length_{number}", server=f"server-{number % 100}")
        made.end()
    told = made.told()
    assert len(told.samples) == intervals
    size = len(encode(Envelope(id="1", session="s", kind="history.ok", body=to_body(told))))
    assert size * RETENTION / INTERVAL / intervals < MAX_BYTES / 1.5


def totals(*seconds: float) -> Totals:
    """What a meter counts of calls that took so long."""
    figures = Metrics()
    for each in seconds:
        figures.call("s", "t").observe(each, "ok")
    return figures.call("s", "t").totals()


@pytest.mark.parametrize(
    ("seconds", "p50", "p95"),
    [
        ([0.0003], 0.0003, 0.0003),  # one call is told exactly, though its bucket goes from 0 to 1 ms
        ([0.0002] * 100, 0.0002, 0.000378),
        ([0.003] * 50 + [0.2] * 50, 0.005, 0.235),
        ([0.003] * 99 + [0.2], 0.003763, 0.004899),
        ([0.001, 0.0025, 0.005, 0.01], 0.0025, 0.009),
        ([400.0], 400.0, 400.0),
        ([400.0, 0.003], 0.005, 300.0),  # the last edge is all that is known
    ],
)
def test_quantiles(seconds: list[float], p50: float, p95: float) -> None:
    """Interpolated within a bucket; around the mean where there is but one."""
    found = totals(*seconds)
    assert (quantile(found, 0.5), quantile(found, 0.95)) == (pytest.approx(p50, rel=1e-3), pytest.approx(p95, rel=1e-3))


def test_quantiles_stay_in_their_bucket() -> None:
    """Whatever is counted, they are ordered, and no further off than the edges around them."""
    for edge, following in itertools.pairwise(BUCKETS):
        inside = (edge + following) / 2
        found = totals(*[inside] * 7, *[following] * 3)
        assert edge <= quantile(found, 0.5) <= quantile(found, 0.95) <= following


def test_memory_stays_flat() -> None:
    """Thousands of samples of tools that come and go take what the first hour takes."""
    made = Made()

    def busy(intervals: int) -> int:
        for number in range(intervals):
            made.call(f"t{number % 50}")
            if number % 100 == 0:
                made.metrics.keep_tools("s", ())
            made.end()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        first = busy(500)
        assert busy(3_000) < first + 20_000  # a leak of one small object in each interval is 48 kB
    finally:
        tracemalloc.stop()


async def test_the_interval_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its task ends one after the other until it is cancelled."""
    monkeypatch.setattr(call_history, "INTERVAL", 0.02)
    made = Made()
    ended = asyncio.Event()
    monkeypatch.setattr(made.recorder, "sample", ended.set)
    task = asyncio.create_task(made.recorder.run())
    await ended.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.outside
async def test_over_the_bridge(tmp_path: Path) -> None:
    """A call through a workspace is there when it has been answered."""
    server, transport = FakeServer(), MemoryBridge()
    async with world(tmp_path, server) as made:
        made.put(server.spec("a"), space("a"))
        await made.settled()
        api = BridgeApi(made.hub, made.reconciler, made.reporter, _ring(), Recorder(made.metrics))
        serving = asyncio.create_task(BridgeServer("actual", api.handlers(), transport=transport).serve())
        async with BridgeClient("actual", transport=transport) as client:
            called = await client.request(Call(workspace="w", tool="a_echo", arguments={"text": "x"}))
            assert isinstance(called, CallResult)
            told = await client.request(ReadHistory(server="a"))
        serving.cancel()
        [sample] = told.samples
        assert [(row.tool, row.calls, row.errors) for row in sample.figures if row.tool == "echo"] == [("echo", 1, 0)]


def _ring() -> LogBuffer:
    from bridge.logs import JsonFormatter

    return LogBuffer(JsonFormatter("sidecar"), lambda _: None)


def test_rows_of_nothing() -> None:
    """No calls, no rows."""
    assert rows([]) == ()
