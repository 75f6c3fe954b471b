"""examples/observability: each query names metrics and labels that the hub has."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bridge.models import ServerStatus, SnapshotId, WorkspaceStatus
from sidecar.observe.metrics import Metrics

EXAMPLES = Path(__file__).resolve().parents[2] / "examples/observability"
OF_PROMETHEUS = {"up": {"job"}}
"""Metrics that Prometheus has itself."""
WORDS = {"by", "ignoring", "sum", "max", "rate", "increase", "topk", "histogram_quantile"}
"""Words of PromQL that the queries use."""


def queries() -> list[str]:
    """All queries, by file."""
    dashboard = json.loads((EXAMPLES / "dashboard.json").read_text("utf-8"))
    found = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    lists = [each["query"] for each in dashboard["templating"]["list"] if each["type"] == "query"]
    found += [re.sub(r"label_values\((\w+), (\w+)\)", r"sum by (\2) (\1)", query) for query in lists]
    return found + re.findall(r"^ +expr: (.*)$", (EXAMPLES / "alerts.yaml").read_text("utf-8"), re.M)


def metrics() -> dict[str, dict[str, set[str]]]:
    """The hub's metrics: of each sample's name the values of each label."""
    made = Metrics()
    made.call("s", "t").observe(0.1, "ok")
    made.sessions("w", "sse", 1)
    made.upstream_state("s", "ready")
    made.restarted("s")
    snapshot = SnapshotId(epoch=1, revision=1, hash="0" * 64)
    made.snapshot(snapshot, snapshot)
    made.connection_ended("CONNECTIONS_LIMIT")
    made.records_lost(1)
    urls = {"sse_url": "", "http_url": ""}
    made.workspace_states(
        [WorkspaceStatus(name="w", slug="w", enabled=True, state="ready", servers=(), ready=1, **urls)]
    )
    made.servers_in_flight([ServerStatus(key="s", namespace="s", state="ready", since=0, calls_in_flight=1)])
    made.cached("s", "hit")
    made.spans("sent", 1)
    made.spans("failed", 1)
    found: dict[str, dict[str, set[str]]] = {}
    for family in text_string_to_metric_families(made.render()[0].decode()):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {"job": {"yamcp-hub"}})
            for name, value in sample.labels.items():
                labels.setdefault(name, set()).add(value)
    return found


@pytest.mark.parametrize("query", queries())
def test_a_query(query: str) -> None:
    """Its metrics are there, and have the labels that it selects and sums by."""
    known: dict[str, Any] = metrics() | OF_PROMETHEUS
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\((?:by|le|[a-z, ]+)\)|[\d.]+", " ", query)
    used = set(re.findall(r"[a-z_]{2,}", bare)) - WORDS
    assert used
    assert used <= known.keys()
    selected = {name for inside in re.findall(r"\{([^}]*)\}", query) for name in re.findall(r"(\w+)[=!]", inside)}
    summed = {name for inside in re.findall(r"(?:by|ignoring) \(([^)]*)\)", query) for name in inside.split(", ")}
    for metric in used:
        assert selected | summed <= set(known[metric]), metric


def test_all_are_used() -> None:
    """Every metric of the hub's own has a place in the dashboard or the rules."""
    shown = " ".join(queries())
    missing = [
        name
        for name in metrics()
        if name.startswith("yamcp") and not re.search(re.sub(r"_(sum|count|created)$", "", name), shown)
    ]
    assert missing == ["yamcp_hub_snapshot_epoch"]
