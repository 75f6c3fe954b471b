"""Figures: what is counted, what is forgotten, what is bounded."""

from __future__ import annotations

import gc
from math import inf, nextafter
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from bridge.models import SnapshotId
from sidecar.observe import metrics
from sidecar.observe.metrics import BUCKETS, Metrics

PAGE = """\
# HELP yamcp_hub_calls_total Requests of clients for which a server was asked.
# TYPE yamcp_hub_calls_total counter
yamcp_hub_calls_total{outcome="ok",server="s",tool="t"} 2.0
yamcp_hub_calls_total{outcome="CALL_TIMEOUT",server="s",tool="t"} 1.0
# HELP yamcp_hub_calls_created Requests of clients for which a server was asked.
# TYPE yamcp_hub_calls_created gauge
yamcp_hub_calls_created{outcome="ok",server="s",tool="t"} 102.0
yamcp_hub_calls_created{outcome="CALL_TIMEOUT",server="s",tool="t"} 103.0
# HELP yamcp_hub_call_seconds Time from a request to its answer.
# TYPE yamcp_hub_call_seconds histogram
yamcp_hub_call_seconds_bucket{le="0.001",server="s",tool="t"} 1.0
yamcp_hub_call_seconds_bucket{le="0.0025",server="s",tool="t"} 1.0
yamcp_hub_call_seconds_bucket{le="0.005",server="s",tool="t"} 1.0
yamcp_hub_call_seconds_bucket{le="0.01",server="s",tool="t"} 1.0
yamcp_hub_call_seconds_bucket{le="0.025",server="s",tool="t"} 1.0
yamcp_hub_call_seconds_bucket{le="0.05",server="s",tool="t"} 1.0
yamcp_hub_call_seconds_bucket{le="0.1",server="s",tool="t"} 1.0
yamcp_hub_call_seconds_bucket{le="0.25",server="s",tool="t"} 2.0
yamcp_hub_call_seconds_bucket{le="0.5",server="s",tool="t"} 2.0
yamcp_hub_call_seconds_bucket{le="1.0",server="s",tool="t"} 2.0
yamcp_hub_call_seconds_bucket{le="2.5",server="s",tool="t"} 2.0
yamcp_hub_call_seconds_bucket{le="5.0",server="s",tool="t"} 2.0
yamcp_hub_call_seconds_bucket{le="10.0",server="s",tool="t"} 2.0
yamcp_hub_call_seconds_bucket{le="30.0",server="s",tool="t"} 2.0
yamcp_hub_call_seconds_bucket{le="60.0",server="s",tool="t"} 2.0
yamcp_hub_call_seconds_bucket{le="300.0",server="s",tool="t"} 2.0
yamcp_hub_call_seconds_bucket{le="+Inf",server="s",tool="t"} 3.0
yamcp_hub_call_seconds_count{server="s",tool="t"} 3.0
yamcp_hub_call_seconds_sum{server="s",tool="t"} 400.25048828125
# HELP yamcp_hub_call_seconds_created Time from a request to its answer.
# TYPE yamcp_hub_call_seconds_created gauge
yamcp_hub_call_seconds_created{server="s",tool="t"} 101.0
"""


def samples(figures: Metrics) -> dict[tuple[str, ...], float]:
    """All samples: (name, label values in order of label names) to value."""
    text = figures.render()[0].decode()
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def of_calls(page: bytes) -> list[str]:
    """The lines of a page that are about calls that have ended."""
    lines = page.decode().splitlines()
    return [line for line in lines if "yamcp_hub_call" in line and "calls_in_flight" not in line]


def timeless(page: bytes) -> list[str]:
    """The same without the samples that tell when something began."""
    return [line for line in of_calls(page) if "_created{" not in line]


