"""Percentiles and medians of small samples."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable

median = statistics.median


def percentile(values: Iterable[float], share: float) -> float:
    """The nearest-rank percentile; `share` between 0 and 1. NaN when there are no values."""
    ordered = sorted(values)
    if not ordered:
        return math.nan
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
