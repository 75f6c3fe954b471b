"""bench.bridge_bar: the measurement that `make bars` takes of the bridge."""

from __future__ import annotations

from bench.bridge_bar import measure


async def test_the_bridge_is_ordered_and_loses_nothing() -> None:
    """A short measurement gives every figure, and holds what needs no stopwatch."""
    figures = await measure(quick=True)
    assert figures["ordered"]
    assert figures["lost"] == 0
    assert 0 < figures["p50_ms"] <= figures["p99_ms"]
    assert figures["per_second"] > 0
