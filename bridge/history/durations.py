"""Durations of calls, counted in buckets, and the quantiles that are estimated from these counts (pure)."""

from __future__ import annotations

from collections.abc import Sequence

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
"""The upper bounds in seconds, inclusive; one more bucket counts what is longer than all of them.

The history has a column for each (recorder/schema): a change of these needs a migration.
"""

EDGES = list(zip((0.0, *BUCKETS), (*BUCKETS, BUCKETS[-1]), strict=True))
"""The lowest and the highest duration of each bucket."""


def quantile(buckets: Sequence[int], seconds: float, share: float) -> float:
    """Estimate a quantile of durations in seconds from their number in each bucket and their sum in `seconds`.

    `share` is between 0 and 1. The value is interpolated linearly within its bucket. If all are in one bucket, they
    are assumed to be spread evenly around their mean, which is exact for a single one. Durations beyond the last bound
    count as that bound.
    """
    return quantiles(buckets, seconds, (share,))[0]


def quantiles(buckets: Sequence[int], seconds: float, shares: Sequence[float]) -> list[float]:
    """The estimates for several shares, in ascending order."""
    filled = [(index, count) for index, count in enumerate(buckets) if count]
    if len(filled) == 1:
        index, count = filled[0]
        low, high = EDGES[index]
        mean = seconds / count
        spread = max(0.0, min(mean - low, high - mean)) * (1 - 1 / count)
        return [mean + (2 * share - 1) * spread for share in shares]
    total, found = sum(buckets), []
    walk = iter(filled)
    (index, count) = next(walk)
    reached = count
    for share in shares:
        while reached < share * total:
            (index, count) = next(walk)
            reached += count
        low, high = EDGES[index]
        found.append(high - (high - low) * (reached - share * total) / count)
    return found
