"""Figures: what is counted, what is forgotten, what is bounded."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bridge.models import SnapshotId
from sidecar import metrics
from sidecar.metrics import Metrics


def samples(figures: Metrics) -> dict[tuple[str, ...], float]:
    """All samples: (name, label values in order of label names) to value."""
    text = figures.render()[0].decode()
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


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


def test_states_and_restarts() -> None:
    """A server is in exactly one state."""
    figures = Metrics()
    figures.upstream_state("s", "starting")
    figures.upstream_state("s", "ready")
    figures.restarted("s")
    found = samples(figures)
    states = {labels[2]: value for labels, value in found.items() if labels[0] == "yamcp_hub_upstream_state"}
    assert states == {"starting": 0, "ready": 1, "backoff": 0, "failed": 0, "stopped": 0}
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
    figures.keep_servers(["a"])
    named = {labels for labels in samples(figures) if labels[0].startswith("yamcp_hub") and len(labels) > 1}
    assert not [labels for labels in named if "b" in labels or "two" in labels]
    assert ("yamcp_hub_calls_total", "ok", "a", "one") in named
    assert ("yamcp_hub_upstream_restarts_total", "a") in named


def test_tools_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that invents names ends up under one label."""
    monkeypatch.setattr(metrics, "MOST_TOOLS", 2)
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
