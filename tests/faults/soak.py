"""Faults one after the other, for long, under load: `python -m tests.faults.soak` (HUB_SOAK_MINUTES, 30).

Records each finding, and in the end a summary, for `tests.faults.report`. Ends with 1 if anything does not hold.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from dataclasses import asdict, dataclass
from statistics import linear_regression, median
from typing import Any

from tests.faults.faults import FAULTS
from tests.faults.results import record
from tests.faults.scene import Finding, Scene, scene

MINUTES = float(os.environ.get("HUB_SOAK_MINUTES", "30"))
GROWTH = 0.10
"""By which memory may grow from the middle third of the time to the last one."""


@dataclass
class Summary:
    """A whole run. Memory in MB; `slope` in MB per hour, over the last two thirds."""

    minutes: float
    faults: int
    calls: int
    unexplained: int
    wrong: int
    p99_quiet_ms: float
    memory_start: float
    memory_middle: float
    memory_end: float
    slope: float
    problems: list[str]


async def soak(minutes: float) -> Summary:
    """Apply faults in random order until the time is over; the first time all of them in order."""
    samples: list[tuple[float, float]] = []
    findings: list[Finding] = []
    async with scene(quiet=5.0) as at:
        began, start = time.monotonic(), at.memory()
        names = list(FAULTS)
        while time.monotonic() - began < minutes * 60:
            for name in names:
                [found] = await at.undergo(FAULTS[name])
                findings.append(found)
                samples.append(((time.monotonic() - began) / 3600, at.memory()))
                _tell(found)
                if time.monotonic() - began >= minutes * 60:
                    break
            random.shuffle(names)
        return _summary(at, findings, samples, start)


def _tell(found: Finding) -> None:
    """Record a finding, and print what does not hold."""
    record(found.as_json())
    if found.problems:
        print(f"{found.fault}: {'; '.join(found.problems)}", flush=True)


def _summary(at: Scene, findings: list[Finding], samples: list[tuple[float, float]], start: float) -> Summary:
    third = max(1, len(samples) // 3)
    middle, last = (median(memory for _, memory in part) for part in (samples[third : 2 * third], samples[-third:]))
    late = samples[third:] if len(samples) > 3 else samples
    slope = linear_regression(*zip(*late, strict=True)).slope if len(late) > 2 else 0.0
    problems = [f"{found.fault}: {problem}" for found in findings for problem in found.problems]
    if last > middle * (1 + GROWTH):
        problems.append(f"memory grew from {middle:.1f} to {last:.1f} MB")
    return Summary(
        minutes=round(samples[-1][0] * 60, 1),
        faults=len(findings),
        calls=sum(found.others_calls + found.calls for found in findings),
        unexplained=sum(found.others_errors for found in findings),
        wrong=sum(found.wrong for found in findings),
        p99_quiet_ms=round(at.quiet.p99 * 1e3, 1),
        memory_start=round(start, 1),
        memory_middle=round(middle, 1),
        memory_end=round(last, 1),
        slope=round(slope, 1),
        problems=problems,
    )


def main() -> int:
    """Run it; returns the exit code."""
    found = asyncio.run(soak(MINUTES))
    summary: dict[str, Any] = {"soak": asdict(found)}
    record(summary)
    print(json.dumps(summary, indent=1))
    return 1 if found.problems else 0


if __name__ == "__main__":
    sys.exit(main())
