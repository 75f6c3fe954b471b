"""Puts the findings of a run into docs/reliability.md: `python -m tests.faults.report RESULTS`.

RESULTS is what the tests and the soak wrote with HUB_FAULTS_RESULTS=RESULTS (`make soak`).
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.tables import filled, piped
from tests.support.yamcp import ROOT

DOCUMENT = ROOT / "docs" / "reliability.md"
FAULTS, SOAK, LEAKS = "faults", "soak", "leaks"
HEADER = (
    "fault",
    "calls to others",
    "errors",
    "p99, ms",
    "calls to it",
    "errors",
    "slowest error, ms",
    "back, s",
    "wrong",
)

Json = dict[str, Any]


def merged(findings: Iterable[Json]) -> dict[str, Json]:
    """The findings by fault, the worst of each."""
    found: dict[str, Json] = {}
    for each in findings:
        known = found.setdefault(each["fault"], {**each, "errors": {}, **dict.fromkeys(_SUMS, 0)})
        for name in _SUMS:
            known[name] += each[name]
        for name in ("others_p99", "slowest_error"):
            known[name] = max(known[name], each[name])
        known["back"] = None if None in (known["back"], each["back"]) else max(known["back"], each["back"])
        for code, count in each["errors"].items():
            known["errors"][code] = known["errors"].get(code, 0) + count
    return found


_SUMS = ("others_calls", "others_errors", "calls", "wrong")


def row(found: Json) -> list[str]:
    """The cells of one fault."""
    about = bool(found["about"])
    codes = ", ".join(f"{count} `{code}`" for code, count in sorted(found["errors"].items())) or "0"
    back = "no" if found["back"] is None else f"{found['back']:.1f}"
    return [
        found["fault"],
        str(found["others_calls"]),
        str(found["others_errors"]),
        f"{found['others_p99']:.0f}",
        str(found["calls"]) if about else "",
        codes if about else "",
        f"{found['slowest_error']:.0f}" if about and found["errors"] else "",
        back if about else "",
        str(found["wrong"]),
    ]


def faults_table(findings: list[Json]) -> str:
    """The table of faults and outcomes."""
    quiet = max(each["quiet_p99"] for each in findings)
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    head = f"{machine}; p99 of calls in the quiet phase of the run: {quiet:.0f} ms."
    return "\n".join([head, "", *piped(HEADER, [row(each) for each in merged(findings).values()])])


def soak_table(summary: Json) -> str:
    """The figures of a soak."""
    cells = [
        ["duration", f"{summary['minutes']:.0f} min"],
        ["faults applied", str(summary["faults"])],
        ["calls", str(summary["calls"])],
        ["errors of calls to servers that had no fault", str(summary["unexplained"])],
        ["wrong answers", str(summary["wrong"])],
        ["memory of the sidecar at the start", f"{summary['memory_start']:.0f} MB"],
        ["median memory in the middle third of the time", f"{summary['memory_middle']:.0f} MB"],
        ["median memory in the last third", f"{summary['memory_end']:.0f} MB"],
        ["slope over the last two thirds", f"{summary['slope']:+.1f} MB/h"],
    ]
    return "\n".join(piped(("figure", "value"), cells))


def leaks_table(found: list[Json]) -> str:
    """What is left of sessions, crashes and hostile requests."""
    cells = []
    for each in found:
        if "leak" in each:
            spans = [_span(each[name]) for name in ("processes", "descriptors", "memory")]
            cells.append([each["leak"], str(each["count"]), *spans])
        elif "hostile" in each:
            answers = ", ".join(f"{count} of {status}" for status, count in each["statuses"].items())
            cells.append([f"malformed and hostile requests ({answers}; 0: closed or silent)", str(each["hostile"])])
            cells[-1] += ["", "", _span(each["memory"])]
    return "\n".join(piped(("what", "how many", "processes", "descriptors", "memory, MB"), cells))


def _span(before_and_after: list[float]) -> str:
    return ", then ".join(map(str, before_and_after))


def main(arguments: list[str]) -> None:
    """Fill the document."""
    found = [json.loads(line) for line in Path(arguments[0]).read_text().splitlines()]
    text = DOCUMENT.read_text("utf-8")
    if findings := [each for each in found if "fault" in each]:
        text = filled(text, FAULTS, faults_table(findings))
    if left := [each for each in found if "leak" in each or "hostile" in each]:
        text = filled(text, LEAKS, leaks_table(left))
    for each in found:
        if "soak" in each:
            text = filled(text, SOAK, soak_table(each["soak"]))
    DOCUMENT.write_text(text, "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
