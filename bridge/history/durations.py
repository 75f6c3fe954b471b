"""Durations of calls, counted in buckets, and the quantiles that are estimated from these counts (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
"""The upper bounds in seconds, inclusive; one more bucket counts what is longer than all of them.

The history has a column for each (recorder/schema): a change of these needs a migration.
"""


def quantile(buckets: Sequence[int], seconds: float, share: float) -> float:
    """Estimate a quantile of durations in seconds from their number in each bucket and their sum in `seconds`.

    `share` is between 0 and 1. The value is interpolated linearly within its bucket. If all are in one bucket, they
    are assumed to be spread evenly around their mean, which is exact for a single one. Durations beyond the last bound
    count as that bound.
    """
    count = sum(buckets)
    filled = [index for index, each in enumerate(buckets) if each]
    if len(filled) == 1:
        low, high = _edges(filled[0])
        mean = seconds / count
        return mean + (2 * share - 1) * max(0.0, min(mean - low, high - mean)) * (1 - 1 / count)
    rank = share * count
    for index, reached in enumerate(accumulate(buckets)):
        if reached >= rank and buckets[index]:
            low, high = _edges(index)
            return high - (high - low) * (reached - rank) / buckets[index]
    return float(BUCKETS[-1])


def _edges(bucket: int) -> tuple[float, float]:
    low = BUCKETS[bucket - 1] if bucket else 0.0
    return low, BUCKETS[bucket] if bucket < len(BUCKETS) else low