def test_calls() -> None:
    """A call counts by outcome, and its time goes into the histogram."""
    figures = Metrics()
    meter = figures.call("s", "t")
    meter.observe(0.003, "ok")
    meter.observe(0.2, "ok")
    figures.call("s", "t").observe(9, "CALL_TIMEOUT")
    found = samples(figures)
    assert figures.call("s", "t") is meter
    assert found["yamcp_hub_calls_total", "ok", "s", "t"] == 2
    assert found["yamcp_hub_calls_total", "CALL_TIMEOUT", "s", "t"] == 1
    assert found["yamcp_hub_call_seconds_count", "s", "t"] == 3
    assert found["yamcp_hub_call_seconds_bucket", "0.005", "s", "t"] == 1


def test_page_of_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """The text is this, to the letter."""
    ticks = iter((101.0, 102.0, 103.0))
    monkeypatch.setattr(metrics, "time", SimpleNamespace(time=lambda: next(ticks)))
    figures = Metrics()
    meter = figures.call("s", "t")
    meter.observe(0.00048828125, "ok")
    meter.observe(0.25, "ok")
    meter.observe(400, "CALL_TIMEOUT")
    assert of_calls(figures.render()[0]) == PAGE.splitlines()


def test_page_is_as_prometheus_client_makes_it() -> None:
    """Its own counter and histogram would show the same, whatever the names."""
    registry = CollectorRegistry()
    labels = ["server", "tool", "outcome"]
    calls = Counter("yamcp_hub_calls", "Requests of clients for which a server was asked.", labels, registry=registry)
    about = "Time from a request to its answer."
    times = Histogram("yamcp_hub_call_seconds", about, labels[:2], buckets=BUCKETS, registry=registry)
    figures = Metrics()
    for names in (("s", "t"), ("größe", 'a "b"\\\n'), ("", "")):
        for outcome in ("ok", "tool_error"):
            for seconds in (0, 0.0007, 0.3, *BUCKETS, 1_234_567.8):
                figures.call(*names).observe(seconds, outcome)
                calls.labels(*names, outcome).inc()
                times.labels(*names).observe(seconds)
    page = timeless(figures.render()[0])
    assert page == timeless(generate_latest(registry))
    assert len(page) == 8 + 3 * (2 + 19)


def test_bounds_are_within_their_buckets() -> None:
    """`le` is less or equal; a time beyond it, however little, is in the next one."""
    figures = Metrics()
    meter = figures.call("s", "t")
    for bound in BUCKETS:
        meter.observe(bound, "ok")
    assert meter.totals().buckets == (1,) * len(BUCKETS) + (0,)
    for bound in BUCKETS:
        meter.observe(nextafter(bound, inf), "error")
    totals = meter.totals()
    assert totals.buckets == (1, *(2,) * (len(BUCKETS) - 1), 1)
    assert (totals.calls, totals.errors) == (2 * len(BUCKETS), len(BUCKETS))
    found = samples(figures)
    shown = [found["yamcp_hub_call_seconds_bucket", str(float(bound)), "s", "t"] for bound in BUCKETS]
    assert shown == list(range(1, 2 * len(BUCKETS), 2))


def test_no_calls_at_all() -> None:
    """Without calls there are no samples of them; a meter that was never used shows zeros."""
    figures = Metrics()
    assert all(line.startswith("# ") for line in of_calls(figures.render()[0]))
    assert figures.call("s", "t").totals() == metrics.NOTHING
    shown = [line for line in timeless(figures.render()[0]) if not line.startswith("# ")]
    assert {line.partition("{")[0].rpartition("_")[2] for line in shown} == {"bucket", "count", "sum"}
    assert all(line.startswith("yamcp_hub_call_seconds_") for line in shown)
    assert {line.rpartition(" ")[2] for line in shown} == {"0.0"}


