"""The short form of `make replicas` (docs/scaling.md): as many sessions and all scenes, with fewer calls."""

from __future__ import annotations

import pytest

from tests.replicas import load, scenes
from tests.replicas.__main__ import run


@pytest.mark.timeout(1200)
async def test_three_hubs_behind_nginx_and_envoy(monkeypatch: pytest.MonkeyPatch) -> None:
    """1,000 sessions of each transport and era; kill -9, rolling restart, partitions, clocks. No call fails that the
    replicas can answer, none gets the answer to another one, and a server with `placement: one` runs once at most."""
    monkeypatch.setattr(scenes, "CALLS", 1)
    monkeypatch.setattr(load, "THINK_SECONDS", 0.4)
    report = await run(["sessions", *scenes.SCENES], sessions=1000)
    assert not report.failed, [row for row in report.rows if not row[-1]]