def test_calls_end_while_the_page_is_rendered() -> None:
    """Tools and outcomes that are new meanwhile do no harm: here they come wherever the event loop may get its turn."""
    figures = Metrics()
    meters = [figures.call("s", f"tool{index}") for index in range(2)]
    for meter in meters:
        meter.observe(0.1, "ok")
        meter.observe(0.1, "error")
    came = 0

    def come(phase: str, _: Any) -> None:  # as calls that end while a garbage collection runs a finalizer
        nonlocal came
        if phase == "stop":
            return
        came += 1
        for meter in (figures.call("s", f"late{came}"), *meters):
            meter.observe(0.1, f"late{came}")

    before = gc.get_threshold()
    gc.callbacks.append(come)
    gc.set_threshold(1, 1_000_000)
    try:
        page = figures.render()[0].decode()
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(come)
    assert came > 10
    assert 'yamcp_hub_calls_total{outcome="error",server="s",tool="tool1"} 1.0' in page


def test_states_and_restarts() -> None:
    """A server is in exactly one state."""
    figures = Metrics()
    figures.upstream_state("s", "starting")
    figures.upstream_state("s", "ready")
    figures.restarted("s")
    found = samples(figures)
    states = {labels[2]: value for labels, value in found.items() if labels[0] == "yamcp_hub_upstream_state"}
    others = ("starting", "degraded", "sleeping", "sign_in_required", "elsewhere", "backoff", "failed", "stopped")
    assert states == {"ready": 1, **dict.fromkeys(others, 0)}
    assert found["yamcp_hub_upstream_restarts_total", "s"] == 1


def test_sessions() -> None:
    """Sessions count by workspace and transport; none is no figure."""
    figures = Metrics()
    figures.sessions("w", "sse", 2)
    assert samples(figures)["yamcp_hub_sessions", "sse", "w"] == 2
    figures.sessions("w", "sse", 0)
    assert ("yamcp_hub_sessions", "sse", "w") not in samples(figures)


def test_snapshots_and_the_process() -> None:
    """What is accepted, what is applied, and the memory of the process are shown."""
    figures = Metrics()
    figures.snapshot(None, None)
    figures.snapshot(SnapshotId(epoch=3, revision=7, hash="h"), SnapshotId(epoch=3, revision=6, hash="h"))
    found = samples(figures)
    assert (found["yamcp_hub_snapshot_revision", "accepted"], found["yamcp_hub_snapshot_revision", "applied"]) == (7, 6)
    assert found["yamcp_hub_snapshot_epoch", "applied"] == 3
    assert found["process_resident_memory_bytes",] > 0
    assert figures.render()[1].startswith("text/plain")


def test_removed_tools_and_servers_are_forgotten() -> None:
    """Figures of what is no more vanish; a call that ends later does no harm."""
    figures = Metrics()
    for server in ("a", "b"):
        figures.upstream_state(server, "ready")
        figures.restarted(server)
        for tool in ("one", "two"):
            figures.call(server, tool).observe(1, "ok")
    late = figures.call("a", "two")
    figures.keep_tools("a", ["one"])
    late.observe(1, "ok")
    late.observe(1, "cancelled")
    figures.keep_servers(["a"])
    named = {labels for labels in samples(figures) if labels[0].startswith("yamcp_hub") and len(labels) > 1}
    assert not [labels for labels in named if "b" in labels or "two" in labels]
    assert ("yamcp_hub_calls_total", "ok", "a", "one") in named
    assert ("yamcp_hub_upstream_restarts_total", "a") in named


def test_tools_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that invents names ends up under one label."""
    monkeypatch.setattr(metrics, "MAX_METERS", 2)
    figures = Metrics()
    for index in range(10):
        figures.call("s", f"tool{index}").observe(1, "ok")
    found = samples(figures)
    assert found["yamcp_hub_calls_total", "ok", "s", "_other"] == 8
    assert len([labels for labels in found if labels[0] == "yamcp_hub_calls_total"]) == 3


def test_registries_are_apart() -> None:
    """Two of them in one process do not meet."""
    one, other = Metrics(), Metrics()
    one.restarted("s")
    assert ("yamcp_hub_upstream_restarts_total", "s") not in samples(other)
